/** What is known of agents of peers that are away, or do not answer: what their documents list. */
import { expect, it } from 'vitest';
import { createPeerAgents } from '../../../src/agents/directory/peer-agents.ts';
import { createSpreadProofs } from '../../../src/agents/directory/spread-proof.ts';
import type { PeerAgents } from '../../../src/agents/directory/peer-agents.ts';
import { StarlingError, silentLogger } from '../../../src/core/index.ts';
import type { PeerId } from '../../../src/core/index.ts';
import type { ListedAgent } from '../../../src/directory/index.ts';
import { createIdentity } from '../../../src/identity/index.ts';
import type { PeerView } from '../../../src/membership/index.ts';
import { createTestClock } from '../../core/test-clock.ts';
import { agentOf } from '../../directory/documents/arrange.ts';

const AT = Date.parse('2026-01-02T03:04:05Z');

function peerOf(seed: number, alias: string, more: Partial<PeerView> = {}): PeerView {
  const { did, peerId } = createIdentity(Buffer.alloc(32, seed));
  const presence = { agents: 'digest00' } as never;
  const view = { peerId, did, alias, state: 'alive', presence, lastHeartbeatAt: AT } as const;
  return { ...view, ...more };
}

function known(
  peers: readonly PeerView[],
  documents: ReadonlyMap<PeerId, readonly ListedAgent[]>,
  answers: ReadonlyMap<PeerId, readonly string[]> = new Map(),
): PeerAgents {
  return createPeerAgents({
    membership: { peers: () => peers, peer: (id) => peers.find(({ peerId }) => peerId === id) },
    listedBy: (peer) => documents.get(peer) ?? [],
    async list({ peerId }) {
      const names = answers.get(peerId);
      if (names === undefined) throw new StarlingError('STARLING_TIMEOUT', 'no answer');
      return { agents: names.map((name) => ({ id: name, name, status: 'online' })) };
    },
    proofs: createSpreadProofs(),
    clock: createTestClock(),
    logger: silentLogger,
  });
}

it('is by its document where its node is away or does not answer, and by the answer where there is one', async () => {
  const alice = peerOf(2, 'alice');
  const bob = peerOf(3, 'bob');
  const carol = peerOf(4, 'carol', { state: 'dead' });
  const gone = peerOf(5, 'gone', { state: 'left', ended: {} });
  const all = [alice, bob, carol, gone];
  const documents = new Map(all.map(({ peerId, alias }) => [peerId, [agentOf(`of-${alias}`)]]));
  const agents = known(all, documents, new Map([[alice.peerId, ['asked']]]));
  const names = (): readonly string[] => agents.known().map(({ endpoint }) => endpoint);
  expect(names()).toEqual(['of-alice@alice', 'of-bob@bob', 'of-carol@carol']);
  expect(await agents.refresh()).toEqual([{ node: 'bob', reason: 'no answer' }]);
  expect(names()).toEqual(['asked@alice', 'of-bob@bob', 'of-carol@carol']);
  expect(agents.known().at(-1)).toMatchObject({
    name: 'of-carol',
    kind: 'attached',
    capabilities: ['summarise'],
    maxConcurrentTasks: 2,
    zone: 'lab',
    status: 'offline',
    free: 0,
    announced: true,
    last_seen: '2026-01-02T03:04:05.000Z',
    // Whose key answers is what this node knows, and not what the document says.
    did: carol.did,
    machine_id: carol.peerId,
  });
});

it('is nobody where its node answers with a list that is none, as with no such agent', async () => {
  const alice = peerOf(2, 'alice');
  const answers: unknown[] = [{ agents: 'none' }, {}, { agents: [7] }, { agents: [] }];
  const agents = createPeerAgents({
    membership: { peers: () => [alice], peer: () => alice },
    listedBy: () => [],
    list: () => Promise.resolve(answers.shift() as never),
    proofs: createSpreadProofs(),
    clock: createTestClock(),
    logger: silentLogger,
  });
  while (answers.length > 0) expect(await agents.now('alice', 'coder')).toBeUndefined();
});

it('is meant by a name only where no node that answers has an agent of that name', async () => {
  const [alice, bob] = [peerOf(2, 'alice', { state: 'dead' }), peerOf(3, 'bob')];
  const documents = new Map([[alice.peerId, [agentOf('critic'), agentOf('only')]]]);
  const agents = known([alice, bob], documents, new Map([[bob.peerId, ['critic']]]));
  const meant = (text: string): readonly string[] =>
    agents.called(text).map(({ endpoint }) => endpoint);
  expect(meant('critic')).toEqual(['critic@alice']);
  await agents.refresh();
  expect(meant('critic')).toEqual(['critic@bob']);
  expect(meant('critic@alice')).toEqual(['critic@alice']);
  expect(meant('only')).toEqual(['only@alice']);
});

it('is left out where its name is none', () => {
  const mallory = peerOf(2, 'mallory', { state: 'left', lastHeartbeatAt: 0 });
  const odd = ['ok', 'a b', '../x', 'x@y', '-z', '\u001B[2J'].map((name) => agentOf(name));
  const agents = known([mallory], new Map([[mallory.peerId, odd]]));
  expect(agents.known().map(({ name, last_seen }) => [name, last_seen])).toEqual([['ok', '']]);
});
