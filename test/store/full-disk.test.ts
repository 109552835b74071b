/**
 * Writers on a small disk that fills up at random moments and is freed again, killed in between: whatever
 * was acknowledged is found by the next one, and nothing that was refused. `STARLING_FULL_DISK_WRITES`
 * makes the test as long as one likes.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { seeded } from '../compliance/support/faulty-table.ts';
import { builtScript } from '../fixtures/built-script.ts';
import { createSmallDisk, smallDiskMissing } from './small-disk.ts';
import type { SmallDisk } from './small-disk.ts';
import { upTo } from '../long/extent.ts';

const WRITER = fileURLToPath(new URL('./full-disk-writer.ts', import.meta.url));
const WRITES = Number(process.env['STARLING_FULL_DISK_WRITES'] ?? upTo(400, 3000));
const SEED = Number(process.env['STARLING_FULL_DISK_SEED'] ?? 7);
const TEST_MS = 1_800_000;
const DISK_BYTES = 12 * 1024 * 1024;

const missing = await smallDiskMissing();
if (missing !== undefined) process.stderr.write(`skipped: ${missing}\n`);

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

/** What a disk must hold, by what writers have said. */
interface Oracle {
  /** The last acknowledged number of each key, and those after that of which nobody knows. */
  readonly keys: Map<string, { acknowledged: number | undefined; open: Set<number> }>;
  count: number;
  refused: number;
  hear(line: string): void;
  /** What was found that is not as it must be. */
  readonly wrong: string[];
  check(found: Readonly<Record<string, number>>): void;
}

function createOracle(): Oracle {
  const keys: Oracle['keys'] = new Map();
  const oracle: Oracle = {
    keys,
    count: 0,
    refused: 0,
    wrong: [],
    hear(line) {
      const [what, key = '', text] = line.split(' ');
      const number = Number(text);
      const of = keys.get(key) ?? { acknowledged: undefined, open: new Set() };
      keys.set(key, of);
      if (what === '?') of.open.add(number);
      else of.open.delete(number);
      if (what === '+') of.acknowledged = number;
      if (what === '-') oracle.refused += 1;
      if (what !== '?') oracle.count += 1;
    },
    check(found) {
      for (const [key, { acknowledged, open }] of keys) {
        const is = found[key];
        const isRight = is === acknowledged || (is !== undefined && open.has(is));
        if (!isRight) oracle.wrong.push(`${key} is ${is}, acknowledged was ${acknowledged}`);
        keys.set(key, { acknowledged: is, open: new Set() });
      }
    },
  };
  return oracle;
}

/** Starts a writer; undefined when the disk is too full for it. */
async function startWriter(
  dir: string,
  init: { readonly first: number; readonly valueBytes: number; readonly oracle: Oracle },
): Promise<ChildProcess | undefined> {
  const { first, valueBytes, oracle } = init;
  const args = [await builtScript(WRITER), dir, String(first), String(valueBytes)];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  cleanups.push(() => child.kill('SIGKILL'));
  // One listener from the beginning: what comes in one piece with the first line is told at once.
  const said = await new Promise<string>((resolve) => {
    createInterface({ input: child.stdout }).on('line', (line) => {
      const [what = ''] = line.split(' ', 1);
      const rest = line.slice(what.length + 1);
      if (what === 'found') oracle.check(JSON.parse(rest) as Record<string, number>);
      if (what === 'found' || what === 'closed') resolve(line);
      else oracle.hear(line);
    });
  });
  if (said.startsWith('found')) return child;
  expect(said).toContain('the disk is full');
  return undefined;
}

async function kill(child: ChildProcess): Promise<void> {
  const gone = once(child, 'close');
  child.kill('SIGKILL');
  await gone;
}

/** Waits for `count` more answers of the writer, acknowledged or not. */
async function answers(oracle: Oracle, count: number): Promise<void> {
  const enough = oracle.count + count;
  await expect.poll(() => oracle.count, { timeout: 60_000, interval: 2 }).toBeGreaterThan(enough);
}

describe.skipIf(missing !== undefined)('on a disk that fills up', () => {
  it(
    'no acknowledged write is lost and no refused one is found, killed or not',
    { timeout: TEST_MS },
    async () => {
      const random = seeded(SEED);
      const disk: SmallDisk = await createSmallDisk(DISK_BYTES);
      cleanups.push(() => disk.remove());
      const dir = join(disk.path, 'db');
      const oracle = createOracle();
      let starts = 0;
      // How soon the disk is full depends on how fast it is: it must have been, too.
      const isDone = (): boolean => oracle.count >= WRITES && oracle.refused > WRITES / 100;
      for (let round = 0; !isDone(); round += 1) {
        starts += 1;
        const valueBytes = [50, 200, 2000, 8000][Math.floor(random() * 4)] ?? 200;
        const init = { first: round * 1_000_000, valueBytes, oracle };
        const child = await startWriter(dir, init);
        if (child === undefined) {
          await disk.free();
          continue;
        }
        const turns = 1 + Math.floor(random() * 3);
        for (let turn = 0; turn < turns; turn += 1) {
          await answers(oracle, 20 + Math.floor(random() * 100));
          await disk.fill(Math.floor(random() * 40_000));
          await answers(oracle, 20 + Math.floor(random() * 100));
          if (turn + 1 < turns || random() < 0.5) await disk.free();
        }
        if (random() < 0.5) await answers(oracle, Math.floor(random() * 50));
        await kill(child);
        if (random() < 0.7) await disk.free();
      }
      await disk.free();
      const last = await startWriter(dir, { first: 0, valueBytes: 10, oracle });
      expect(last).toBeDefined();
      if (last !== undefined) await kill(last);
      expect(oracle.wrong).toEqual([]);
      process.stderr.write(
        `full disk: ${oracle.count} answers, ${oracle.refused} refused, ${starts} starts, seed ${SEED}\n`,
      );
    },
  );
});
