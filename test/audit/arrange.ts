/** What the audit tests share: logs in folders of their own, entries, and lines of a log's files. */
import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { createAudit } from '../../src/audit/index.ts';
import type { Audit, AuditLogInit, Checkpoint } from '../../src/audit/index.ts';
import type { OpenSegment } from '../../src/audit/segments/segment-file.ts';
import { createHealth, silentLogger, systemClock } from '../../src/core/index.ts';
import type { Clock, Health } from '../../src/core/index.ts';
import type { FrequentSigner } from '../../src/identity/index.ts';
import { NODE, decision } from './arrange-entries.ts';

export { NODE, decision };

export interface Bench {
  readonly audit: Audit;
  readonly folder: string;
  readonly health: Health;
  /** Checkpoints that were told to peers. */
  readonly told: Checkpoint[];
}

export interface BenchInit extends Partial<AuditLogInit> {
  /** Default: {@link NODE}. */
  readonly identity?: FrequentSigner;
  readonly clock?: Clock;
  readonly openSegment?: OpenSegment;
}

/** A folder, which ends with the test. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'starling-audit-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));
  return folder;
}

/** A started log, which ends with the test. */
export async function startAudit(init: BenchInit = {}): Promise<Bench> {
  const { identity = NODE, clock = systemClock, openSegment, ...more } = init;
  const { folder = await temporaryFolder(), ...rest } = more;
  const health = createHealth();
  const audit = createAudit(
    {
      identity,
      clock,
      logger: silentLogger,
      health,
      ...(openSegment === undefined ? {} : { openSegment }),
    },
    { folder, ...rest },
  );
  const told: Checkpoint[] = [];
  audit.events.on('checkpoint', (checkpoint) => told.push(checkpoint));
  await audit.start();
  onTestFinished(() => audit.stop());
  return { audit, folder, health, told };
}

/** A stopped log of `count` decisions. */
export async function writtenLog(count: number, init: BenchInit = {}): Promise<Bench> {
  const bench = await startAudit(init);
  for (let n = 1; n <= count; n += 1) bench.audit.note(decision(n));
  await bench.audit.flush();
  await bench.audit.stop();
  return bench;
}

/** Names of the segments, oldest first. */
export async function segmentsOf(folder: string): Promise<string[]> {
  return (await readdir(folder)).filter((name) => name.endsWith('.jsonl')).sort();
}

export async function linesOf(folder: string, segment: string): Promise<string[]> {
  return (await readFile(join(folder, segment), 'utf8')).split('\n').slice(0, -1);
}

export function putLines(folder: string, segment: string, lines: readonly string[]): Promise<void> {
  return writeFile(join(folder, segment), lines.map((line) => `${line}\n`).join(''));
}
