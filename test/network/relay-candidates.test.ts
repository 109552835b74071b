/** Among whom a node looks for a relay: those who are linked, and first those whose link stays. */
import type { Connection, Peer } from '@libp2p/interface';
import { peerIdFromString } from '@libp2p/peer-id';
import { expect, it } from 'vitest';
import { createIdentity } from '../../src/identity/index.ts';
import { linkedPeers } from '../../src/network/host/relay.ts';

const [STAYS, SPARE, STRANGER, GONE] = [2, 3, 4, 5].map(
  (seed) => createIdentity(Buffer.alloc(32, seed)).peerId,
);

const link = (status: string): Connection => ({ status }) as Connection;

it('are neither those who were linked once nor strangers, and spare ones come last', async () => {
  const [open, admitted, spare] = [link('open'), link('open'), link('open')];
  const connections = new Map([
    [SPARE, [spare]],
    [STAYS, [link('closed'), admitted]],
    [STRANGER, [open]],
    [GONE, [link('closed')]],
  ]);
  const peers = [...connections.keys()].map((id) => ({ id: peerIdFromString(String(id)) }) as Peer);
  const store = linkedPeers(
    {
      connectionManager: {
        getConnections: (id: Peer['id']) => connections.get(id.toString() as never),
      },
      peerStore: { all: async () => peers, get: async () => peers[0] },
    } as never,
    { isAdmitted: (one: Connection) => one === admitted || one === spare } as never,
    (peer) => peer === SPARE,
  );
  expect((await store.all()).map(({ id }) => id.toString())).toEqual([STAYS, SPARE]);
  expect(await store.get(peerIdFromString(String(GONE)))).toBe(peers[0]);
});
