/** Five whole nodes with one budget: nobody overspends, and nobody is refused what another has. */
import { afterAll, expect, it } from 'vitest';
import type { BudgetListResult, BudgetRequestResult } from '../../src/builtin/results.ts';
import type { BudgetView } from '../../src/budget/index.ts';
import type { JsonObject } from '../../src/core/index.ts';
import type { StarlingNode } from '../../src/index.ts';
import { UNLIMITED } from '../../sim/limits.ts';
import { MemoryNetwork } from '../../sim/memory-transport.ts';
import { startNode as startWholeNode } from '../fixtures/whole-nodes.ts';
import { upTo } from '../long/extent.ts';
import type { Cleanups } from '../fixtures/whole-nodes.ts';

const NAMES = ['ada', 'bob', 'cy', 'dee', 'eve'];
const TEST_MS = 120_000;
const memory = new MemoryNetwork();
const cleanups: Cleanups = [];
afterAll(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

const startNode = (name: string, index: number, ticket?: string): Promise<StarlingNode> =>
  startWholeNode(
    cleanups,
    {
      name,
      http: { enabled: false },
      limits: { ...UNLIMITED },
      ...(ticket === undefined ? {} : { join: ticket }),
      ...(name === 'ada' ? { prices: { 'functions/*': { call: '0.01usd' } } } : {}),
    },
    { host: { memory, ip: `10.0.0.${index + 1}` } },
  );

async function call<Result>(node: StarlingNode, tool: string, args: JsonObject): Promise<Result> {
  const result = await node.call(`starling__${tool}`, args);
  if (result['isError'] === true) throw new Error(JSON.stringify(result['content']));
  return result['structuredContent'] as Result;
}

const freeOf = async (node: StarlingNode): Promise<number> =>
  (await call<BudgetView>(node, 'budget_show', { name: 'research' })).free;

it(
  'runs reports against room for 100 at five nodes, many times as many: exactly 100 are booked, and all books agree',
  { timeout: TEST_MS },
  async () => {
    const [ada] = [await startNode('ada', 0)];
    const nodes = [ada];
    for (const [index, name] of NAMES.slice(1).entries()) {
      const { ticket } = (await ada.createTicket()) as { readonly ticket: string };
      nodes.push(await startNode(name, index + 1, ticket));
    }
    for (const node of nodes) {
      await expect
        .poll(() => node.peers().filter(({ state }) => state === 'alive').length, {
          timeout: 60_000,
        })
        .toBe(4);
    }
    await call(ada, 'budget_create', {
      name: 'research',
      limit: '100 calls',
      shares: { bob: '20 calls' },
    });
    for (const peer of ['cy', 'dee', 'eve']) {
      await call(ada, 'budget_grant', { name: 'research', peer });
    }
    for (const node of nodes) {
      await expect
        .poll(async () => (await call<BudgetListResult>(node, 'budget_list', {})).total, {
          timeout: 60_000,
        })
        .toBe(1);
    }
    await expect.poll(() => freeOf(nodes[1] ?? ada), { timeout: 60_000 }).toBe(20);

    const asked = await call<BudgetRequestResult>(nodes[2] ?? ada, 'budget_request', {
      name: 'research',
      amount: 10,
    });
    expect(asked).toMatchObject({ given: 10, granted: true });
    expect(await freeOf(nodes[2] ?? ada)).toBe(10);

    const tries = nodes.flatMap((node) =>
      Array.from({ length: upTo(40, 200) }, () =>
        call(node, 'budget_report', { name: 'research', amount: 1 }).then(
          () => true,
          () => false,
        ),
      ),
    );
    const done = (await Promise.all(tries)).filter(Boolean).length;
    expect(done).toBe(100);
    for (const node of nodes) {
      await expect
        .poll(() => call<BudgetView>(node, 'budget_show', { name: 'research' }), {
          timeout: 60_000,
        })
        .toMatchObject({ limit: 100, spent: 100, held: 0, free: 0 });
    }
    await expect(call(ada, 'budget_report', { name: 'research', amount: 1 })).rejects.toThrow(
      /budget 'research' has 0 calls left on ada, and the call may cost 1 call/,
    );
    await paysByGrant(ada, nodes[1] ?? ada);
  },
);

/** A grant whose calls count against a budget of a dollar, at a cent each: of hundreds at once exactly a hundred run. */
async function paysByGrant(ada: StarlingNode, bob: StarlingNode): Promise<void> {
  let ran = 0;
  await ada.tool({ name: 'search' }, () => {
    ran += 1;
    return { ran };
  });
  await call(ada, 'budget_create', { name: 'web', limit: '1usd' });
  await call(ada, 'grant_create', {
    peer: 'bob',
    tools: ['functions/search'],
    budget: { id: 'web' },
  });
  const search = (): Promise<JsonObject> => bob.call('ada__functions__search', {});
  await expect
    .poll(
      () =>
        search().then(
          () => true,
          () => false,
        ),
      { timeout: 60_000 },
    )
    .toBe(true);
  const asked = upTo(200, 1000);
  const tries = Array.from({ length: asked }, () =>
    search().then(
      ({ isError }) => (isError === true ? 'failed' : 'ran'),
      ({ code }: { readonly code?: string }) => code,
    ),
  );
  // Whoever is not served is told why: no call waits until its time is over.
  const counts: Record<string, number> = {};
  for (const end of await Promise.all(tries)) counts[String(end)] = (counts[String(end)] ?? 0) + 1;
  expect(counts).toEqual({ ran: 99, STARLING_BUDGET_EXHAUSTED: asked - 99 });
  expect(ran).toBe(100);
  await expect
    .poll(() => call<BudgetView>(ada, 'budget_show', { name: 'web' }))
    .toMatchObject({ limit: 1_000_000, spent: 1_000_000, held: 0, free: 0 });
  // The audit log has what each call has cost, and of which budget.
  const audited = await call<{ entries: readonly { outcome: string; spent?: JsonObject }[] }>(
    ada,
    'audit_query',
    { kind: 'call', what: 'functions/search', limit: 1000 },
  );
  const spent = audited.entries.flatMap((entry) => (entry.spent === undefined ? [] : [entry]));
  expect(spent).toHaveLength(100);
  expect(spent[0]).toMatchObject({ outcome: 'ok', spent: { web: '$0.01' } });
  await expect(search()).rejects.toMatchObject({
    code: 'STARLING_BUDGET_EXHAUSTED',
    message: "budget 'web' has $0.00 left on ada, and the call may cost $0.01",
    hint: expect.stringContaining('starling budget request web 0.01usd') as string,
  });
}
