/** What a node lists to all is seen by a member that has no link to it; what it only grants is in nobody else's hands. */
import { resolve } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import type { NodeClient } from '../../../src/cli/node/client.ts';
import type { AgentListResult } from '../../../src/agents/index.ts';
import type { ListedByPeer, PeersResult } from '../../../src/builtin/results.ts';
import { loadConfig } from '../../../src/index.ts';
import type { StarlingNode } from '../../../src/index.ts';
import { UNLIMITED } from '../../../sim/limits.ts';
import { MemoryNetwork } from '../../../sim/memory-transport.ts';
import { startMachine } from '../../fixtures/whole-nodes.ts';
import type { Cleanups, NodeFlags } from '../../fixtures/whole-nodes.ts';

const PLAIN = resolve(import.meta.dirname, '../../fixtures/servers/plain.mjs');
const [ALICE, BOB, CAROL] = ['10.83.0.1', '10.83.0.2', '10.83.0.3'] as const;
const SOON = { timeout: 60_000 };
const cleanups: Cleanups = [];
afterAll(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

/** Alice and carol never get a byte to each other: both are linked to bob alone. */
const never = new Promise<void>(() => undefined);
const memory = new MemoryNetwork({
  held: (from, to) => ([from, to].toSorted().join() === [ALICE, CAROL].join() ? never : undefined),
  delayMs: () => 0,
});
/** Streams by protocol and by who has opened them, as far as the other end was told. */
const streams: { readonly protocol: string }[] = [];

interface Started {
  readonly node: StarlingNode;
  readonly client: NodeClient;
}

const TALLY = {
  connection: () => undefined,
  stream: (stream: { readonly protocol: string }) => void streams.push(stream),
  peerStoreWrite: () => undefined,
  published: () => undefined,
  received: () => undefined,
};

async function start(ip: string, flags: NodeFlags & { readonly name: string }): Promise<Started> {
  const { node, operator } = await startMachine(
    cleanups,
    { relay: false, http: { enabled: false }, limits: { ...UNLIMITED }, ...flags },
    { host: { memory, ip }, tally: TALLY },
  );
  return { node, client: operator };
}

const plain = { command: process.execPath, args: [PLAIN, '--era', 'legacy', '--log', '/dev/null'] };
const namesOf = async ({ client }: Started, prefix: string): Promise<readonly string[]> =>
  (await client.tools()).map(({ name }) => name).filter((name) => name.startsWith(prefix));
const sessions = (): number =>
  streams.filter(({ protocol }) => protocol === '/starling/mcp/1').length;

it('comes by way of others, with its prices, and opens no session; what was granted is only for who holds the grant', async () => {
  const alice = await start(ALICE, {
    name: 'alice',
    mcpServers: { shown: { ...plain, listed: true }, hidden: plain },
    prices: { 'shown/who': { call: '0.002usd' }, 'hidden/*': { call: '1usd' } },
  });
  const invite = async (): Promise<string> => (await alice.node.createTicket()).ticket;
  const bob = await start(BOB, { name: 'bob', join: await invite() });
  const { ticket } = await bob.node.createTicket();
  const carol = await start(CAROL, { name: 'carol', join: ticket });
  await expect.poll(() => namesOf(carol, 'alice__'), SOON).toContain('alice__shown__who');
  await expect.poll(() => namesOf(bob, 'alice__'), SOON).toContain('alice__shown__who');
  const ofAlice = carol.node.peers().find(({ alias }) => alias === 'alice');
  expect(ofAlice?.route).toBeUndefined();
  expect((await namesOf(carol, 'alice__')).filter((name) => name.includes('hidden'))).toEqual([]);
  expect(sessions()).toBe(0);
  const who = (await carol.client.tools()).find(({ name }) => name === 'alice__shown__who');
  expect(who).toMatchObject({
    _meta: { 'starling/granted': false, 'starling/price': ['0.002usd'] },
  });
  // To see a tool is not to be allowed to use it.
  await expect(bob.client.call('alice__shown__who', {})).rejects.toMatchObject({
    code: 'STARLING_CALL_REFUSED',
  });

  // Bob holds a grant of what is not listed: he sees all of it, and carol nothing.
  const before = sessions();
  await alice.node.grant({ peer: 'bob', tools: ['hidden/*', 'shown/who'] });
  await expect.poll(() => namesOf(bob, 'alice__'), SOON).toContain('alice__hidden__who');
  expect(sessions()).toBeGreaterThan(before);
  expect((await namesOf(carol, 'alice__')).filter((name) => name.includes('hidden'))).toEqual([]);
  const granted = (await bob.client.tools()).find(({ name }) => name === 'alice__shown__who');
  expect(granted).not.toHaveProperty(['_meta', 'starling/granted']);

  // What alice lists no more, nobody shows.
  const config = alice.node.status().stateDir;
  const changed = await loadConfig({
    env: { STARLING_CONFIG: '' },
    flags: { name: 'alice', stateDir: config, mcpServers: { shown: plain, hidden: plain } },
  });
  await alice.node.reload(changed);
  await expect.poll(() => namesOf(carol, 'alice__'), SOON).toEqual([]);
  await expect.poll(() => namesOf(bob, 'alice__'), SOON).toContain('alice__hidden__who');
  await expect.poll(() => namesOf(bob, 'alice__'), SOON).toContain('alice__shown__who');

  // An agent that she lists stands in the same document, and one that she does not in none.
  const before2 = sessions();
  const announce = (name: string, listed: boolean): Promise<unknown> =>
    alice.client.builtin('agent_announce', { name, listed, capabilities: ['summarise'] });
  await announce('recluse', false);
  await announce('researcher', true);
  const shown = async (): Promise<ListedByPeer | undefined> => {
    const asked = { listing: 'alice' };
    return (await carol.client.builtin<PeersResult>('peers', asked)).peers[0]?.lists;
  };
  const agents = [{ name: 'researcher', capabilities: ['summarise'] }];
  await expect.poll(shown, SOON).toMatchObject({ isCurrent: true, agents });
  const again = await loadConfig({
    env: { STARLING_CONFIG: '' },
    flags: { name: 'alice', stateDir: config, mcpServers: { shown: { ...plain, listed: true } } },
  });
  await alice.node.reload(again);
  await expect.poll(() => namesOf(carol, 'alice__'), SOON).toContain('alice__shown__who');

  // She goes: what she lists is shown as what it is, and a call of it says that she is away.
  alice.client.close();
  const { peerId } = alice.node.status();
  await alice.node.stop();
  await expect.poll(() => namesOf(carol, 'alice__'), SOON).toEqual([]);
  const left = await shown();
  expect(left).toMatchObject({ isCurrent: false, agents, servers: [{ server: 'shown' }] });
  expect(left?.servers[0]?.tools.map(({ name }) => name)).toContain('who');
  await expect(carol.client.call('alice__shown__who', {})).rejects.toMatchObject({
    code: 'STARLING_PEER_UNREACHABLE',
    message: expect.stringContaining('peer alice has stopped') as unknown,
  });
  const list = await carol.client.builtin<AgentListResult>('agent_list', {});
  expect(list.agents).toMatchObject([
    { endpoint: 'researcher@alice', status: 'offline', announced: true, machine_id: peerId },
  ]);
  expect(sessions()).toBe(before2);
});
