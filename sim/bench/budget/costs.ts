/**
 * What a budget costs: holds in groups and alone, against the store's own synced writes of the same minutes, and calls that
 * count against one beside calls that do not.
 */
import type { Did } from '../../../src/index.ts';
import {
  createBooks,
  createHealth,
  createIdentity,
  createStore,
  silentLogger,
  systemClock,
} from '../../../src/testing.ts';
import { percentile } from '../../report.ts';
import type { BudgetSize } from '../size.ts';
import { startNode } from './nodes.ts';

/** Figures of books over a store alone, without a node. */
export interface HoldCosts {
  /** Holds a second of 64 callers, each settled before the next. */
  readonly holdsPerSecond: number;
  /** Medians, ms: one hold of one caller, and a synced write of the store. */
  readonly holdMs: number;
  readonly writeMs: number;
  /** Of the holds of the 64 callers, until each was told that it is on the disk: the 99th of a hundred, ms. */
  readonly holdP99Ms: number;
}

/** Figures of whole nodes, with the guard and the audit log. */
export interface CallCosts {
  /** Processor of the node for one call of 64 callers, µs, with and without a budget, of the round whose ratio is in the middle. */
  readonly paidUs: number;
  readonly freeUs: number;
  readonly ratio: number;
  /** How long the 99th of a hundred such calls took, ms, of the same round. */
  readonly paidP99Ms: number;
  readonly freeP99Ms: number;
}

/** Callers at a time. */
export const CALLERS = 64;
const PLENTY = 1_000_000_000_000;
const ROW_BYTES = 600;

/** Books over a store on this disk. */
export async function measureHolds(dir: string, size: BudgetSize): Promise<HoldCosts> {
  const components = { logger: silentLogger, clock: systemClock, health: createHealth() };
  const store = createStore(components, { dir });
  await store.start();
  try {
    const signer = createIdentity();
    const books = createBooks({
      table: store.table('budgets'),
      signer,
      successions: { origin: (did: Did) => did },
      clock: systemClock,
      logger: silentLogger,
      isPutOut: () => false,
    });
    await books.load();
    const terms = { name: 'bench', unit: 'calls', limit: PLENTY, shares: {} } as const;
    const id = await books.found({ ...terms, createdAt: systemClock.now() });
    const waits: number[] = [];
    const once = async (): Promise<void> => {
      const startedAt = performance.now();
      const hold = await books.hold(id, 1);
      waits.push(performance.now() - startedAt);
      hold.settle(1);
    };
    await each(CALLERS, size.holds / 4, once);
    waits.length = 0;
    const rates: number[] = [];
    for (let round = 0; round < size.rounds; round += 1) {
      const startedAt = performance.now();
      await each(CALLERS, size.holds, once);
      rates.push((size.holds * 1000) / (performance.now() - startedAt));
    }
    await books.idle();
    const alone: number[] = [];
    const writes: number[] = [];
    const table = store.table('bench');
    const value = Buffer.alloc(ROW_BYTES, 'x');
    for (let at = 0; at < size.alone; at += 1) {
      alone.push(
        await timed(async () => {
          (await books.hold(id, 1)).settle(0);
        }),
      );
      // What was settled is not waited for, and must not be in the way of the other.
      await books.idle();
      writes.push(await timed(() => table.batch([{ key: `row-${at}`, value }])));
    }
    return {
      holdsPerSecond: Math.max(...rates),
      holdP99Ms: percentile(waits, 0.99),
      holdMs: percentile(alone, 0.5),
      writeMs: percentile(writes, 0.5),
    };
  } finally {
    await store.stop();
  }
}

/** A whole node with a tool of its own, whose calls by the operator count or do not, in turns. */
export async function measureCalls(stateDir: string, size: BudgetSize): Promise<CallCosts> {
  const node = await startNode('bench', stateDir);
  try {
    await node.tool({ name: 'echo' }, () => ({ ok: true }));
    const run = async (): Promise<{ readonly us: number; readonly p99Ms: number }> => {
      const took: number[] = [];
      const before = process.cpuUsage();
      await each(CALLERS, size.calls, async () => {
        const startedAt = performance.now();
        await node.call('functions__echo', {});
        took.push(performance.now() - startedAt);
      });
      const { user, system } = process.cpuUsage(before);
      return { us: (user + system) / size.calls, p99Ms: percentile(took, 0.99) };
    };
    await run();
    const rounds: CallCosts[] = [];
    for (let round = 0; round < size.rounds; round += 1) {
      const before = await run();
      const name = `bench-${round}`;
      const terms = { name, limit: `${PLENTY} calls`, for: 'tool:functions/*' };
      await node.call('starling__budget_create', terms);
      const { us: paidUs, p99Ms: paidP99Ms } = await run();
      await node.call('starling__budget_close', { name });
      // What else the machine does changes from one run to the next, and less between one and the two around it.
      const after = await run();
      const freeUs = (before.us + after.us) / 2;
      const freeP99Ms = Math.max(before.p99Ms, after.p99Ms);
      rounds.push({ paidUs, freeUs, ratio: paidUs / freeUs, paidP99Ms, freeP99Ms });
    }
    const middle = rounds.toSorted((a, b) => a.ratio - b.ratio)[Math.floor(rounds.length / 2)];
    if (middle === undefined) throw new Error('no round was measured');
    return middle;
  } finally {
    await node.stop();
  }
}

/** Does `count` of it, so many at a time. */
async function each(callers: number, count: number, work: () => Promise<void>): Promise<void> {
  let left = count;
  const caller = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      await work();
    }
  };
  await Promise.all(Array.from({ length: callers }, caller));
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  await work();
  return performance.now() - startedAt;
}
