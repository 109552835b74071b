/** libp2p's peer store is told what it does not know, and nothing twice. */
import { createIdentity } from '../../../src/identity/index.ts';
import { peerIdFromString } from '@libp2p/peer-id';
import type { Peer, PeerData, PeerId, PeerStore } from '@libp2p/interface';
import { beforeEach, describe, expect, it } from 'vitest';
import { sparePeerStore } from '../../../src/network/host/spare-store.ts';

const [SELF, OTHER] = [2, 3].map((seed) =>
  peerIdFromString(createIdentity(Buffer.alloc(32, seed)).peerId),
) as [PeerId, PeerId];

/** A store that notes what is written to it. */
function rig(): { readonly store: PeerStore; readonly written: (readonly string[])[] } {
  const written: (readonly string[])[] = [];
  const records = new Map<string, string[]>();
  const write = async (id: PeerId, { protocols = [] }: PeerData): Promise<Peer> => {
    written.push(protocols);
    const all = [...new Set([...(records.get(String(id)) ?? []), ...protocols])];
    records.set(String(id), all);
    return { id, addresses: [], protocols: all, metadata: new Map(), tags: new Map() };
  };
  const store = { save: write, patch: write, merge: write, delete: async () => undefined };
  sparePeerStore(store as unknown as PeerStore, SELF);
  return { store: store as unknown as PeerStore, written };
}

describe('the protocol of a stream', () => {
  let { store, written } = rig();
  beforeEach(() => ({ store, written } = rig()));

  it('is written once when it is of a service of libp2p, and not at all when it is of ours', async () => {
    await store.merge(OTHER, { protocols: ['/starling/link/1'] });
    await store.merge(OTHER, { protocols: ['/meshsub/1.2.0'] });
    await store.merge(OTHER, { protocols: ['/meshsub/1.2.0'] });
    await store.merge(OTHER, { protocols: ['/starling/did:key:z6Mk/kad/1.0.0'] });
    expect(written).toEqual([['/meshsub/1.2.0'], ['/starling/did:key:z6Mk/kad/1.0.0']]);
  });

  it('is known by what the peer said of itself, and unknown again once that is deleted', async () => {
    await store.patch(OTHER, { protocols: ['/meshsub/1.2.0', '/ipfs/ping/1.0.0'] });
    const peer = await store.merge(OTHER, { protocols: ['/ipfs/ping/1.0.0'] });
    expect(peer.protocols).toContain('/meshsub/1.2.0');
    expect(written).toHaveLength(1);
    await store.delete(OTHER);
    await store.merge(OTHER, { protocols: ['/ipfs/ping/1.0.0'] });
    expect(written).toHaveLength(2);
  });

  it('is written with whatever comes beside it, and never when this node serves it, which the registrar knows', async () => {
    await store.merge(SELF, { protocols: ['/starling/link/1'] });
    await store.merge(SELF, { protocols: ['/meshsub/1.2.0'] });
    expect(written).toHaveLength(0);
    const tags = { 'starling-member': { value: 1 } };
    await store.merge(OTHER, { protocols: ['/starling/link/1'], tags });
    await store.patch(SELF, { multiaddrs: [] });
    expect(written).toHaveLength(2);
  });
});

it('is told of no tags but of members and of whom this node relays: by others libp2p dials whoever has parted from this node', async () => {
  const tagged: unknown[] = [];
  const write = async (id: PeerId, data: PeerData): Promise<Peer> => {
    tagged.push(data);
    return { id, addresses: [], protocols: [], metadata: new Map(), tags: new Map() };
  };
  const inner = { save: write, patch: write, merge: write, delete: async () => undefined };
  sparePeerStore(inner as unknown as PeerStore, SELF);
  const store = inner as unknown as PeerStore;
  const dropped = {
    'keep-alive-kad-dht': { value: 1 },
    'kad-close': { value: 50 },
    '/starling/abc/heartbeat': { value: 100 },
  };
  for (const [name, tag] of Object.entries(dropped)) {
    await store.merge(OTHER, { tags: { [name]: tag } });
    await store.merge(OTHER, { tags: { [name]: undefined } });
  }
  expect(tagged).toEqual([]);
  const kept = { 'starling-member': { value: 100 }, 'circuit-relay-source': { value: 1 } };
  await store.merge(OTHER, { tags: { ...dropped, ...kept } });
  await store.patch(OTHER, { multiaddrs: [], tags: new Map(Object.entries(dropped)) });
  await store.save(OTHER, { protocols: ['/meshsub/1.2.0'], tags: dropped });
  expect(tagged).toEqual([{ tags: kept }, { multiaddrs: [] }, { protocols: ['/meshsub/1.2.0'] }]);
});
