/** Peers by key and by alias, both found in constant time: a call of a peer's tool looks for its alias. */
import type { PeerId } from '../../core/index.ts';
import type { PeerView } from '../types.ts';

/** Holds what is known of each peer. */
export interface PeerIndex<Peer extends { readonly view: PeerView }> {
  readonly size: number;
  get(peerId: PeerId): Peer | undefined;
  byAlias(alias: string): Peer | undefined;
  /** Puts `peer` under its key and its alias; an alias that it had before leads nowhere any more. */
  set(peerId: PeerId, peer: Peer): void;
  delete(peerId: PeerId): void;
  values(): IterableIterator<Peer>;
}

/** Makes an empty index. */
export function createPeerIndex<Peer extends { readonly view: PeerView }>(): PeerIndex<Peer> {
  const peers = new Map<PeerId, Peer>();
  const keys = new Map<string, PeerId>();
  const aliases = new Map<PeerId, string>();
  const forget = (peerId: PeerId): void => {
    const alias = aliases.get(peerId);
    aliases.delete(peerId);
    // Another peer may have taken the alias over.
    if (alias !== undefined && keys.get(alias) === peerId) keys.delete(alias);
  };
  return {
    get size() {
      return peers.size;
    },
    get: (peerId) => peers.get(peerId),
    byAlias(alias) {
      const peerId = keys.get(alias);
      return peerId === undefined ? undefined : peers.get(peerId);
    },
    set(peerId, peer) {
      forget(peerId);
      peers.set(peerId, peer);
      keys.set(peer.view.alias, peerId);
      aliases.set(peerId, peer.view.alias);
    },
    delete(peerId) {
      forget(peerId);
      peers.delete(peerId);
    },
    values: () => peers.values(),
  };
}
