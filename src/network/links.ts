/**
 * The admitted connections by peer, and which of several to use. Both ends choose the same one: a
 * direct one before a relayed one, then the one that the peer with the smaller PeerId dialled, then
 * the oldest.
 */
import type { Connection } from '@libp2p/interface';
import type { PeerId } from '../core/index.ts';
import { peerOf } from './peer-id.ts';

/** What the choice looks at. */
export interface Candidate {
  readonly direct: boolean;
  readonly direction: 'inbound' | 'outbound';
  readonly timeline: { readonly open: number };
}

/** Order of preference; negative when `a` is the better one. Pure. */
export function compareConnections(
  a: Candidate,
  b: Candidate,
  ends: { readonly self: string; readonly peer: string },
): number {
  if (a.direct !== b.direct) return a.direct ? -1 : 1;
  if (a.direction !== b.direction) {
    const preferred = ends.self < ends.peer ? 'outbound' : 'inbound';
    return a.direction === preferred ? -1 : 1;
  }
  return a.timeline.open - b.timeline.open;
}

/** The admitted connections. */
export interface Links {
  add(connection: Connection): void;
  /** False when the connection was not admitted. */
  remove(connection: Connection): boolean;
  /** Open connections of a peer, the best first. */
  of(peer: PeerId): readonly Connection[];
  best(peer: PeerId): Connection | undefined;
  peers(): readonly PeerId[];
  has(peer: PeerId): boolean;
}

/** Makes the table of `self`. */
export function createLinks(self: PeerId): Links {
  const byPeer = new Map<PeerId, Connection[]>();

  const links: Links = {
    add(connection) {
      const peer = peerOf(connection);
      const known = byPeer.get(peer) ?? [];
      known.push(connection);
      known.sort((a, b) => compareConnections(a, b, { self, peer }));
      byPeer.set(peer, known);
    },
    remove(connection) {
      const peer = peerOf(connection);
      const known = byPeer.get(peer) ?? [];
      const rest = known.filter((other) => other !== connection);
      if (rest.length === 0) byPeer.delete(peer);
      else byPeer.set(peer, rest);
      return rest.length < known.length;
    },
    of: (peer) => (byPeer.get(peer) ?? []).filter(({ status }) => status === 'open'),
    best: (peer) => byPeer.get(peer)?.find(({ status }) => status === 'open'),
    peers: () => [...byPeer.keys()],
    has: (peer) => byPeer.has(peer),
  };
  return links;
}
