/**
 * How many tasks are kept in a second, beside how many rows of their size a store writes and syncs: in turns, on one disk, by as
 * many callers. Whoever holds a node in its own program gives tasks as it would write to a store; a client gives them over a
 * door of the node, here its socket, from a process of its own, and so pays for the way there and back.
 */
import { join } from 'node:path';
import { createNode, loadConfig } from '../../../src/index.ts';
import type { JsonObject, StarlingNode } from '../../../src/index.ts';
import { createHealth, createStore, silentLogger, systemClock } from '../../../src/testing.ts';
import { UNLIMITED } from '../../limits.ts';
import type { TasksSize } from '../size.ts';
import { giveOver } from './mesh.ts';
import type { TaskNode } from './mesh.ts';
import { medianPace, paceOf } from './rate.ts';
import type { Pace } from './rate.ts';

/** What so many callers at a time come to: medians of the rounds. */
export interface SubmitsRow {
  readonly callers: number;
  /** Synced writes of the store, by the program that holds it. */
  readonly writes: Pace;
  /** Tasks that are kept, by the program that holds the node. */
  readonly library: Pace;
  /** The same by a client at the node's socket; the time of the node alone. */
  readonly socket: Pace;
}

const ROUNDS = 3;
/** What such a task takes on the disk, bytes. */
const ROW_BYTES = 480;
const INPUT = 'hello world';
/** Writes take so much less than tasks where they share their syncs. */
const WRITES_MORE = 10;

/** Measures one caller, and as many as are given at a time; `root` is where the store and the node lie. */
export async function measureSubmits(
  root: string,
  size: TasksSize,
  { node }: { readonly node: TaskNode },
): Promise<readonly SubmitsRow[]> {
  const components = { logger: silentLogger, clock: systemClock, health: createHealth() };
  const store = createStore(components, { dir: join(root, 'store') });
  const own = await nodeHere(join(root, 'library'));
  await store.start();
  try {
    await own.start();
    const table = store.table('bench');
    const value = Buffer.alloc(ROW_BYTES, 'x');
    let written = 0;
    const rows: SubmitsRow[] = [];
    for (const callers of [1, size.callers]) {
      const count = Math.ceil(size.submits / ROUNDS);
      const here = { count, callers, pids: [process.pid] };
      const writes: Pace[] = [];
      const library: Pace[] = [];
      const socket: Pace[] = [];
      for (let round = 0; round < ROUNDS; round += 1) {
        const many = callers === 1 ? here : { ...here, count: count * WRITES_MORE };
        const put = (): Promise<void> => table.batch([{ key: `row-${(written += 1)}`, value }]);
        writes.push(await paceOf(many, put));
        const task = (at: number): JsonObject => taskOf(`${callers}-${round}-${at}`);
        library.push(await paceOf(here, (at) => own.call('starling__agent_task', task(at))));
        const theirs = { ...here, pids: node.pid === undefined ? [] : [node.pid] };
        socket.push(await paceOf(theirs, (at) => giveOver(node, task(at))));
      }
      const [w, l, s] = [writes, library, socket].map(medianPace) as [Pace, Pace, Pace];
      rows.push({ callers, writes: w, library: l, socket: s });
    }
    return rows;
  } finally {
    await own.stop();
    await store.stop();
  }
}

/** To nobody: what is measured is that it is kept. */
function taskOf(id: string): JsonObject {
  return { capability: 'nobody', input: INPUT, id: `kept-${id}` };
}

async function nodeHere(stateDir: string): Promise<StarlingNode> {
  const config = await loadConfig({
    env: { STARLING_CONFIG: '' },
    flags: {
      name: 'library',
      stateDir,
      listen: ['/ip4/127.0.0.1/tcp/0'],
      open: 'tasks',
      mdns: false,
      http: { enabled: false },
      limits: UNLIMITED,
    },
  });
  return createNode(config, { logger: silentLogger });
}
