/**
 * The road of updates to peers that are connected: one stream a peer and direction with the updates of all boards, in
 * their order, opened by the first and closed when nothing was sent for a while. A sender has credit for so many
 * messages, and the reader says each time that so many of them were read: a slow reader, or one that is sent more than
 * it takes, holds its sender up, and what is written meanwhile goes as one.
 */
import { StarlingError, createBuckets, messageOf, unawaited } from '../../core/index.ts';
import type { Buckets, Clock, Did, Logger, PeerId, Scope } from '../../core/index.ts';
import { createMessageStream } from '../../network/index.ts';
import type { MessageStream, Network, PeerStream } from '../../network/index.ts';
import { encodeUpdate, joinParts } from '../lanes/update.ts';
import type { LanePart } from '../lanes/update.ts';
import { decodeGossip } from './codec.ts';
import type { GossipUpdate } from './codec.ts';

/** Whoever opens the stream sends updates on it, and reads none. */
export const ROAD_PROTOCOL = '/starling/board-updates/1';

/** What the road works with. */
export interface UpdateRoadComponents {
  readonly network: Pick<Network, 'handle' | 'isConnected' | 'open' | 'report'>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly scope: Scope;
  /** Who writes here. */
  readonly self: Did;
  /** The message that carries an update. */
  encode(board: string, update: Uint8Array): Uint8Array;
  /** Hears what `peer` wrote. */
  heard(peer: PeerId, sent: GossipUpdate): void;
  /** A peer may lack what was written to a board: a sync shows it. */
  mayLack(peer: PeerId, board: string): void;
}

/** The way of own updates to connected peers. */
export interface UpdateRoad {
  /** Sends what was written to each of `peers`, now or with what follows. */
  send(peers: readonly PeerId[], board: string, part: LanePart): void;
}

/** A longer update goes by sync only. */
const UPDATE_BYTES_MAX = 48 * 1024;
const MESSAGE_BYTES_MAX = 64 * 1024;
/** Updates that are read of one peer. Higher: many small writes are seen sooner; lower: a flood costs this node less. */
const UPDATES = { burst: 500, everyMs: 4 } as const;
/** How much these may hold in all. */
const BYTES = { burst: 4 * 1024 * 1024, everyMs: 1000 / (2 * 1024 * 1024) } as const;
/** Messages that may be under way. Higher: a slow reader is further behind; lower: small writes are merged sooner. */
const CREDIT = 64;
/** Messages that a reader has read each time that it says so. */
const CREDIT_STEP = 16;
const READ = Uint8Array.of(CREDIT_STEP);
/** So many bytes that wait at the sender hold it up, too. */
const QUEUED_BYTES_MAX = 64 * 1024;
/** A stream on which nothing was sent for so long is closed. */
const IDLE_MS = 60_000;
const OPEN_TIMEOUT_MS = 10_000;
/** After an attempt that failed. */
const RETRY_MS = 1000;
/** Streams that one peer may have here: a new one while the old one is not known to be over. */
const STREAMS_OF_ONE_MAX = 2;

/** Makes the road; it ends when the scope closes. */
export function createUpdateRoad(components: UpdateRoadComponents): UpdateRoad {
  return new StreamRoad(components);
}

class StreamRoad implements UpdateRoad {
  readonly #components: UpdateRoadComponents;
  readonly #ways = new Map<PeerId, WayTo>();
  readonly #served = new Set<PeerStream>();
  readonly #updates: Buckets;
  readonly #bytes: Buckets;

  constructor(components: UpdateRoadComponents) {
    this.#components = components;
    const { clock, network, scope } = components;
    this.#updates = createBuckets(clock, UPDATES);
    this.#bytes = createBuckets(clock, BYTES);
    scope.add(network.handle(ROAD_PROTOCOL, (stream) => this.#serve(stream)));
    scope.add(() => this.#stop());
  }

  send(peers: readonly PeerId[], board: string, part: LanePart): void {
    // The same bytes for all.
    let message: Uint8Array | undefined;
    const alone = (): Uint8Array => (message ??= messageWith(this.#components, board, [part]));
    for (const peer of peers) {
      let way = this.#ways.get(peer);
      if (way === undefined) {
        way = new WayTo(peer, this.#components, () => this.#ways.delete(peer));
        this.#ways.set(peer, way);
      }
      way.send(board, part, alone);
    }
  }

  #serve(peerStream: PeerStream): void {
    const { network, scope } = this.#components;
    const { peer } = peerStream;
    const open = [...this.#served].filter((one) => one.peer === peer);
    if (open.length >= STREAMS_OF_ONE_MAX) {
      network.report(peer, 'streams');
      peerStream.abort(new StarlingError('STARLING_LIMIT_EXCEEDED', 'too many streams of updates'));
      return;
    }
    this.#served.add(peerStream);
    const stream = createMessageStream(peerStream, { maxBytes: MESSAGE_BYTES_MAX });
    let cancelHold: (() => void) | undefined;
    // One timer a stream, however much of a chunk is beyond the allowance.
    const hold = (waitMs: number): void => {
      peerStream.pause();
      cancelHold ??= scope.after(waitMs, () => {
        cancelHold = undefined;
        const moreMs = Math.max(this.#updates.waitMs(peer), this.#bytes.waitMs(peer));
        if (moreMs > 0) hold(moreMs);
        else peerStream.resume();
      });
    };
    stream.onEnd(() => {
      this.#served.delete(peerStream);
      cancelHold?.();
    });
    let read = 0;
    stream.onMessage((bytes) => {
      const waitMs = Math.max(
        this.#updates.charge(peer, 1),
        this.#bytes.charge(peer, bytes.length),
      );
      if (waitMs > 0) hold(waitMs);
      const sent = decodeGossip(bytes);
      read += 1;
      if (read % CREDIT_STEP === 0) stream.send(READ);
      if (sent !== undefined) this.#components.heard(peer, sent);
      else {
        network.report(peer, 'malformed');
        stream.abort(
          new StarlingError('STARLING_PROTOCOL_VIOLATION', `${peer} sent what is no update`),
        );
      }
    });
  }

  #stop(): void {
    const stopped = new StarlingError('STARLING_STOPPED', 'this node is stopping');
    for (const way of this.#ways.values()) way.abort(stopped);
    for (const stream of this.#served) stream.abort(stopped);
    this.#ways.clear();
    this.#served.clear();
  }
}

interface Pending {
  readonly parts: LanePart[];
  sizeBytes: number;
}

/** The stream to one peer, and what waits for it. */
class WayTo {
  readonly #peer: PeerId;
  readonly #components: UpdateRoadComponents;
  readonly #over: () => void;
  readonly #pending = new Map<string, Pending>();
  /** Boards of which something was sent on the stream that is open. */
  readonly #sent = new Set<string>();
  #stream: MessageStream | undefined;
  #queued: () => number = () => 0;
  #credit = CREDIT;
  /** Until the stream is open, or what is queued has gone out, or a failure is some time ago. */
  #isHeldUp = false;
  #cancelIdle: () => void = () => undefined;

  constructor(peer: PeerId, components: UpdateRoadComponents, over: () => void) {
    this.#peer = peer;
    this.#components = components;
    this.#over = over;
  }

  send(board: string, part: LanePart, alone: () => Uint8Array): void {
    if (this.#isFree && this.#pending.size === 0) {
      this.#write(board, alone());
      return;
    }
    const pending = this.#pending.get(board) ?? { parts: [], sizeBytes: 0 };
    // Over the bound the board is synced, whatever is in it.
    if (pending.sizeBytes <= UPDATE_BYTES_MAX) pending.parts.push(part);
    pending.sizeBytes += part.update?.length ?? 0;
    this.#pending.set(board, pending);
    if (this.#stream !== undefined || this.#isHeldUp) return;
    const { logger } = this.#components;
    unawaited(this.#open(), logger, 'no stream of updates', { peer: this.#peer });
  }

  get #isFree(): boolean {
    return this.#stream !== undefined && !this.#isHeldUp && this.#credit > 0;
  }

  abort(error: Error): void {
    this.#cancelIdle();
    this.#pending.clear();
    this.#sent.clear();
    this.#stream?.abort(error);
  }

  async #open(): Promise<void> {
    const { network, scope, logger } = this.#components;
    const opening = new AbortController();
    const giveUp = (): void =>
      opening.abort(
        new StarlingError('STARLING_TIMEOUT', `${this.#peer} does not open a stream of updates`),
      );
    const cancel = this.#components.clock.schedule(OPEN_TIMEOUT_MS, giveUp);
    scope.signal.addEventListener('abort', giveUp, { once: true });
    this.#isHeldUp = true;
    try {
      const { signal } = opening;
      const peerStream = await network.open(this.#peer, ROAD_PROTOCOL, { signal });
      if (scope.closed) peerStream.abort(new StarlingError('STARLING_STOPPED', 'stopping'));
      else this.#opened(peerStream);
    } catch (error) {
      logger.debug({ peer: this.#peer, error: messageOf(error) }, 'no stream of updates');
      this.#failed();
    } finally {
      cancel();
      scope.signal.removeEventListener('abort', giveUp);
    }
  }

  #opened(peerStream: PeerStream): void {
    const stream = createMessageStream(peerStream, { maxBytes: MESSAGE_BYTES_MAX });
    this.#stream = stream;
    this.#queued = () => peerStream.queuedBytes;
    this.#credit = CREDIT;
    stream.onMessage(() => {
      this.#credit = Math.min(CREDIT, this.#credit + CREDIT_STEP);
      this.#flush();
    });
    stream.onEnd(() => {
      if (this.#stream !== stream) return;
      this.#cancelIdle();
      this.#stream = undefined;
      this.#failed();
    });
    this.#isHeldUp = false;
    this.#flush();
  }

  /** Whatever was under way may be lost: of a peer that is still there a sync brings it. */
  #failed(): void {
    const { scope, network } = this.#components;
    if (scope.closed) return;
    const boards = new Set([...this.#pending.keys(), ...this.#sent]);
    this.#pending.clear();
    this.#sent.clear();
    if (!network.isConnected(this.#peer) || boards.size === 0) {
      this.#over();
      return;
    }
    this.#isHeldUp = true;
    scope.after(RETRY_MS, () => {
      this.#isHeldUp = false;
      for (const board of new Set([...boards, ...this.#pending.keys()])) this.#lack(board);
      this.#over();
    });
  }

  #flush(): void {
    for (const [board, { parts, sizeBytes }] of this.#pending) {
      if (!this.#isFree) return;
      this.#pending.delete(board);
      if (sizeBytes > UPDATE_BYTES_MAX) this.#lack(board);
      else this.#write(board, messageWith(this.#components, board, joinParts(parts)));
    }
  }

  #write(board: string, message: Uint8Array): void {
    const stream = this.#stream;
    if (stream === undefined) return;
    if (message.length > UPDATE_BYTES_MAX) {
      this.#lack(board);
      return;
    }
    this.#sent.add(board);
    this.#cancelIdle();
    this.#cancelIdle = this.#components.clock.schedule(IDLE_MS, () => this.#rest(stream));
    this.#credit -= 1;
    if (stream.send(message) && this.#queued() <= QUEUED_BYTES_MAX) return;
    this.#isHeldUp = true;
    stream
      .drained()
      .then(() => {
        this.#isHeldUp = false;
        this.#flush();
        return undefined;
      })
      // The end of the stream is heard of by itself.
      .catch(() => undefined);
  }

  /** Whatever is written from now on goes on another stream: this one takes nothing more. */
  #rest(stream: MessageStream): void {
    if (this.#stream !== stream) return;
    this.#stream = undefined;
    this.#sent.clear();
    for (const board of this.#pending.keys()) this.#lack(board);
    this.#pending.clear();
    this.#over();
    const { logger } = this.#components;
    unawaited(stream.close(), logger, 'a stream of updates did not close', { peer: this.#peer });
  }

  #lack(board: string): void {
    if (this.#components.network.isConnected(this.#peer)) {
      this.#components.mayLack(this.#peer, board);
    }
  }
}

function messageWith(
  components: UpdateRoadComponents,
  board: string,
  parts: readonly LanePart[],
): Uint8Array {
  return components.encode(board, encodeUpdate({ isWhole: false, parts }, components.self));
}
