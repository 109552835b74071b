/**
 * How many tasks are kept in a second, beside how many rows of their size a store writes and syncs: in turns, on one disk, by as
 * many callers. Between the two lies the least that a submit can be: such a row as JSON, with an entry of the audit log before
 * and one after, by the store and the log alone. Whoever holds a node in its own program gives tasks as it would write to a store; a client gives them over a
 * door of the node, here its socket, from a process of its own, and so pays for the way there and back.
 */
import { join } from 'node:path';
import { createNode, loadConfig } from '../../../src/index.ts';
import type { JsonObject, StarlingNode } from '../../../src/index.ts';
import {
  createAudit,
  createHealth,
  createIdentity,
  createStore,
  silentLogger,
  systemClock,
} from '../../../src/testing.ts';
import type { Audit, Table } from '../../../src/testing.ts';
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
  /** The same of rows that are made as JSON, each between two entries of the audit log. */
  readonly least: Pace;
  /** Tasks that are kept, by the program that holds the node. */
  readonly library: Pace;
  /** The same by a client at the node's socket; the time of the node alone. */
  readonly socket: Pace;
}

const ROUNDS = 3;
/** What such a task takes on the disk, bytes. */
const ROW_BYTES = 480;
/** What the row of {@link SubmitsRow.least} has besides its text, about. */
const ROW_JSON_BYTES = 40;
const INPUT = 'hello world';
const WHAT = { ability: 'tool/call', resource: 'tool:starling/agent_task' };
/** A call has its arguments on record by their hash. */
const ARGS_HASH = '0'.repeat(64);
/** Rows take so much less than tasks where they share their syncs. */
const BARE_MORE = 10;
/** So many of each are not timed: then code is compiled, as it is in a node that has run for a while. */
const WARM = 3000;

/** Measures one caller, and as many as are given at a time; `root` is where the store and the node lie. */
export async function measureSubmits(
  root: string,
  size: TasksSize,
  { node }: { readonly node: TaskNode },
): Promise<readonly SubmitsRow[]> {
  const components = { logger: silentLogger, clock: systemClock, health: createHealth() };
  const store = createStore(components, { dir: join(root, 'store') });
  const log = { ...components, identity: createIdentity() };
  const audit = createAudit(log, { folder: join(root, 'audit') });
  const own = await nodeHere(join(root, 'library'));
  await store.start();
  await audit.start();
  try {
    await own.start();
    const ways = waysOf({ own, node, audit, table: store.table('bench') });
    const all = Object.values(ways);
    for (const way of all) {
      await paceOf({ count: WARM, callers: size.callers, pids: [] }, (at) => way.warm(`w-${at}`));
    }
    const rows: SubmitsRow[] = [];
    for (const callers of [1, size.callers]) {
      const paces = new Map<Way, Pace[]>();
      for (let round = 0; round < ROUNDS; round += 1) {
        for (const way of all) {
          const { isBare, pids } = way;
          const count = Math.ceil(size.submits / ROUNDS) * (isBare && callers > 1 ? BARE_MORE : 1);
          const init = { count, callers, pids };
          const pace = await paceOf(init, (at) => way.once(`${callers}-${round}-${at}`));
          paces.set(way, [...(paces.get(way) ?? []), pace]);
        }
      }
      const median = (way: Way): Pace => medianPace(paces.get(way) ?? []);
      const { least, library, socket, writes } = ways;
      rows.push({
        callers,
        writes: median(writes),
        least: median(least),
        library: median(library),
        socket: median(socket),
      });
    }
    return rows;
  } finally {
    await own.stop();
    await audit.stop();
    await store.stop();
  }
}

/** One thing that is measured. */
interface Way {
  /** Of the store alone: takes so much less, where syncs are shared, that it is done oftener. */
  readonly isBare: boolean;
  /** The processes whose time counts. */
  readonly pids: readonly number[];
  once(this: void, id: string): Promise<unknown>;
  /** The same, of which nothing is left to be done. */
  warm(this: void, id: string): Promise<unknown>;
}

/** By whom rows are written, and tasks given. */
interface WaysInit {
  readonly own: StarlingNode;
  readonly node: TaskNode;
  readonly audit: Audit;
  readonly table: Table;
}

function waysOf({
  audit,
  node,
  own,
  table,
}: WaysInit): Readonly<Record<'least' | 'library' | 'socket' | 'writes', Way>> {
  const value = Buffer.alloc(ROW_BYTES, 'x');
  const row = { id: '', text: 'x'.repeat(ROW_BYTES - ROW_JSON_BYTES) };
  const here = [process.pid];
  const there = node.pid === undefined ? [] : [node.pid];
  const put = (id: string): Promise<void> => table.batch([{ key: id, value }]);
  const putRecorded = (id: string): Promise<void> =>
    recorded(audit, () =>
      table.batch([{ key: id, value: Buffer.from(JSON.stringify({ ...row, id })) }]),
    );
  const give = (id: string): Promise<unknown> => own.call('starling__agent_task', taskOf(id));
  return {
    writes: { isBare: true, pids: here, once: put, warm: put },
    least: { isBare: true, pids: here, once: putRecorded, warm: putRecorded },
    library: { isBare: false, pids: here, once: give, warm: give },
    socket: {
      isBare: false,
      pids: there,
      once: (id) => giveOver(node, taskOf(id)),
      // That node has an agent, and is to have room for a queue.
      warm: (id) => giveOver(node, { type: 'small', input: INPUT, id, wait_s: 60 }),
    },
  };
}

/** Does `work` between the two entries that a call has on record. */
async function recorded(audit: Audit, work: () => Promise<void>): Promise<void> {
  const about = { who: 'operator', what: WHAT, args: ARGS_HASH };
  const of = await audit.append({ kind: 'decision', ...about, outcome: 'allowed' });
  await work();
  audit.note({ kind: 'call', ...about, outcome: 'ok', of, durationMs: 0 });
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
