/**
 * Stands between libp2p's listeners and the limits for strangers: lets new connections in one after the
 * other (`address-turns.ts`), and knows by each connection whose turn ends with it. Peers that are kept
 * out, or connect again and again, get no further than the proof of their key.
 */
import type { Connection, MultiaddrConnection } from '@libp2p/interface';
import { createBuckets } from '../../core/index.ts';
import type { BucketSize, Buckets, Clock, PeerId } from '../../core/index.ts';
import { addressKey, ipKey } from './address-key.ts';
import type { AddressTurns, Visit } from './address-turns.ts';
import type { Conduct } from './conduct.ts';

/** Lets connections in. */
export interface Doorkeeper {
  /** Whether nobody else may wait for a turn of this IP address; then that is counted as turned away. */
  deniesAtOnce(ip: string): boolean;
  /** Whether a connection that has just been accepted must be dropped; resolves when its turn has come. */
  denies(connection: MultiaddrConnection): Promise<boolean>;
  /** Whether anybody has come in who is neither admitted nor gone: it may be any peer. */
  isAnybodyComing(): boolean;
  /** Whether somebody who has shown this key must be dropped. */
  deniesPeer(peer: PeerId): boolean;
  /** The connection did what a stranger may do: its end is not held against its address. */
  excused(connection: Connection): void;
  /** The connection, whichever end dialled, is a member's. */
  admitted(connection: Connection): void;
}

/** Makes the doorkeeper; `connections` is how often one peer may connect. */
export function createDoorkeeper(
  components: { readonly clock: Clock; readonly turns: AddressTurns; readonly conduct: Conduct },
  init: { readonly connections: BucketSize },
): Doorkeeper {
  return new Keeper(components, createBuckets(components.clock, init.connections));
}

class Keeper implements Doorkeeper {
  readonly #turns: AddressTurns;
  readonly #conduct: Conduct;
  readonly #connections: Buckets;
  /** By the timeline, the one object that a connection has from before its handshake to its end. */
  readonly #visits = new WeakMap<object, Visit>();
  /** The timelines of those who have come in and are neither admitted nor gone. */
  readonly #coming = new Set<object>();

  constructor(
    { turns, conduct }: { readonly turns: AddressTurns; readonly conduct: Conduct },
    connections: Buckets,
  ) {
    this.#turns = turns;
    this.#conduct = conduct;
    this.#connections = connections;
  }

  deniesAtOnce(ip: string): boolean {
    return this.#turns.turnsAway(ipKey(ip));
  }

  denies(connection: MultiaddrConnection): Promise<boolean> {
    return new Promise((resolve) => {
      const visit = this.#turns.ask(addressKey(connection.remoteAddr), (mayCome) =>
        resolve(!mayCome),
      );
      this.#visits.set(connection.timeline, visit);
      this.#coming.add(connection.timeline);
      const ended = (): void => {
        this.#coming.delete(connection.timeline);
        visit.ended();
      };
      connection.addEventListener('close', ended, { once: true });
    });
  }

  isAnybodyComing(): boolean {
    return this.#coming.size > 0;
  }

  deniesPeer(peer: PeerId): boolean {
    if (this.#conduct.isBlocked(peer)) return true;
    if (this.#connections.take(peer)) return false;
    this.#conduct.report(peer, 'connections');
    return true;
  }

  excused(connection: Connection): void {
    this.#visits.get(connection.timeline)?.excused();
  }

  admitted(connection: Connection): void {
    this.#coming.delete(connection.timeline);
    this.#visits.get(connection.timeline)?.admitted();
    const distrust = this.#turns.trust(addressKey(connection.remoteAddr));
    connection.addEventListener('close', distrust, { once: true });
  }
}
