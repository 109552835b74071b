/**
 * Writes an answer to a peer in few frames: the first bytes at once, then what comes within 20 ms together, or once it is
 * 1 KiB. A frame costs both ends more than the copying of its bytes.
 */
import type { Clock } from '../../core/index.ts';
import type { PeerStream } from '../../network/index.ts';
import { FRAME, dataFrame } from './frames.ts';

/** Longest time that bytes wait for more. More = fewer frames; people see text later. */
const WAIT_MS = 20;
/** So many bytes go at once. */
const ENOUGH_BYTES = 1024;
/** Bytes of one frame: one answer must not fill the stream's queue. */
const FRAME_DATA_MAX = 64 * 1024;

/** Writes the data of one answer. */
export interface CoalescedWriter {
  /** Takes bytes; where the peer reads too slowly, resolves once it has read. */
  push(chunk: Uint8Array): Promise<void>;
  /** Writes what waits. */
  flush(): Promise<void>;
  /** Forgets what waits; nothing is written any more. */
  stop(): void;
}

/** Makes a writer; `send` writes one frame, and gives false where the stream's queue is full. */
export function createCoalescedWriter(
  clock: Clock,
  stream: Pick<PeerStream, 'drained'>,
  send: (frame: Buffer) => boolean,
): CoalescedWriter {
  let waiting: Uint8Array[] = [];
  let sizeBytes = 0;
  let sentAt = -Infinity;
  let cancel: (() => void) | undefined;
  const write = (): boolean => {
    cancel?.();
    cancel = undefined;
    if (sizeBytes === 0) return true;
    const bytes = Buffer.concat(waiting, sizeBytes);
    waiting = [];
    sizeBytes = 0;
    sentAt = clock.now();
    return send(dataFrame(FRAME.data, bytes));
  };
  const flush = async (): Promise<void> => {
    if (!write()) await stream.drained();
  };
  return {
    async push(chunk) {
      for (let at = 0; at < chunk.length; at += FRAME_DATA_MAX) {
        const part = chunk.subarray(at, at + FRAME_DATA_MAX);
        waiting.push(part);
        sizeBytes += part.length;
        const idleMs = clock.now() - sentAt;
        if (sizeBytes >= ENOUGH_BYTES || idleMs >= WAIT_MS) await flush();
        else
          cancel ??= clock.schedule(WAIT_MS - idleMs, () => {
            write();
          });
      }
    },
    flush,
    stop() {
      cancel?.();
      cancel = undefined;
      waiting = [];
      sizeBytes = 0;
    },
  };
}
