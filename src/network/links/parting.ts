/**
 * Closes links that nobody uses. Most members of a large mesh need no link to one another: who has called
 * somebody, or come in by somebody, keeps that link only while it is of use. Both ends agree before it closes,
 * so that neither opens a stream on a link that the other is closing:
 *
 * ```
 *   a: part   ──►  b       a opens nothing on the link from here on
 *   a  ◄── parted :b       b neither; both know that what follows is no loss.   a closes the connection
 *   a  ◄──   stay :b       b uses the link, or wants it: a goes on as before
 * ```
 *
 * Who opens a stream meanwhile waits for the answer. A peer that does not answer within
 * {@link PART_TIMEOUT_MS} keeps its link.
 */
import type { Connection, Stream } from '@libp2p/interface';
import { StarlingError, unawaited } from '../../core/index.ts';
import type { Clock, Logger, PeerId, Scope } from '../../core/index.ts';
import { closeConnection } from '../admission/close-connection.ts';
import { IDLE_LINK_MS, PART_PAUSE_MS, PART_TIMEOUT_MS } from '../constants.ts';
import { peerOf } from '../peer-id.ts';
import type { Links } from './links.ts';

/** Kinds of the frames. */
const PART = 'part';
const PARTED = 'parted';
const STAY = 'stay';

/** What parting works with. */
export interface PartingComponents {
  readonly links: Links;
  /** Whether this node needs no link to `peer`, because others are connected to it. */
  readonly isSpare: (peer: PeerId) => boolean;
  readonly isInUse: (stream: Stream) => boolean;
  /** When a stream of ours was last opened on the connection, ms since the epoch; undefined when never. */
  readonly usedAtMs: (connection: Connection) => number | undefined;
  /** Sends a frame on the control stream of a connection; false when there is none. */
  readonly send: (connection: Connection, kind: string) => boolean;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Owns the timers. */
  readonly scope: Scope;
}

/** Links that close because nobody uses them. */
export interface Parting {
  /** Begins to close what has been idle for long enough. Meant to be called from time to time. */
  look(): void;
  /** True when the frame was about parting. */
  heard(connection: Connection, kind: string): boolean;
  /** Both ends have agreed to close `connection`. */
  isMeant(connection: Connection): boolean;
  /** Waits until it is settled whether the link to `peer` closes; undefined when that is not in question. */
  settled(peer: PeerId): Promise<void> | undefined;
  closed(connection: Connection): void;
}

/** No link is in question yet. */
export function createParting(components: PartingComponents): Parting {
  return new LinkParting(components);
}

/** A link in question. */
interface Question {
  readonly connection: Connection;
  readonly settled: Promise<void>;
  readonly settle: () => void;
}

class LinkParting implements Parting {
  readonly #components: PartingComponents;
  readonly #questions = new Map<PeerId, Question>();
  readonly #meant = new WeakSet<Connection>();
  /** When a link was last in question, or in use when it was looked at. */
  readonly #busyAt = new WeakMap<Connection, number>();

  constructor(components: PartingComponents) {
    this.#components = components;
  }

  look(): void {
    const { links, clock, isSpare, send } = this.#components;
    const now = clock.now();
    for (const peer of links.peers()) {
      if (!isSpare(peer) || this.#questions.has(peer)) continue;
      // Of several the worse ones close first: see `link-upkeep.ts`.
      const [connection, ...others] = links.of(peer);
      if (connection === undefined || others.length > 0 || !this.#isIdle(connection, now)) continue;
      this.#busyAt.set(connection, now + PART_PAUSE_MS);
      if (send(connection, PART)) this.#ask(peer, connection, PART_TIMEOUT_MS);
    }
  }

  heard(connection: Connection, kind: string): boolean {
    if (kind !== PART && kind !== PARTED && kind !== STAY) return false;
    const peer = peerOf(connection);
    const question = this.#questions.get(peer);
    const isAsked = question?.connection === connection;
    if (kind === PART) this.#answer(peer, connection);
    else if (!isAsked) this.#components.logger.debug({ peer, kind }, 'nobody has asked to part');
    else if (kind === STAY) question.settle();
    else this.#close(connection);
    return true;
  }

  isMeant(connection: Connection): boolean {
    return this.#meant.has(connection);
  }

  settled(peer: PeerId): Promise<void> | undefined {
    return this.#questions.get(peer)?.settled;
  }

  closed(connection: Connection): void {
    const question = this.#questions.get(peerOf(connection));
    if (question?.connection === connection) question.settle();
  }

  #isIdle(connection: Connection, now: number): boolean {
    const { links, isInUse, usedAtMs } = this.#components;
    if (connection.streams.some((stream) => isBusy(stream, isInUse))) {
      this.#busyAt.set(connection, now);
      return false;
    }
    const usedAt = Math.max(usedAtMs(connection) ?? 0, this.#busyAt.get(connection) ?? 0);
    return links.ageMs(connection) >= IDLE_LINK_MS && now - usedAt >= IDLE_LINK_MS;
  }

  #answer(peer: PeerId, connection: Connection): void {
    const { links, isSpare, isInUse, send } = this.#components;
    const isFree =
      isSpare(peer) &&
      links.of(peer).length === 1 &&
      !connection.streams.some((stream) => isBusy(stream, isInUse));
    if (!isFree) {
      send(connection, STAY);
      return;
    }
    this.#meant.add(connection);
    if (!this.#questions.has(peer)) this.#ask(peer, connection, PART_TIMEOUT_MS);
    send(connection, PARTED);
  }

  #close(connection: Connection): void {
    const { logger, clock } = this.#components;
    this.#meant.add(connection);
    const reason = new StarlingError('STARLING_STOPPED', 'nobody used the link');
    const closed = closeConnection({ logger, clock }, connection, reason);
    unawaited(closed, logger, 'an idle link did not close', { peer: peerOf(connection) });
  }

  #ask(peer: PeerId, connection: Connection, timeoutMs: number): void {
    let resolve: () => void = () => undefined;
    const settled = new Promise<void>((done) => (resolve = done));
    const settle = (): void => {
      cancel();
      if (this.#questions.get(peer) === question) this.#questions.delete(peer);
      resolve();
    };
    const question: Question = { connection, settled, settle };
    const cancel = this.#components.scope.after(timeoutMs, () => {
      // Whoever agreed and did not close is gone, or of use after all.
      if (connection.status === 'open') this.#meant.delete(connection);
      settle();
    });
    this.#questions.set(peer, question);
  }
}

/** A stream whose protocol is being agreed is about to be used. */
function isBusy(stream: Stream, isInUse: (stream: Stream) => boolean): boolean {
  return stream.protocol === '' || stream.protocol === undefined || isInUse(stream);
}
