/** Agents of nodes of which this one has heard nothing: found by the DHT, and asked like those of any other node. */
import { expect, it } from 'vitest';
import { candidatesFor } from '../../../src/agents/choosing/request.ts';
import { AgentDirectory } from '../../../src/agents/directory/directory.ts';
import { createPeerAgents } from '../../../src/agents/directory/peer-agents.ts';
import { createSpreadProofs } from '../../../src/agents/directory/spread-proof.ts';
import { LIST_MS } from '../../../src/agents/limits.ts';
import { silentLogger } from '../../../src/core/index.ts';
import type { Did, JsonObject, PeerId } from '../../../src/core/index.ts';
import { createLacking } from '../../../src/directory/index.ts';
import { OPERATOR } from '../../../src/guard/index.ts';
import { createIdentity } from '../../../src/identity/index.ts';
import type { PeerView } from '../../../src/membership/index.ts';
import { createTestClock } from '../../core/test-clock.ts';

const identity = createIdentity(Buffer.alloc(32, 7));
/** A member that no heartbeat has come of: nothing says that it has agents. */
const far = {
  peerId: identity.peerId,
  did: identity.did,
  alias: 'far',
  state: 'alive',
  lastHeartbeatAt: 0,
} as unknown as PeerView;

function nodeThatFinds(find: (kind: string) => Promise<readonly PeerId[]>) {
  const clock = createTestClock();
  const looked: string[] = [];
  let listed: JsonObject[] = [
    { id: 'digger', name: 'digger', capabilities: ['dig@1.2.0'], status: 'online', listed: true },
  ];
  let isGone = false;
  const peers = createPeerAgents({
    membership: {
      peers: () => (isGone ? [] : [far]),
      peer: (id) => (id === far.peerId ? far : undefined),
    },
    list: async () => ({ agents: listed }),
    beyond(kind) {
      looked.push(kind);
      return find(kind);
    },
    proofs: createSpreadProofs(),
    clock,
    logger: silentLogger,
  });
  const directory = new AgentDirectory({
    self: { name: 'near', did: 'did:key:near' as Did, peerId: 'near' as PeerId },
    guard: () => ({ decide: () => ({ allow: true }) }),
    membership: { byAlias: () => far },
    local: { all: () => [], find: () => undefined } as never,
    peers,
  });
  const request = (capability: string) =>
    candidatesFor(
      {
        list: (principal, init) => directory.list(principal, init),
        ask: (agent) => directory.askNow(agent),
        random: () => 0.5,
        clock,
        lacking: createLacking(clock),
      },
      OPERATOR,
      { capability },
    );
  return {
    clock,
    directory,
    looked,
    request,
    lists: (...names: readonly string[]) => {
      listed = names.map((name) => ({ id: name, name, status: 'online', listed: true }));
    },
    leaves: () => (isGone = true),
  };
}

it('are candidates of a request that nobody whom this node knows can do, and looked for once in a while', async () => {
  const node = nodeThatFinds(async (kind) => (kind === 'dig' ? [far.peerId] : []));
  expect((await node.directory.list(OPERATOR, {})).agents).toEqual([]);
  const { candidates } = await node.request('dig@^1.0');
  expect(candidates.map(({ endpoint }) => endpoint)).toEqual(['digger@far']);
  // From now on they are known like all others: by name, and by any other request.
  expect(await node.directory.find(OPERATOR, 'digger')).toMatchObject([{ node: 'far' }]);
  await node.request('dig');
  expect(node.looked).toEqual(['dig']);
  for (const capability of ['plan', 'plan', 'plan@2']) {
    await expect(node.request(capability)).rejects.toMatchObject({
      code: 'STARLING_AGENT_UNKNOWN',
    });
  }
  expect(node.looked).toEqual(['dig', 'plan']);
  node.clock.advance(LIST_MS);
  await expect(node.request('plan')).rejects.toThrow('plan');
  expect(node.looked).toEqual(['dig', 'plan', 'plan']);
});

it('are what their node says of them later, and nobody once that has gone', async () => {
  const node = nodeThatFinds(async () => [far.peerId]);
  await node.request('dig');
  node.lists('other');
  node.clock.advance(LIST_MS);
  const names = async (): Promise<readonly string[]> =>
    (await node.directory.list(OPERATOR, {})).agents.map(({ endpoint }) => endpoint);
  expect(await names()).toEqual(['other@far']);
  node.leaves();
  expect(await names()).toEqual([]);
});

it('are nobody where the search fails, or finds whom this node does not meet', async () => {
  const failing = nodeThatFinds(async () => {
    throw new Error('the DHT is away');
  });
  await expect(failing.request('dig')).rejects.toMatchObject({ code: 'STARLING_AGENT_UNKNOWN' });
  const strange = nodeThatFinds(async () => ['nobody' as PeerId]);
  await expect(strange.request('dig')).rejects.toMatchObject({ code: 'STARLING_AGENT_UNKNOWN' });
});

it('are not looked for by whoever asks for those of this node alone, as each peer does', async () => {
  const node = nodeThatFinds(async () => [far.peerId]);
  await node.directory.list(OPERATOR, { capability: 'dig', here: true });
  const { did, peerId, alias } = far;
  await node.directory.list({ kind: 'peer', did, peerId, alias }, { capability: 'dig' });
  expect(node.looked).toEqual([]);
});
