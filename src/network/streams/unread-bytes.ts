/**
 * What waits to be read by peers in the outboxes of our streams: bounded for a peer over all its streams, and for all
 * peers together. Over a first bound each of a peer's streams takes little before it says that it is full; over a
 * second one the stream that is written to is ended. One of which nothing was read for long is ended, too.
 */
import { StarlingError } from '../../core/index.ts';
import type { Clock, PeerId } from '../../core/index.ts';
import { createStallWatch } from './stall-watch.ts';

/** One stream that is written. */
export interface Writing {
  readonly peer: PeerId;
  /** What waits in it, and what has left it so far. */
  readonly queuedBytes: number;
  readonly leftBytes: number;
  abort(error: Error): void;
}

/** Bounds of {@link createUnreadBytes}. */
export interface UnreadBytesInit {
  /** Over that a peer's streams are full at `fullBytes`. */
  readonly perPeerAtOnce: number;
  /** The same of all peers together; each has an equal share of that. */
  readonly nodeAtOnce: number;
  /** More than that does not wait for one peer. */
  readonly perPeerMax: number;
  readonly fullBytes: number;
  /** When a stream is full else. */
  readonly highWaterBytes: number;
  /** How long a peer may read nothing of what waits, ms. */
  readonly stalledMs: number;
}

/** The sums of all peers. */
export interface UnreadBytes {
  /** So many bytes more wait; false when that is too much for the peer: then nothing is counted. */
  queued(writing: Writing, sizeBytes: number): boolean;
  /** So many bytes less. */
  left(peer: PeerId, sizeBytes: number): void;
  /** The stream has ended. */
  ended(writing: Writing): void;
  /** From how many bytes on a stream of the peer says that it is full. */
  highWaterBytes(peer: PeerId): number;
}

/** What the sums work with. */
export interface UnreadBytesComponents {
  readonly clock: Clock;
  /** Hears that a peer asks for more than it reads. */
  readonly unread: (peer: PeerId) => void;
}

/** Makes the sums, all 0. */
export function createUnreadBytes(
  { clock, unread }: UnreadBytesComponents,
  init: UnreadBytesInit,
): UnreadBytes {
  const sums = new Map<PeerId, number>();
  let total = 0;
  const watch = createStallWatch<Writing>({
    clock,
    limitMs: init.stalledMs,
    mark: ({ leftBytes }) => leftBytes,
    isDone: ({ queuedBytes }) => queuedBytes === 0,
    stalled(writing) {
      unread(writing.peer);
      writing.abort(
        new StarlingError(
          'STARLING_TIMEOUT',
          `${writing.peer} has read nothing of ${writing.queuedBytes} bytes that wait for it for ${init.stalledMs / 1000} s`,
          { data: { peer: writing.peer } },
        ),
      );
    },
  });
  const change = (peer: PeerId, byBytes: number): void => {
    const sum = (sums.get(peer) ?? 0) + byBytes;
    total += byBytes;
    if (sum <= 0) sums.delete(peer);
    else sums.set(peer, sum);
  };
  return {
    queued(writing, sizeBytes) {
      watch.add(writing);
      if ((sums.get(writing.peer) ?? 0) + sizeBytes > init.perPeerMax) {
        unread(writing.peer);
        return false;
      }
      change(writing.peer, sizeBytes);
      return true;
    },
    left: (peer, sizeBytes) => change(peer, -sizeBytes),
    ended: (writing) => watch.remove(writing),
    highWaterBytes(peer) {
      const { perPeerAtOnce, nodeAtOnce } = init;
      const share = total <= nodeAtOnce ? perPeerAtOnce : nodeAtOnce / Math.max(1, sums.size);
      const isFull = (sums.get(peer) ?? 0) > Math.min(perPeerAtOnce, share);
      return isFull ? init.fullBytes : init.highWaterBytes;
    },
  };
}
