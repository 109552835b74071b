/**
 * Makes a direct way between two nodes that are both behind routers, with the help of the relayed link that they have:
 * libp2p's hole punching (libp2p specs, relay/DCUtR.md), on our control stream, which knows the two ends already.
 *
 * ```
 *   a: hole {at, port}  ──►  b       a, of the lower PeerId, says where it is seen, and from which port it will dial
 *   a  ◄──  hole-at {at, port} :b    so does b, or it says why not
 *   a: hole-now  ──►  b              b dials as soon as this comes, and a half a round trip after it was sent
 * ```
 *
 * Each dials the other's port from its own, so that both routers let in what the other sends, and the two dials become
 * one connection (simultaneous open, RFC 9293, section 3.5), on which a is the one that dialled. That works where routers
 * leave connections their ports, as Linux and most home routers do. `@libp2p/dcutr` dials by `@libp2p/tcp`, whose port the
 * system chooses: both routers would turn that away.
 */
import { isIPv4 } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Connection } from '@libp2p/interface';
import { createBuckets, messageOf, sleep, unawaited, withDeadline } from '../../core/index.ts';
import type { Buckets, Clock, Logger, PeerId, Random, Scope } from '../../core/index.ts';
import {
  HOLES_AT_ONCE,
  HOLE_ANSWER_MS,
  HOLE_ASKS,
  HOLE_AGAIN_MS,
  HOLE_DIAL_MS,
  HOLE_MOVES,
  HOLE_PAUSE_MAX_MS,
  HOLE_PAUSE_MS,
  REDIAL_TARGETS_MAX,
} from '../constants.ts';
import type { Links } from '../links/links.ts';
import { peerOf } from '../peer-id.ts';
import { decodeHoleEnd, decodeHoleId, decodeHoleRefusal, encodeHole } from './hole-messages.ts';
import type { HoleEnd } from './hole-messages.ts';
import type { HoleEnds } from './hole-socket.ts';
import type { Outside } from './outside.ts';

/** Kinds of the frames. */
const HOLE = 'hole';
const HOLE_AT = 'hole-at';
const HOLE_NOW = 'hole-now';
/** Ports that are tried from: those that systems give out by themselves. */
const PORT_LOWEST = 32_768;
const PORTS = 28_000;

/** What it works with. */
export interface HolePunchComponents {
  readonly self: PeerId;
  readonly links: Links;
  readonly outside: Pick<Outside, 'ips'>;
  /** Sends a frame on the control stream of a connection; false when there is none. */
  readonly send: (connection: Connection, kind: string, payload: Uint8Array) => boolean;
  readonly rttMs: (peer: PeerId) => number | undefined;
  readonly connect: (ends: HoleEnds, signal: AbortSignal) => Promise<Duplex>;
  /** Makes a connection to `peer` of a socket, and waits until it is admitted. */
  readonly use: (socket: Duplex, init: HoleUse, signal: AbortSignal) => Promise<void>;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Owns the timers. */
  readonly scope: Scope;
}

/** What becomes of a socket through a hole. */
export interface HoleUse {
  readonly peer: PeerId;
  /** Where the other end is. */
  readonly host: string;
  readonly port: number;
  /** Whether this end counts as the one that dialled. */
  readonly isDialler: boolean;
}

/** Holes in routers. */
export interface HolePunch {
  /** Tries to get directly to `peer` when it is relayed and that was not in vain a short time ago. */
  look(peer: PeerId): void;
  /** True when the frame was about a hole. */
  heard(connection: Connection, kind: string, payload: Uint8Array): boolean;
  /** This node is in another network than before: what came to nothing there may go well here. */
  moved(): void;
  /** Why the last try to get to the peer came to nothing; undefined when there was none, or it went well. */
  failure(peer: PeerId): string | undefined;
}

/** No hole is tried yet. */
export function createHolePunch(components: HolePunchComponents): HolePunch {
  return new Punch(components);
}

interface Try {
  readonly id: number;
  readonly peer: PeerId;
  readonly own: HoleEnd;
  theirs: HoleEnd | undefined;
  /** Waits for the other end no longer. */
  forget: () => void;
}

class Punch implements HolePunch {
  readonly #components: HolePunchComponents;
  readonly #tries = new Map<PeerId, Try>();
  /** Of tries that came to nothing: why, how many in a row, and when the next one may be. */
  readonly #failures = new Map<
    PeerId,
    { readonly why: string; readonly times: number; readonly nextMs: number }
  >();
  readonly #asks: Buckets;
  /** Others say where this node is seen, and might say so again and again: pauses end at most so often. */
  readonly #moves: Buckets;

  constructor(components: HolePunchComponents) {
    this.#components = components;
    this.#asks = createBuckets(components.clock, HOLE_ASKS);
    this.#moves = createBuckets(components.clock, HOLE_MOVES);
  }

  look(peer: PeerId): void {
    const { self, links, outside, clock, send } = this.#components;
    const link = links.best(peer);
    if (link === undefined || link.direct || self > peer || this.#isBusy(peer)) return;
    if ((this.#failures.get(peer)?.nextMs ?? 0) > clock.now()) return;
    if (outside.ips().length === 0) return;
    const aTry = this.#begin(peer, this.#draw(2 ** 32));
    if (!send(link, HOLE, encodeHole(aTry.own))) this.#end(aTry, 'the link to it has gone');
  }

  heard(connection: Connection, kind: string, payload: Uint8Array): boolean {
    if (kind !== HOLE && kind !== HOLE_AT && kind !== HOLE_NOW) return false;
    // On a direct link there is nothing to be made.
    if (connection.direct) return true;
    if (kind === HOLE) this.#asked(connection, payload);
    else if (kind === HOLE_AT) this.#answered(connection, payload);
    else this.#told(connection, payload);
    return true;
  }

  moved(): void {
    if (!this.#moves.take('moved')) return;
    for (const [peer, { why }] of this.#failures) {
      this.#failures.set(peer, { why, times: 0, nextMs: -Infinity });
    }
  }

  failure(peer: PeerId): string | undefined {
    return this.#failures.get(peer)?.why;
  }

  #asked(connection: Connection, payload: Uint8Array): void {
    const { self, send, outside, links } = this.#components;
    const peer = peerOf(connection);
    const theirs = decodeHoleEnd(payload);
    if (theirs === undefined || self < peer || !this.#asks.take(peer)) return;
    const refuse = (why: string): void => {
      send(connection, HOLE_AT, encodeHole({ id: theirs.id, why }));
    };
    if (links.best(peer)?.direct === true) return refuse('there is a direct way');
    if (this.#isBusy(peer)) return refuse('it is busy with other holes');
    if (outside.ips().length === 0) return refuse('it does not know where it is seen from outside');
    const aTry = this.#begin(peer, theirs.id);
    aTry.theirs = theirs;
    if (!send(connection, HOLE_AT, encodeHole(aTry.own))) {
      this.#end(aTry, 'the link to it has gone');
    }
  }

  #answered(connection: Connection, payload: Uint8Array): void {
    const { send, rttMs, scope } = this.#components;
    const peer = peerOf(connection);
    const aTry = this.#tryOf(peer, payload);
    if (aTry === undefined || aTry.theirs !== undefined) return;
    const refusal = decodeHoleRefusal(payload);
    const theirs = decodeHoleEnd(payload);
    if (theirs === undefined) {
      this.#end(aTry, `it says: ${refusal?.why ?? 'nothing that can be used'}`);
      return;
    }
    aTry.theirs = theirs;
    if (!send(connection, HOLE_NOW, encodeHole({ id: aTry.id }))) {
      this.#end(aTry, 'the link to it has gone');
      return;
    }
    scope.after((rttMs(peer) ?? 0) / 2, () => this.#dial(aTry, theirs));
  }

  #told(connection: Connection, payload: Uint8Array): void {
    const aTry = this.#tryOf(peerOf(connection), payload);
    // Who asked hears no such thing.
    if (aTry?.theirs === undefined || this.#components.self < aTry.peer) return;
    this.#dial(aTry, aTry.theirs);
  }

  /** A try of this very id whose dial has not begun. */
  #tryOf(peer: PeerId, payload: Uint8Array): Try | undefined {
    const aTry = this.#tries.get(peer);
    return aTry !== undefined && aTry.id === decodeHoleId(payload) ? aTry : undefined;
  }

  #isBusy(peer: PeerId): boolean {
    return this.#tries.has(peer) || this.#tries.size >= HOLES_AT_ONCE;
  }

  #begin(peer: PeerId, id: number): Try {
    const { outside, scope } = this.#components;
    const own = { id, at: outside.ips(), port: PORT_LOWEST + this.#draw(PORTS) };
    const forget = scope.after(HOLE_ANSWER_MS, () => this.#end(aTry, 'it did not answer in time'));
    const aTry: Try = { id, peer, own, theirs: undefined, forget };
    this.#tries.set(peer, aTry);
    return aTry;
  }

  #dial(aTry: Try, theirs: HoleEnd): void {
    const { logger } = this.#components;
    unawaited(this.#punch(aTry, theirs), logger, 'no hole was tried', { peer: aTry.peer });
  }

  async #punch(aTry: Try, theirs: HoleEnd): Promise<void> {
    const { clock, scope, logger, use, self } = this.#components;
    if (this.#tries.get(aTry.peer) !== aTry || scope.closed) return;
    aTry.forget();
    const { peer, own } = aTry;
    const host = theirs.at.find((ip) => own.at.some((mine) => isIPv4(mine) === isIPv4(ip)));
    if (host === undefined) {
      this.#end(aTry, 'one has IPv4 only, and the other IPv6');
      return;
    }
    const { port } = theirs;
    try {
      await withDeadline(
        clock,
        HOLE_DIAL_MS,
        async (signal) => {
          const socket = await this.#meet({ host, port, localPort: own.port }, signal);
          await use(socket, { peer, host, port, isDialler: self < peer }, signal);
        },
        scope.signal,
      );
      logger.info({ peer, host, port }, 'a direct way through the routers of both');
      this.#tries.delete(peer);
      this.#failures.delete(peer);
    } catch (error) {
      logger.debug({ peer, host, port, error: messageOf(error) }, 'no hole');
      this.#end(aTry, `nothing came through at ${host}:${port} (${messageOf(error)})`);
    }
  }

  /** A router may answer for its host that nobody is there, until the host has dialled. */
  async #meet(ends: HoleEnds, signal: AbortSignal): Promise<Duplex> {
    const { connect, scope } = this.#components;
    for (;;) {
      try {
        return await connect(ends, signal);
      } catch (error) {
        if (signal.aborted || !(await sleep(scope, HOLE_AGAIN_MS)) || signal.aborted) throw error;
      }
    }
  }

  #end(aTry: Try, why: string): void {
    const { clock } = this.#components;
    const { peer } = aTry;
    aTry.forget();
    if (this.#tries.get(peer) !== aTry) return;
    this.#tries.delete(peer);
    const times = (this.#failures.get(peer)?.times ?? 0) + 1;
    const pauseMs = Math.min(HOLE_PAUSE_MAX_MS, HOLE_PAUSE_MS * 2 ** Math.min(times - 1, 10));
    this.#failures.delete(peer);
    this.#failures.set(peer, { why, times, nextMs: clock.now() + pauseMs });
    const [oldest] = this.#failures.size > REDIAL_TARGETS_MAX ? this.#failures.keys() : [];
    if (oldest !== undefined) this.#failures.delete(oldest);
  }

  #draw(below: number): number {
    return Math.floor(this.#components.random() * below);
  }
}
