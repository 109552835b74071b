/** How soon a node that is new has the rows of many owners of many budgets. */
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import type { JsonObject, StarlingNode } from '../../../src/index.ts';
import {
  closeState,
  createBooks,
  createIdentity,
  openState,
  signRow,
  silentLogger,
} from '../../../src/testing.ts';
import type { Books } from '../../../src/testing.ts';
import type { BudgetSize } from '../size.ts';
import { configOf, startNode } from './nodes.ts';

/** How long that took. */
export interface NewcomerCosts {
  /** From when the new node is started until it has joined and has all rows, ms; how many. */
  readonly syncMs: number;
  readonly rows: number;
}

/** Of one budget, besides the founder. */
const PLENTY = 1_000_000_000_000;
const LOOK_MS = 100;
const PATIENCE_MS = 120_000;

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
    const second = await startNode('new', join(root, 'new'), ticket);
    try {
      while (!(await hasAll(second, budgets, owners))) {
        if (performance.now() - startedAt > PATIENCE_MS) break;
        await wait(LOOK_MS);
      }
      return { syncMs: performance.now() - startedAt, rows: budgets * owners };
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
    for (let at = 0; at < budgets; at += 1) {
      const name = `b${at}`;
      const terms = { name, unit: 'calls', limit: PLENTY, shares } as const;
      const id = await books.found({ ...terms, createdAt: base.clock.now() });
      await books.take(
        others.map((other) =>
          signRow(other, { budget: id, owner: other.did, seq: 1, spent: 1, held: 0, out: {} }),
        ),
      );
    }
    await books.idle();
  } finally {
    await closeState(state, (error) => {
      throw error;
    });
  }
}

async function hasAll(node: StarlingNode, budgets: number, owners: number): Promise<boolean> {
  // One first: to show all of them takes its time.
  const one = await node.call('starling__budget_list', { limit: 1 });
  if ((one['structuredContent'] as JsonObject)['total'] !== budgets) return false;
  const all = await node.call('starling__budget_list', {});
  const shown = (all['structuredContent'] as JsonObject)['budgets'] as readonly JsonObject[];
  return shown.every(({ spent }) => spent === owners - 1);
}
