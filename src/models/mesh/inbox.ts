/** Frames of one stream that wait to be read; the peer is held back while too much waits. */
import type { MessageStream, PeerStream } from '../../network/index.ts';

/** Bytes that may wait before nothing more is read of the stream. */
const WAITING_BYTES_MAX = 256 * 1024;

/** Frames in the order in which they came. */
export interface Inbox {
  /** Aborted when whoever asked does not want the answer any more. */
  readonly signal: AbortSignal;
  /** The next frame; undefined when the stream has ended well. Rejects with why it has not. */
  next(): Promise<Uint8Array | undefined>;
  /** Ends the stream, unless the stream is over; what waits is forgotten. */
  stop(error: Error): void;
}

/** Reads `stream` from now on; ends with `signal`. */
export function createInbox(
  stream: PeerStream,
  messages: MessageStream,
  signal: AbortSignal,
): Inbox {
  let frames: Uint8Array[] = [];
  let sizeBytes = 0;
  let end: { readonly error?: Error | undefined } | undefined;
  let wake: (() => void) | undefined;
  const woken = (): void => {
    wake?.();
    wake = undefined;
  };
  const finish = (error?: Error): void => {
    end ??= { error };
    signal.removeEventListener('abort', cancel);
    woken();
  };
  const stop = (error: Error): void => {
    const isOver = end !== undefined;
    frames = [];
    finish(error);
    if (!isOver) stream.abort(error);
  };
  const cancel = (): void => {
    const reason: unknown = signal.reason;
    stop(reason instanceof Error ? reason : new Error('cancelled'));
  };
  messages.onMessage((message) => {
    if (end !== undefined) return;
    frames.push(message);
    sizeBytes += message.length;
    if (sizeBytes > WAITING_BYTES_MAX) stream.pause();
    woken();
  });
  messages.onEnd(finish);
  if (signal.aborted) cancel();
  else signal.addEventListener('abort', cancel, { once: true });
  return {
    signal,
    stop,
    async next() {
      for (;;) {
        const frame = frames.shift();
        if (frame !== undefined) {
          sizeBytes -= frame.length;
          if (sizeBytes <= WAITING_BYTES_MAX / 2) stream.resume();
          return frame;
        }
        if (end?.error !== undefined) throw end.error;
        if (end !== undefined) return undefined;
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    },
  };
}
