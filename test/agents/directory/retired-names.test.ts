/** An agent's name that somebody else takes after the agent was retired: nothing of before is read under it. */
import { expect, it } from 'vitest';
import { createLocalAgents } from '../../../src/agents/directory/local-agents.ts';
import type { LocalAgents } from '../../../src/agents/directory/local-agents.ts';
import { silentLogger } from '../../../src/core/index.ts';
import type { Principal } from '../../../src/guard/index.ts';
import { createIdentity } from '../../../src/identity/index.ts';
import type { Table } from '../../../src/store/index.ts';
import { createTestClock } from '../../core/test-clock.ts';
import { memoryTable } from '../../grants/memory-table.ts';

const { did, peerId } = createIdentity(Buffer.alloc(32, 2));
const ANN: Principal = { kind: 'client', name: 'ann', scopes: [] };
const BOB: Principal = { kind: 'client', name: 'bob', scopes: [] };
const READ = { limit: 10, waitMs: 0, signal: new AbortController().signal };

function agentsOver(table: Table, retiring?: (name: string) => Promise<void>): LocalAgents {
  return createLocalAgents({
    table,
    self: { name: 'alice', did, peerId },
    clock: createTestClock(),
    random: () => 0.5,
    logger: silentLogger,
    changed: () => undefined,
    ...(retiring === undefined ? {} : { retiring }),
  });
}

function mail(id: string): Parameters<ReturnType<LocalAgents['all']>[number]['inbox']['add']>[0] {
  const timestamp = new Date(0).toISOString();
  const message = { id, from: 'x@alice', to: 'critic', type: 'note', payload: 'secret', timestamp };
  return { sender: 'x', message: message as never, durable: true };
}

/** A disk that takes a few turns for each write, and only so many of them. */
function disk(): { readonly table: Table; readonly rows: Map<string, Uint8Array>; left: number } {
  const inner = memoryTable();
  const write = async (work: () => Promise<void>): Promise<void> => {
    for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    if (made.left <= 0) throw new Error('the process is gone');
    made.left -= 1;
    await work();
  };
  const table: Table = {
    get: (key) => inner.get(key),
    entries: (prefix) => inner.entries(prefix),
    put: (key, value) => write(() => inner.put(key, value)),
    delete: (key) => write(() => inner.delete(key)),
    batch: (writes) => write(() => inner.batch(writes)),
  };
  const made = { table, rows: inner.rows, left: Infinity };
  return made;
}

it('who takes the name while the agent is being retired reads none of its mail', async () => {
  const { table } = disk();
  const own = agentsOver(table);
  const critic = await own.announce(ANN, { name: 'critic' });
  await critic.inbox.add(mail('a'));
  const coming = critic.inbox.add(mail('b'));
  const retired = own.retire(critic);
  await expect(critic.inbox.add(mail('c'))).rejects.toMatchObject({
    code: 'STARLING_AGENT_UNKNOWN',
  });
  const next = await own.announce(BOB, { name: 'critic' });
  await coming;
  expect(await retired).toBe(2);
  expect((await next.inbox.read(READ)).messages).toEqual([]);
  // What the first has asked for late concerns the second no more.
  expect(await own.retire(critic)).toBe(0);
  await own.stopAgent(critic);
  expect(own.owned(BOB, 'critic')).toMatchObject({ stopped: false });
  own.close();
  const again = agentsOver(table);
  await again.load();
  expect((await again.owned(BOB, 'critic').inbox.read(READ)).messages).toEqual([]);
  again.close();
});

it('an agent whose node dies while it is retired is there with its mail, or neither is', async () => {
  for (const writes of [0, 1, 2]) {
    const kept = disk();
    const own = agentsOver(kept.table);
    const critic = await own.announce(ANN, { name: 'critic' });
    await critic.inbox.add(mail('a'));
    kept.left = writes;
    await own.retire(critic).catch(() => undefined);
    own.close();
    const again = agentsOver(memoryTable(new Map(kept.rows)));
    await again.load();
    const isThere = again.find('critic') !== undefined;
    expect([isThere, again.find('critic')?.inbox.waiting]).toEqual(
      writes === 0 ? [true, 1] : [false, undefined],
    );
    expect([...kept.rows.keys()].some((key) => key.startsWith('mail/'))).toBe(isThere);
    again.close();
  }
});

it('mail that an earlier release left behind under a name is nobody else’s', async () => {
  const table = memoryTable();
  const own = agentsOver(table);
  const critic = await own.announce(ANN, { name: 'critic' });
  await critic.inbox.add(mail('a'));
  own.close();
  // As a node that was killed between the two writes of which a retirement was made.
  const keys = [...table.rows.keys()];
  for (const key of keys) if (!key.startsWith('mail/')) await table.delete(key);
  const again = agentsOver(table);
  await again.load();
  const next = await again.announce(BOB, { name: 'critic' });
  expect((await next.inbox.read(READ)).messages).toEqual([]);
  again.close();
});

it('what else is known by the name goes before the name is free, and an agent of which that fails stays', async () => {
  let isFull = true;
  const order: string[] = [];
  const own = agentsOver(memoryTable(), async (name) => {
    await new Promise((resolve) => setImmediate(resolve));
    if (isFull) throw new Error('the disk is full');
    order.push(`${name} has retired`);
  });
  const critic = await own.announce(ANN, { name: 'critic' });
  await expect(own.retire(critic)).rejects.toThrow('the disk is full');
  await expect(own.announce(BOB, { name: 'critic' })).rejects.toMatchObject({
    code: 'STARLING_AGENT_TAKEN',
  });
  isFull = false;
  const retired = own.retire(critic);
  await own.announce(BOB, { name: 'critic' }).then(() => order.push('it is of bob'));
  await retired;
  expect(order).toEqual(['critic has retired', 'it is of bob']);
  own.close();
});
