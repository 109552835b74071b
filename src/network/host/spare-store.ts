/**
 * Spares libp2p's peer store what changes nothing: for each stream, at both ends, libp2p 3.3.11 merges the stream's
 * protocol into the record of the peer, which is read, decoded, encoded and written for that. Protocols of ours
 * interest nobody there, and those of libp2p's services stand in the record since the peer has introduced itself.
 *
 * Nor is it told how near a peer stands to the DHT or to a topic of gossip: libp2p makes a tag of that each time, and nobody
 * here asks for it. By one of these tags libp2p dials whoever bears it once more when its connection ends, at both ends,
 * however many links the two need. Redialling is ours.
 */
import type { Peer, PeerData, PeerId, PeerStore } from '@libp2p/interface';
import { performance } from 'node:perf_hooks';
import { isOwnProtocol } from '../admission/introduction.ts';

/** A record is written anew after so long all the same, ms: libp2p forgets those that are old. */
const FRESH_MS = 600_000;
/** By these libp2p chooses which connections go where there are too many: members stay longest, and whom this node relays. */
const KEPT_TAGS = /^(?:starling-|circuit-relay-)/;
/** Peers whose protocols are remembered. */
const PEERS_MAX = 4096;

interface Known {
  readonly peer: Peer;
  readonly atMs: number;
}

/**
 * Has the `peerStore` of the node `self` skip such merges from now on. What the node serves itself stands in the registrar,
 * where whoever tells of it reads it.
 */
export function sparePeerStore(peerStore: PeerStore, self: PeerId): void {
  const known = new Map<string, Known>();
  const remember = (peer: Peer): Peer => {
    const key = peer.id.toString();
    known.delete(key);
    const [oldest] = known.size < PEERS_MAX ? [] : known.keys();
    if (oldest !== undefined) known.delete(oldest);
    known.set(key, { peer, atMs: performance.now() });
    return peer;
  };
  const save = peerStore.save.bind(peerStore);
  const patch = peerStore.patch.bind(peerStore);
  const merge = peerStore.merge.bind(peerStore);
  const forget = peerStore.delete.bind(peerStore);
  Object.assign(peerStore, {
    save: async (id, data, options) => remember(await save(id, untagged(data), options)),
    patch: async (id, data, options) => remember(await patch(id, untagged(data), options)),
    merge: async (id, given, options) => {
      const data = untagged(given);
      if (isNothing(data) && !isNothing(given)) {
        return known.get(id.toString())?.peer ?? nothingOf(id);
      }
      const protocols = protocolsAlone(data);
      if (protocols === undefined) return remember(await merge(id, data, options));
      if (id.equals(self)) return nothingOf(id);
      const record = known.get(id.toString());
      const isNews = protocols.some(
        (protocol) => !isOwnProtocol(protocol) && !record?.peer.protocols.includes(protocol),
      );
      const isOld = record !== undefined && performance.now() - record.atMs > FRESH_MS;
      if (isNews || isOld) return remember(await merge(id, data, options));
      return record?.peer ?? nothingOf(id);
    },
    delete: async (id, options) => {
      known.delete(id.toString());
      await forget(id, options);
    },
  } satisfies Partial<PeerStore>);
}

/** Without tags that are not kept; without `tags` where nothing else was among them. */
function untagged(data: PeerData): PeerData {
  const { tags, ...rest } = data;
  if (tags === undefined) return data;
  const all = tags instanceof Map ? [...tags] : Object.entries(tags);
  const others = all.filter(([name]) => KEPT_TAGS.test(name));
  if (others.length === all.length) return data;
  return others.length === 0 ? rest : { ...rest, tags: Object.fromEntries(others) };
}

function isNothing(data: PeerData): boolean {
  return Object.keys(data).length === 0;
}

/** The protocols of `data`, when there is nothing else. */
function protocolsAlone({ protocols, ...rest }: PeerData): readonly string[] | undefined {
  return Object.keys(rest).length === 0 ? protocols : undefined;
}

/** What a store says of a peer of whom nothing was told. */
function nothingOf(id: PeerId): Peer {
  return { id, addresses: [], protocols: [], metadata: new Map(), tags: new Map() };
}
