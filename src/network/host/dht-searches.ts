/** What this node asks of the DHT: where a peer is, and who provides what. */
import type { SingleKadDHT } from '@libp2p/kad-dht';
import { peerIdFromString } from '@libp2p/peer-id';
import type { Multiaddr } from '@multiformats/multiaddr';
import { createHash } from 'node:crypto';
import type { Libp2p } from 'libp2p';
import { CID } from 'multiformats/cid';
import { create as createDigest } from 'multiformats/hashes/digest';
import type { MeshId } from '../../core/index.ts';
import type { Walks } from './dht.ts';

/** Codes of the multicodec table. */
const RAW = 0x55;
const SHA2_256 = 0x12;

/** Each takes as long as it takes: who asks gives a signal that ends it. */
export interface DhtSearches {
  /** Addresses of a peer that the DHT knows; rejects when it knows none. */
  findPeer(
    peer: string,
    options: {
      readonly signal: AbortSignal;
      /** Whether others may be dialled for that, or links alone are asked. */
      readonly dials: boolean;
    },
  ): Promise<readonly Multiaddr[]>;
  /** Tells the nodes of the DHT next to `name` that this node provides what `name` stands for. */
  provide(name: string, options: { readonly signal: AbortSignal }): Promise<void>;
  /** Who has told the DHT so: `found` hears of each, until `signal` fires or nobody more is known. */
  findProviders(
    name: string,
    found: (peer: string) => void,
    options: { readonly signal: AbortSignal },
  ): Promise<void>;
}

/** Makes the searches of a host. */
export function createDhtSearches(
  node: Libp2p & { readonly services: { readonly dht: SingleKadDHT } },
  walks: Walks,
  meshId: MeshId,
): DhtSearches {
  const { dht } = node.services;
  return {
    findPeer(peer, { signal, dials }) {
      const search = async (): Promise<readonly Multiaddr[]> =>
        (await node.peerRouting.findPeer(peerIdFromString(peer), { signal })).multiaddrs;
      return dials ? walks.during(search) : search();
    },
    provide: (name, options) =>
      walks.during(async () => {
        for await (const _ of dht.provide(contentIdOf(meshId, name), options)) {
          options.signal.throwIfAborted();
        }
      }),
    findProviders: (name, found, options) =>
      walks.during(async () => {
        for await (const event of dht.findProviders(contentIdOf(meshId, name), options)) {
          if (event.name !== 'PROVIDER') continue;
          for (const { id } of event.providers) found(id.toString());
        }
      }),
  };
}

/** The place of a name in the DHT: as hard to guess back as the name is. */
function contentIdOf(meshId: MeshId, name: string): CID {
  const text = ['starling-offer-1', meshId, name].join('\n');
  const hash = createHash('sha256').update(text).digest();
  return CID.createV1(RAW, createDigest(SHA2_256, hash));
}
