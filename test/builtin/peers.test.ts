/** What the operator reads of peers that do too much, and how one is forgiven. */
import { expect, it } from 'vitest';
import { catalogOf } from '../directory/arrange.ts';
import { statusTools } from '../../src/builtin/index.ts';
import { StarlingError } from '../../src/core/index.ts';
import type { JsonObject, PeerId } from '../../src/core/index.ts';
import type { KeptListing } from '../../src/directory/index.ts';
import { OPERATOR } from '../../src/guard/index.ts';
import type { PeerView } from '../../src/membership/index.ts';
import type { ConductReport, SpokenVersion } from '../../src/network/index.ts';

const BOB = '12D3KooWbob' as PeerId;
const MALLORY = '12D3KooWmallory' as PeerId;

function callerOf(
  reports: Map<PeerId, ConductReport>,
  versions: ReadonlyMap<PeerId, SpokenVersion> = new Map(),
  listing?: KeptListing,
) {
  const views = [{ alias: 'bob', peerId: BOB } as PeerView];
  const tools = statusTools({
    membership: {
      peers: () => views,
      peer: (peer) => views.find(({ peerId }) => peerId === peer),
      resolve: (reference) => {
        const found = views.find(({ alias }) => alias === reference);
        if (found === undefined) throw new StarlingError('STARLING_PEER_UNKNOWN', 'nobody');
        return found;
      },
    },
    network: {
      conduct: (peer) => reports.get(peer),
      misbehaving: () => [...reports.keys()],
      otherVersion: (peer) => versions.get(peer),
      route: () => undefined,
      forgive: (peer) => reports.delete(peer),
    },
    providers: {
      find: async (kind) => (kind === 'search' ? [{ peer: BOB, by: 'roster' as const }] : []),
    },
    listingOf: (peer) => (peer === BOB ? listing : undefined),
    status: () => {
      throw new Error('not asked for');
    },
  });
  return async (name: string, args: JsonObject = {}): Promise<unknown> => {
    const tool = tools.find(({ definition }) => definition.name === name);
    return tool?.call(args, { principal: OPERATOR, signal: new AbortController().signal });
  };
}

it('one peer is shown with what it lists to all members, and that it is away where it is', async () => {
  const files = catalogOf('files', {
    tools: [
      { name: 'read', description: 'Reads.', inputSchema: {} },
      { name: 'odd', description: 7 },
    ],
    prompts: [{ name: 'ask' }],
  });
  const listing = { version: 7, isCurrent: false, servers: [files], agents: [] };
  const call = callerOf(new Map(), new Map(), listing);
  const servers = [
    {
      server: 'files',
      tools: [{ name: 'read', description: 'Reads.' }, { name: 'odd' }],
      resources: [],
      templates: [],
      prompts: ['ask'],
    },
  ];
  expect(await call('peers', { listing: 'bob' })).toMatchObject({
    peers: [{ alias: 'bob', lists: { version: 7, isCurrent: false, servers, agents: [] } }],
  });
  expect(await callerOf(new Map())('peers', { listing: 'bob' })).toEqual({
    peers: [{ alias: 'bob', peerId: BOB }],
  });
  await expect(call('peers', { listing: 'nobody' })).rejects.toMatchObject({
    code: 'STARLING_PEER_UNKNOWN',
  });
});

it('a peer is shown with what it does too much of, and without that once it is forgiven', async () => {
  const report = { peer: BOB, state: 'blocked', counts: { gossip: 2020 }, until: 5 } as const;
  const call = callerOf(new Map([[BOB, report]]));
  expect(await call('peers')).toMatchObject({
    peers: [
      { alias: 'bob', conduct: { state: 'blocked', until: 5, text: 'floods gossip (2020 times)' } },
    ],
  });
  expect(await call('peer_forgive', { peer: 'bob' })).toEqual({
    peer: 'bob',
    peerId: BOB,
    forgiven: true,
  });
  expect(await call('peers')).toEqual({ peers: [{ alias: 'bob', peerId: BOB }] });
  expect(await call('peer_forgive', { peer: 'bob' })).toMatchObject({ forgiven: false });
});

it('a peer of another version is shown with both versions, and with what to do', async () => {
  const call = callerOf(new Map(), new Map([[BOB, { version: 1 }]]));
  expect(await call('peers')).toMatchObject({
    peers: [
      {
        otherVersion: {
          version: 1,
          text: 'bob runs Starling 0.1 (version 1 of the protocols), this node Starling 0.2.0 (version 2 of the protocols): neither lets the other in',
          hint: 'update Starling at bob: its state folder is taken over as it is',
        },
      },
    ],
  });
});

it('a peer that was kept out before it had a name is forgiven by its PeerId', async () => {
  const report = { peer: MALLORY, state: 'blocked', counts: { forgeries: 200 } } as const;
  const call = callerOf(new Map([[MALLORY, report]]));
  expect(await call('peer_forgive', { peer: MALLORY })).toMatchObject({ forgiven: true });
  await expect(call('peer_forgive', { peer: MALLORY })).rejects.toMatchObject({
    code: 'STARLING_PEER_UNKNOWN',
  });
});
