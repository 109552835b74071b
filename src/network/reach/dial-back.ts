/**
 * Finds out whether others can dial this node where they see it, behind a router that hands on a port: asks those that
 * it has dialled to dial back (libp2p specs, autonat/autonat-v2.md, on our control stream). Somebody who is asked dials
 * only the IP address from which the asker is connected, so that nobody has a third machine dialled, and the key at the
 * other end has to be the asker's.
 *
 * ```
 *   a: reach {id, address}  ──►  b        b dials the address
 *   a  ◄──  reached {id, why?} :b         `why` when the dial came to nothing
 * ```
 *
 * What was reached is told to others like any address of this node.
 */
import { encode } from 'cborg';
import { isIPv4 } from 'node:net';
import type { Connection } from '@libp2p/interface';
import { multiaddr } from '@multiformats/multiaddr';
import type { Multiaddr } from '@multiformats/multiaddr';
import { createBuckets, messageOf, unawaited, withDeadline } from '../../core/index.ts';
import type { Buckets, Clock, Logger, PeerId, Random, Scope } from '../../core/index.ts';
import { isRelayed, peerIn, withPeer } from '../addresses/addresses.ts';
import {
  REACH_AGAIN_MS,
  REACH_ANSWER_MS,
  REACH_ASKS,
  REACH_AT_ONCE,
  REACH_DIAL_MS,
  REACH_PAUSE_MAX_MS,
  REACH_PAUSE_MS,
} from '../constants.ts';
import type { Links } from '../links/links.ts';
import type { FoundOutside } from '../types.ts';
import { peerOf } from '../peer-id.ts';
import { messageFields } from '../streams/message-fields.ts';
import { ipOf, isOfMachine } from './outside.ts';
import type { Outside } from './outside.ts';

/** Kinds of the frames. */
const REACH = 'reach';
const REACHED = 'reached';
const ADDRESS_LENGTH_MAX = 128;
const WHY_LENGTH_MAX = 200;

/** What it works with. */
export interface DialBackComponents {
  readonly self: PeerId;
  readonly links: Links;
  readonly outside: Pick<Outside, 'ips' | 'by'>;
  /** Where this node listens on the interfaces of its machine. */
  readonly listeners: () => readonly Multiaddr[];
  /** The IP addresses of the interfaces of this machine. */
  readonly ownIps: () => ReadonlySet<string>;
  /** Addresses that were reached, each with the peer at its end: filled here. */
  readonly reached: Set<string>;
  /** Sends a frame on the control stream of a connection; false when there is none. */
  readonly send: (connection: Connection, kind: string, payload: Uint8Array) => boolean;
  /** Dials this address, whatever other connections there are; ends once the other end is admitted. */
  readonly dial: (address: Multiaddr, signal: AbortSignal) => Promise<unknown>;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Owns the timers. */
  readonly scope: Scope;
}

/** Dialling back, both ends of it. */
export interface DialBack {
  /** Asks somebody where that is due. Meant to be called from time to time. */
  look(): void;
  /** True when the frame was about dialling back. */
  heard(connection: Connection, kind: string, payload: Uint8Array): boolean;
  /** What others have found lately where they see this node. */
  found(): readonly FoundOutside[];
}

/** Nobody was asked yet. */
export function createDialBack(components: DialBackComponents): DialBack {
  return new Back(components);
}

interface Candidate {
  readonly address: string;
  last: FoundOutside | undefined;
  /** The question that is under way. */
  asked: { readonly id: number; readonly by: PeerId } | undefined;
  failures: number;
  nextMs: number;
}

class Back implements DialBack {
  readonly #components: DialBackComponents;
  readonly #candidates = new Map<string, Candidate>();
  readonly #asks: Buckets;
  #dials = 0;

  constructor(components: DialBackComponents) {
    this.#components = components;
    this.#asks = createBuckets(components.clock, REACH_ASKS);
  }

  look(): void {
    const { clock } = this.#components;
    const wanted = new Set(this.#wanted());
    for (const [address] of this.#candidates) if (!wanted.has(address)) this.#drop(address);
    for (const address of wanted) {
      const candidate = this.#candidates.get(address) ?? fresh(address);
      this.#candidates.set(address, candidate);
      if (candidate.asked === undefined && candidate.nextMs <= clock.now()) this.#ask(candidate);
    }
  }

  heard(connection: Connection, kind: string, payload: Uint8Array): boolean {
    if (kind === REACH) {
      const dialled = this.#asked(connection, payload);
      const peer = peerOf(connection);
      unawaited(dialled, this.#components.logger, 'a peer was not dialled back', { peer });
    } else if (kind === REACHED) this.#answered(peerOf(connection), payload);
    else return false;
    return true;
  }

  found(): readonly FoundOutside[] {
    return [...this.#candidates.values()].flatMap(({ last }) => last ?? []);
  }

  /** Where others see this node, with each port on which it listens, unless that is an address of this machine. */
  #wanted(): readonly string[] {
    const { outside, listeners, ownIps } = this.#components;
    const own = ownIps();
    return outside
      .ips()
      .filter((ip) => !own.has(ip))
      .flatMap((ip) =>
        listeners()
          .filter((listener) => !isRelayed(listener) && isOfMachine(ipOf(listener) ?? ''))
          .flatMap((listener) => placeAt(ip, listener) ?? []),
      );
  }

  #ask(candidate: Candidate): void {
    const { links, outside, send, random, scope, clock } = this.#components;
    const ip = ipOf(multiaddr(candidate.address));
    const helpers = links.peers().flatMap((peer) => {
      const link = links.of(peer).find((one) => one.direct && one.direction === 'outbound');
      return link !== undefined && outside.by(peer) === ip ? [link] : [];
    });
    const link = helpers[Math.floor(random() * helpers.length)];
    if (link === undefined) return;
    const asked = { id: Math.floor(random() * 2 ** 32), by: peerOf(link) };
    const { address } = candidate;
    candidate.asked = asked;
    candidate.nextMs = clock.now() + REACH_PAUSE_MS;
    if (!send(link, REACH, encode({ id: asked.id, address }))) {
      candidate.asked = undefined;
      candidate.nextMs = 0;
      return;
    }
    // A node that is busy with others does not answer, and an older one does not know the question.
    scope.after(REACH_ANSWER_MS, () => {
      if (candidate.asked !== asked) return;
      candidate.asked = undefined;
      this.#failed(candidate);
    });
  }

  #answered(peer: PeerId, payload: Uint8Array): void {
    const { clock, reached, logger, self } = this.#components;
    const { id, why } = messageFields(payload);
    const candidate = [...this.#candidates.values()].find(({ asked }) => asked?.id === id);
    if (candidate?.asked?.by !== peer) return;
    candidate.asked = undefined;
    const { address } = candidate;
    const told = withPeer(multiaddr(address), self).toString();
    if (why === undefined) {
      candidate.last = { address, by: peer };
      candidate.failures = 0;
      candidate.nextMs = clock.now() + REACH_AGAIN_MS;
      reached.add(told);
      logger.info({ address, by: peer }, 'this node can be dialled from outside');
      return;
    }
    const text = String(why).slice(0, WHY_LENGTH_MAX);
    candidate.last = { address, by: peer, why: text };
    this.#failed(candidate);
    reached.delete(told);
    logger.debug({ address, by: peer, why: text }, 'this node can not be dialled from outside');
  }

  #failed(candidate: Candidate): void {
    candidate.failures += 1;
    const pauseMs = REACH_PAUSE_MS * 2 ** Math.min(candidate.failures - 1, 10);
    candidate.nextMs = this.#components.clock.now() + Math.min(REACH_PAUSE_MAX_MS, pauseMs);
  }

  async #asked(connection: Connection, payload: Uint8Array): Promise<void> {
    const { send, dial, clock, scope, logger } = this.#components;
    const peer = peerOf(connection);
    const { id, address } = messageFields(payload);
    const place = readPlace(address);
    if (typeof id !== 'number' || place === undefined || !this.#asks.take(peer)) return;
    const answer = (why?: string): void => {
      send(connection, REACHED, encode(why === undefined ? { id } : { id, why }));
    };
    // Nobody has a third machine dialled.
    if (!connection.direct || ipOf(place) !== ipOf(connection.remoteAddr)) {
      answer('that is not where the asker is connected from');
      return;
    }
    if (this.#dials >= REACH_AT_ONCE) return;
    this.#dials += 1;
    try {
      const target = withPeer(place, peer);
      await withDeadline(clock, REACH_DIAL_MS, (signal) => dial(target, signal), scope.signal);
      answer();
    } catch (error) {
      logger.debug({ peer, address, error: messageOf(error) }, 'a dial back came to nothing');
      answer(messageOf(error));
    } finally {
      this.#dials -= 1;
    }
  }

  #drop(address: string): void {
    this.#candidates.delete(address);
    const { reached, self } = this.#components;
    reached.delete(withPeer(multiaddr(address), self).toString());
  }
}

function fresh(address: string): Candidate {
  return { address, last: undefined, asked: undefined, failures: 0, nextMs: 0 };
}

/** The listener's address with the IP address in place of its own; undefined where it is of the other family. */
function placeAt(ip: string, listener: Multiaddr): string | undefined {
  const [host, ...rest] = listener.getComponents();
  const family = isIPv4(ip) ? 'ip4' : 'ip6';
  if (host?.name !== family || rest[0]?.name !== 'tcp') return undefined;
  const more = rest
    .filter(({ name }) => name !== 'p2p')
    .map(({ name, value }) => (value === undefined ? `/${name}` : `/${name}/${value}`));
  return `/${family}/${ip}${more.join('')}`;
}

/** A TCP address without a relay; undefined when it is none. */
function readPlace(address: unknown): Multiaddr | undefined {
  if (typeof address !== 'string' || address.length > ADDRESS_LENGTH_MAX) return undefined;
  try {
    const place = multiaddr(address);
    const [, port] = place.getComponents();
    const isPlain = !isRelayed(place) && peerIn(place) === undefined;
    return port?.name === 'tcp' && isPlain ? place : undefined;
  } catch {
    return undefined;
  }
}
