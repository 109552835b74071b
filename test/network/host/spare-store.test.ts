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

  it('is always written when this node serves it, and with whatever comes beside it', async () => {
    await store.merge(SELF, { protocols: ['/starling/link/1'] });
    await store.merge(OTHER, { protocols: ['/starling/link/1'], tags: { kept: { value: 1 } } });
    expect(written).toHaveLength(2);
  });
});

it('is never told that libp2p is to keep a peer connected, which has it dial whoever has parted from this node', async () => {
  const tagged: unknown[] = [];
  const write = async (id: PeerId, data: PeerData): Promise<Peer> => {
    tagged.push(data);
    return { id, addresses: [], protocols: [], metadata: new Map(), tags: new Map() };
  };
  const inner = { save: write, patch: write, merge: write, delete: async () => undefined };
  sparePeerStore(inner as unknown as PeerStore, SELF);
  const store = inner as unknown as PeerStore;
  const kept = { 'keep-alive-kad-dht': { value: 1 } };
  await store.merge(OTHER, { tags: kept });
  expect(tagged).toEqual([]);
  await store.merge(OTHER, { tags: { ...kept, near: { value: 1 } } });
  await store.patch(OTHER, { multiaddrs: [], tags: new Map(Object.entries(kept)) });
  await store.save(OTHER, { protocols: ['/meshsub/1.2.0'], tags: kept });
  expect(tagged).toEqual([
    { tags: { near: { value: 1 } } },
    { multiaddrs: [] },
    { protocols: ['/meshsub/1.2.0'] },
  ]);
});
