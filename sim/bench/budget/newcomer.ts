/** How soon a node that is new has the rows of many owners of many budgets. */
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import type { JsonObject, StarlingNode } from '../../../src/index.ts';
import {
  closeState,
  createBooks,
  createIdentity,
  openState,
  signRows,
  silentLogger,
} from '../../../src/testing.ts';
import type { Books } from '../../../src/testing.ts';
import type { BudgetSize } from '../size.ts';
import { configOf, startNode } from './nodes.ts';

/** How long that took. */
export interface NewcomerCosts {
  /** From when the new node is started until it has joined and has all rows, ms; how many. */
  readonly syncMs: number;
  /** Of a processor, of both nodes together, meanwhile: ms. */
  readonly cpuMs: number;
  readonly rows: number;
}

/** Of one budget, besides the founder. */
const PLENTY = 1_000_000_000_000;
const LOOK_MS = 500;
const PATIENCE_MS = 300_000;

/** A node with the rows of many owners, and one that joins it. */
export async function measureNewcomer(
  root: string,
  { budgets, owners }: BudgetSize,
): Promise<NewcomerCosts> {
  const full = join(root, 'full');
  await fill(full, budgets, owners);
  const first = await startNode('full', full);
  try {
    const { ticket } = await first.createTicket();
    const startedAt = performance.now();
    const before = process.cpuUsage();
    const second = await startNode('new', join(root, 'new'), ticket);
    try {
      while (!(await hasAll(second, budgets, owners))) {
        if (performance.now() - startedAt > PATIENCE_MS) break;
        await wait(LOOK_MS);
      }
      const syncMs = performance.now() - startedAt;
      const { user, system } = process.cpuUsage(before);
      await requireAll(second, budgets, owners);
      return { syncMs, cpuMs: (user + system) / 1000, rows: budgets * owners };
    } finally {
      await second.stop();
    }
  } finally {
    await first.stop();
  }
}

/** Writes budgets of the node of that folder, and a row of each other owner for each. */
async function fill(stateDir: string, budgets: number, owners: number): Promise<void> {
  const config = await configOf('full', stateDir);
  const { base, state } = await openState(config, { logger: silentLogger });
  try {
    const others = Array.from({ length: owners - 1 }, () => createIdentity());
    const shares = Object.fromEntries(others.map(({ did }) => [did, 10]));
    const books: Books = createBooks({
      table: state.store.table('budgets'),
      signer: state.identity,
      successions: state.successions,
      clock: base.clock,
      logger: silentLogger,
      isPutOut: () => false,
    });
    await books.load();
    const ids: string[] = [];
    for (let at = 0; at < budgets; at += 1) {
      const terms = { name: `b${at}`, unit: 'calls', limit: PLENTY, shares } as const;
      ids.push(await books.found({ ...terms, createdAt: base.clock.now() }));
    }
    for (const other of others) {
      const { did } = other;
      const rows = ids.map((budget) => {
        return { budget, owner: did, seq: 1, spent: 1, held: 0, out: {} };
      });
      // As an owner's node tells rows that have changed together.
      await books.take(signRows(other, rows));
    }
    await books.idle();
  } finally {
    await closeState(state, (error) => {
      throw error;
    });
  }
}

/**
 * To look at all budgets would take its time: the rows of the last come last, and those of the first are left out where the
 * node did not know yet who made them.
 */
async function hasAll(node: StarlingNode, budgets: number, owners: number): Promise<boolean> {
  for (const cursor of [budgets - 1, 0]) {
    const { total, shown } = await page(node, cursor, 1);
    const isWhole = shown.every(({ spent }) => spent === owners - 1);
    if (total !== budgets || !isWhole) return false;
  }
  return true;
}

/** @throws Error where rows are missing */
async function requireAll(node: StarlingNode, budgets: number, owners: number): Promise<void> {
  for (let cursor = 0; cursor < budgets;) {
    const { shown } = await page(node, cursor);
    if (shown.length === 0 || shown.some(({ spent }) => spent !== owners - 1)) {
      throw new Error(`rows are missing of the budgets from ${cursor} on`);
    }
    cursor += shown.length;
  }
}

async function page(
  node: StarlingNode,
  cursor: number,
  limit = 200,
): Promise<{ readonly total: number; readonly shown: readonly JsonObject[] }> {
  const answer = await node.call('starling__budget_list', { cursor, limit });
  const { total, budgets } = answer['structuredContent'] as JsonObject;
  return { total: Number(total), shown: budgets as readonly JsonObject[] };
}
