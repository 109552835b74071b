/**
 * The admitted connections by peer, and which of several to use. Both ends choose the same one: a
 * direct connection before a relayed one, then the one that the peer with the smaller PeerId dialled,
 * then the oldest.
 */
import type { Connection } from '@libp2p/interface';
import type { Clock, PeerId } from '../../core/index.ts';
import { peerOf } from '../peer-id.ts';

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
  /** How long the connection was admitted, in milliseconds; none when it was not. */
  remove(connection: Connection): number | undefined;
  /** Open connections of a peer, the best first. */
  of(peer: PeerId): readonly Connection[];
  best(peer: PeerId): Connection | undefined;
  /** For how many milliseconds the connection has been admitted. */
  ageMs(connection: Connection): number;
  peers(): readonly PeerId[];
  has(peer: PeerId): boolean;
}

/** Makes the table of the node `self`, empty. */
export function createLinks(self: PeerId, clock: Clock): Links {
  return new LinkTable(self, clock);
}

class LinkTable implements Links {
  readonly #self: PeerId;
  readonly #clock: Clock;
  readonly #byPeer = new Map<PeerId, Connection[]>();
  /** By our clock: libp2p's own times are the machine's. */
  readonly #admittedAt = new WeakMap<Connection, number>();

  constructor(self: PeerId, clock: Clock) {
    this.#self = self;
    this.#clock = clock;
  }

  add(connection: Connection): void {
    const peer = peerOf(connection);
    const known = this.#byPeer.get(peer) ?? [];
    known.push(connection);
    known.sort((a, b) => compareConnections(a, b, { self: this.#self, peer }));
    this.#byPeer.set(peer, known);
    this.#admittedAt.set(connection, this.#clock.now());
  }

  remove(connection: Connection): number | undefined {
    const peer = peerOf(connection);
    const known = this.#byPeer.get(peer) ?? [];
    const rest = known.filter((other) => other !== connection);
    if (rest.length === 0) this.#byPeer.delete(peer);
    else this.#byPeer.set(peer, rest);
    return rest.length < known.length ? this.ageMs(connection) : undefined;
  }

  of(peer: PeerId): readonly Connection[] {
    return (this.#byPeer.get(peer) ?? []).filter(({ status }) => status === 'open');
  }

  best(peer: PeerId): Connection | undefined {
    return this.#byPeer.get(peer)?.find(({ status }) => status === 'open');
  }

  ageMs(connection: Connection): number {
    const now = this.#clock.now();
    return now - (this.#admittedAt.get(connection) ?? now);
  }

  peers(): readonly PeerId[] {
    return [...this.#byPeer.keys()];
  }

  has(peer: PeerId): boolean {
    return this.#byPeer.has(peer);
  }
}
