/** How this node is reached from outside: where it is seen, who gets in there, and holes where nobody does. */
import { isIPv4 } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Connection } from '@libp2p/interface';
import { multiaddr } from '@multiformats/multiaddr';
import type { Clock, Logger, PeerId, Random, Scope } from '../../core/index.ts';
import type { AdmissionStates } from '../admission/admission-states.ts';
import type { Dialer } from '../dialing/dialer.ts';
import type { Host } from '../host/host.ts';
import { REACH_FIRST_MS } from '../constants.ts';
import type { Links } from '../links/links.ts';
import type { OutsideView } from '../types.ts';
import { createDialBack } from './dial-back.ts';
import type { DialBack } from './dial-back.ts';
import { createHolePunch } from './hole-punch.ts';
import type { HolePunch, HoleUse } from './hole-punch.ts';
import { connectFrom } from './hole-socket.ts';
import { createOutside } from './outside.ts';

/** What it works with. */
export interface ReachComponents {
  readonly self: PeerId;
  readonly host: Pick<Host, 'node' | 'transports' | 'upgrade'>;
  readonly gate: Pick<AdmissionStates, 'admitted'>;
  readonly links: Links;
  readonly dialer: Pick<Dialer, 'mayBeDirect'>;
  /** Far ends of connections on which nobody listens: those through holes are added. */
  readonly ephemeral: Set<string>;
  /** Addresses at which others have reached this node: filled here. */
  readonly reached: Set<string>;
  /** The IP addresses of the interfaces of this machine. */
  readonly ownIps: () => ReadonlySet<string>;
  readonly send: (connection: Connection, kind: string, payload: Uint8Array) => boolean;
  readonly rttMs: (peer: PeerId) => number | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Owns the timers. */
  readonly scope: Scope;
}

/** How this node is reached from outside. */
export interface Reach {
  /** Looks for direct ways to those that are relayed, and for who may dial back. To be called from time to time. */
  look(): void;
  /** True when the frame was about that. */
  heard(connection: Connection, kind: string, payload: Uint8Array): boolean;
  /** `peer`, whom this node has dialled, sees it at `ip`. */
  seen(peer: PeerId, ip: string): void;
  /** Nothing connects this node and the peer any more. */
  gone(peer: PeerId): void;
  /** Why there is no hole to a peer that is relayed; undefined when none was tried. */
  whyNoHole(peer: PeerId): string | undefined;
  /** What is known of it now; undefined until somebody has said where this node is seen. */
  view(): OutsideView | undefined;
}

/** Nobody has said anything yet. */
export function createReach(components: ReachComponents): Reach {
  const { host, gate, links, dialer, ephemeral, ownIps, scope } = components;
  const { node, transports } = host;
  const outside = createOutside();
  const use = async (socket: Duplex, to: HoleUse, signal: AbortSignal): Promise<void> => {
    const family = isIPv4(to.host) ? 'ip4' : 'ip6';
    const place = `/${family}/${to.host}/tcp/${to.port}/p2p/${to.peer}`;
    // Its end takes it off again, and so does a failure.
    ephemeral.add(place);
    try {
      const init = { address: multiaddr(place), isDialler: to.isDialler };
      await gate.admitted(await host.upgrade(socket, init, signal), signal);
    } catch (error) {
      ephemeral.delete(place);
      throw error;
    }
  };
  const holes: HolePunch = createHolePunch({ ...components, outside, connect: connectFrom, use });
  const back: DialBack = createDialBack({
    ...components,
    outside,
    listeners: () => transports.getAddrs(),
    dial: async (address, signal) =>
      gate.admitted(await node.dial(address, { force: true, signal }), signal),
  });
  let place = '';
  const placeNow = (): string => [...ownIps(), ...outside.ips()].toSorted().join(' ');
  return {
    look() {
      const before = place;
      place = placeNow();
      if (place !== before) holes.moved();
      for (const peer of links.peers()) {
        const isRelayed = links.best(peer)?.direct === false;
        if (isRelayed && !dialer.mayBeDirect(peer)) holes.look(peer);
      }
      back.look();
    },
    heard: (connection, kind, payload) =>
      holes.heard(connection, kind, payload) || back.heard(connection, kind, payload),
    seen(peer, ip) {
      outside.seen(peer, ip);
      // What was said first on a link comes before this end can send anything there.
      scope.after(REACH_FIRST_MS, () => back.look());
    },
    gone: (peer) => outside.gone(peer),
    whyNoHole: (peer) => holes.failure(peer),
    view() {
      const seenAt = outside.ips();
      if (seenAt.length === 0) return undefined;
      const own = ownIps();
      return { seenAt, isBehindRouter: seenAt.every((ip) => !own.has(ip)), found: back.found() };
    },
  };
}
