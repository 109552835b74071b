/**
 * `npm run conformance`: the public conformance suite against our fixture directly, behind the node
 * that owns it and behind a second node two peers away; then its client scenarios against our
 * upstream side. Prints a table; ends with 1 when a required scenario fails.
 *
 * `--only <text>` runs the rows whose name holds the text; `--output <folder>` keeps what the suite
 * wrote; `--verbose` prints why each check failed.
 */
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { runClientScenarios } from './client-leg.ts';
import { CLI, fixtureCommand, startFixture, startMesh } from './mesh.ts';
import type { Cleanup } from './mesh.ts';
import { judge, report } from './report.ts';
import type { Row } from './report.ts';
import { readRequirements, runSuite } from './suite.ts';
import type { Revision } from './suite.ts';

const SCENARIO_TIMEOUT_MS = 20_000;
const RUN_TIMEOUT_MS = 300_000;

interface Target {
  readonly name: string;
  readonly url: string;
  readonly revision: Revision;
  /** A bridge between the eras cannot pass all that a server of its own era can. */
  readonly scored: boolean;
}

const { values } = parseArgs({
  options: {
    only: { type: 'string', default: '' },
    output: { type: 'string' },
    verbose: { type: 'boolean', default: false },
  },
});

const stop = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort());

const ends: (() => unknown)[] = [];
const cleanup: Cleanup = { defer: (end) => void ends.push(end) };

async function prepare(): Promise<Target[]> {
  const urls = {
    legacy: await startFixture('legacy', cleanup),
    modern: await startFixture('modern', cleanup),
  };
  const direct: Target[] = [
    { name: 'direct', url: urls.legacy, revision: '2025-11-25', scored: true },
    { name: 'direct', url: urls.modern, revision: '2026-07-28', scored: true },
  ];
  if (direct.every(isWanted) && values.only.startsWith('direct')) return direct;
  const { owner, guest } = await startMesh(
    root,
    {
      'old-stdio': fixtureCommand('legacy'),
      'new-stdio': fixtureCommand('modern'),
      'old-http': { type: 'http', url: urls.legacy },
      'new-http': { type: 'http', url: urls.modern },
    },
    cleanup,
  );
  const behind = (server: string, revision: Revision): Target[] => {
    const scored = server.startsWith('old') === (revision === '2025-11-25');
    return [
      {
        name: `one hop, ${server}`,
        url: `${owner.origin}/mcp/${server}`,
        revision,
        scored,
      },
      {
        name: `two peers, ${server}`,
        url: `${guest.origin}/mcp/owner/${server}`,
        revision,
        scored,
      },
    ];
  };
  return [
    ...direct,
    ...behind('old-stdio', '2025-11-25'),
    ...behind('old-http', '2025-11-25'),
    ...behind('new-stdio', '2026-07-28'),
    ...behind('new-http', '2026-07-28'),
    ...behind('new-stdio', '2025-11-25'),
    ...behind('old-stdio', '2026-07-28'),
  ];
}

const isWanted = ({ name, revision }: { name: string; revision: string }): boolean =>
  `${name} ${revision}`.includes(values.only);

async function runTarget(target: Target): Promise<Row> {
  const { name, url, revision, scored } = target;
  const folder = join(kept, `${name} ${revision}`.replaceAll(/\W+/g, '-'));
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  const started = performance.now();
  const timeout = String(SCENARIO_TIMEOUT_MS);
  const args = ['server', '--url', url, '--requirements', revision, '--timeout', timeout];
  const run = await runSuite(args, folder, RUN_TIMEOUT_MS, stop.signal);
  const seconds = (performance.now() - started) / 1000;
  return judge({ name, revision, scored, seconds }, readRequirements(revision, 'server'), run);
}

async function main(): Promise<Row[]> {
  const rows: Row[] = [];
  const note = (row: Row): void => {
    rows.push(row);
    process.stderr.write(`${row.name}, ${row.revision}: ${row.passed}/${row.required}\n`);
  };
  const wantsServer = !values.only.startsWith('client');
  const targets = wantsServer ? (await prepare()).filter(isWanted) : [];
  for (const target of targets) note(await runTarget(target));
  for (const revision of ['2025-11-25', '2026-07-28'] as const) {
    if (!isWanted({ name: 'client', revision })) continue;
    note(await runClientScenarios(revision, kept, stop.signal));
  }
  return rows;
}

if (!existsSync(CLI)) throw new Error('nothing is built yet: run npm run build');
const root = await mkdtemp(join(tmpdir(), 'starling-conformance-'));
const kept = values.output === undefined ? join(root, 'results') : resolve(values.output);
try {
  const rows = await main();
  process.stdout.write(report(rows, values.verbose));
  process.exitCode = rows.length > 0 && rows.every((row) => row.isFine) ? 0 : 1;
} finally {
  for (const end of ends.toReversed()) await end();
  await rm(root, { recursive: true, force: true });
}
