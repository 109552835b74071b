/** What heartbeats say of the agents of a node: that they are others, and nothing that could be guessed. */
import { expect, it } from 'vitest';
import { createLocalAgents } from '../../../src/agents/directory/local-agents.ts';
import type { LocalAgents } from '../../../src/agents/directory/local-agents.ts';
import { silentLogger } from '../../../src/core/index.ts';
import { OPERATOR } from '../../../src/guard/index.ts';
import { createIdentity } from '../../../src/identity/index.ts';
import { createTestClock } from '../../core/test-clock.ts';
import { memoryTable } from '../../grants/memory-table.ts';

const { did, peerId } = createIdentity(Buffer.alloc(32, 2));

function agentsOf(): LocalAgents {
  return createLocalAgents({
    table: memoryTable(),
    self: { name: 'alice', did, peerId },
    clock: createTestClock(),
    random: () => 0.5,
    logger: silentLogger,
    changed: () => undefined,
  });
}

it('lists to all members those that are announced as listed, without what changes with load, and no others', async () => {
  const own = agentsOf();
  await own.announce(OPERATOR, { name: 'recluse' });
  await own.announce(OPERATOR, {
    name: 'critic',
    id: 'c',
    listed: true,
    zone: 'lab',
    kind: 'model',
  });
  const stopped = await own.announce(OPERATOR, { name: 'gone', listed: true });
  await own.stopAgent(stopped);
  const lists = { did, capabilities: [], maxConcurrentTasks: 1 };
  expect(own.announced()).toEqual([
    { id: 'c', name: 'critic', kind: 'model', zone: 'lab', ...lists },
  ]);
  own.close();
});

it('is another word with each change, and nobody who guesses the agents can tell by it that the guess is right', async () => {
  const [own, guess] = [agentsOf(), agentsOf()];
  expect(own.digest()).toBeUndefined();
  for (const agents of [own, guess])
    await agents.announce(OPERATOR, { name: 'secret-plan', id: 'a' });
  const first = own.digest();
  expect(first).toMatch(/^[\w-]{8}$/);
  expect(guess.digest()).not.toBe(first);
  await own.announce(OPERATOR, { name: 'secret-plan', id: 'a' });
  expect(own.digest()).toBe(first);
  await own.announce(OPERATOR, { name: 'other' });
  expect(own.digest()).not.toBe(first);
  for (const agents of [own, guess]) agents.close();
});
