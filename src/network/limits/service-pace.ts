/**
 * Reads streams of libp2p's own services (DHT, ping) no faster than a peer's allowance: those
 * services answer whatever comes, as fast as it comes. Over the allowance a stream is not read for a while;
 * nothing is lost, and no other stream waits.
 */
import type { Stream, StreamHandler } from '@libp2p/interface';
import { createBuckets } from '../../core/index.ts';
import type { BucketSize, Buckets, Clock } from '../../core/index.ts';
import { pauseReading, resumeReading } from '../pause-reading.ts';

/** Paces streams, all of a peer together. */
export interface StreamPace {
  /** A handler whose streams are paced. */
  paced(handler: StreamHandler): StreamHandler;
}

/** What a chunk costs besides its bytes: most of the work is not in them. */
const CHUNK_COST = 512;
/** A stream is left unread for no longer than this at once. */
const HOLD_MAX_MS = 10_000;

/** Errors of the services' own by which they end a stream: what came on it no good peer sends. */
const REFUSALS: ReadonlySet<string> = new Set([
  'InvalidMessageError',
  'InvalidParametersError',
  'InvalidRecordError',
  'MissingSelectorError',
  'RefusedRecordError',
]);

/** Hears of peers. */
export interface PaceListener {
  /** A stream of the peer is left unread for a while. */
  over(peer: string): void;
  /** A service has ended a stream because of what the peer sent. */
  refused(peer: string): void;
}

/** Makes the pace; `bytes` is what a peer may send, each chunk counted as half a KiB more. */
export function createStreamPace(
  clock: Clock,
  bytes: BucketSize,
  listener: PaceListener,
): StreamPace {
  const buckets = createBuckets(clock, bytes);
  return {
    paced: (handler) => (stream, connection) => {
      const peer = connection.remotePeer.toString();
      pace(stream, peer, { buckets, clock, over: () => listener.over(peer) });
      stream.addEventListener('close', ({ local, error }) => {
        if (local === true && error !== undefined && REFUSALS.has(error.name)) {
          listener.refused(peer);
        }
      });
      return handler(stream, connection);
    },
  };
}

interface Pacing {
  readonly buckets: Buckets;
  readonly clock: Clock;
  readonly over: () => void;
}

function pace(stream: Stream, peer: string, { buckets, clock, over }: Pacing): void {
  let cancel: (() => void) | undefined;
  stream.addEventListener('message', ({ data }) => {
    const waitMs = buckets.charge(peer, data.byteLength + CHUNK_COST);
    if (waitMs === 0 || cancel !== undefined) return;
    over();
    pauseReading(stream);
    cancel = clock.schedule(Math.min(HOLD_MAX_MS, waitMs), () => {
      cancel = undefined;
      resumeReading(stream);
    });
  });
  stream.addEventListener('close', () => cancel?.());
}
