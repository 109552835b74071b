/**
 * A process for the test of disks that fill up: tells what it found in the folder that it is given, and
 * then writes, to a board and to a table, until it is killed. It says of each write whether that was
 * acknowledged (`+`) or refused (`-`).
 */
import { createOpenBoard } from '../../src/blackboard/board/board.ts';
import { LIMITS } from '../../src/blackboard/limits.ts';
import { readBoards } from '../../src/blackboard/disk/persistence.ts';
import { silentLogger, systemClock } from '../../src/core/index.ts';
import type { Clock, Did } from '../../src/core/index.ts';
import { createStore } from '../../src/store/index.ts';

/** What the test waits a second for in a node, it waits 20 ms for here. */
const HASTE = 50;
const clock: Clock = {
  now: () => systemClock.now(),
  schedule: (delayMs, task) => systemClock.schedule(delayMs / HASTE, task),
};
const WORKERS = 8;
const KEYS = 12;

const [dir = '', first = '0', valueBytes = '200'] = process.argv.slice(2);
const store = createStore({ logger: silentLogger, clock }, { dir });
try {
  await store.start();
} catch (error) {
  process.stdout.write(`closed ${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(3);
}
const table = store.table('raw');
const board = createOpenBoard(
  {
    table: store.table('boards'),
    self: 'did:key:z6MkAnn' as Did,
    clock,
    logger: silentLogger,
    publish: () => undefined,
    changed: () => undefined,
  },
  { name: 'b', rows: (await readBoards(store.table('boards'))).get('b') ?? [], limits: LIMITS },
);
const found: Record<string, number> = {};
for (const { key, value } of board.document.entries(''))
  found[key] = Number.parseInt(String(value), 10);
for await (const [key, value] of table.entries()) {
  found[key] = Number.parseInt(Buffer.from(value).toString(), 10);
}
process.stdout.write(`found ${JSON.stringify(found)}\n`);

// The timers of the clock keep no process alive, and all workers may wait at once.
setInterval(() => undefined, 60_000);
let number = Number(first);
const pad = 'x'.repeat(Number(valueBytes));
const work = async (worker: number): Promise<void> => {
  for (;;) {
    const own = (number += 1);
    const key = `${worker % 2 === 0 ? 'board' : 'raw'}-${worker}-${own % KEYS}`;
    const value = `${own} ${pad}`;
    process.stdout.write(`? ${key} ${own}\n`);
    try {
      if (worker % 2 === 0) await board.set(key, value);
      else await table.put(key, Buffer.from(value));
      process.stdout.write(`+ ${key} ${own}\n`);
    } catch {
      process.stdout.write(`- ${key} ${own}\n`);
      await new Promise<void>((resolve) => void clock.schedule(100, resolve));
    }
  }
};
await Promise.all(Array.from({ length: WORKERS }, (_, worker) => work(worker)));
