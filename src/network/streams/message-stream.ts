/** Messages over a {@link PeerStream}; the framing itself is in `framing.ts`. */
import { StarlingError } from '../../core/index.ts';
import { createFrameDecoder, encodeLength } from './framing.ts';
import type { MessageStream, PeerStream } from '../types.ts';

/** Below this a message is copied next to its length, so that both make one chunk. */
const COPY_MAX_BYTES = 4096;

/**
 * Frames `stream`. A frame that breaks the rules aborts the stream with its reason. The messages
 * given to the reader are the reader's to keep. `send` throws STARLING_LIMIT_EXCEEDED for a message
 * over `maxBytes`.
 */
export function createMessageStream(
  stream: PeerStream,
  init: { readonly maxBytes: number },
): MessageStream {
  let reader: ((message: Uint8Array) => void) | undefined;
  const decoder = createFrameDecoder(init.maxBytes, (message) => reader?.(message));

  return {
    peer: stream.peer,
    send(message) {
      if (message.length > init.maxBytes) {
        throw new StarlingError(
          'STARLING_LIMIT_EXCEEDED',
          `a message of ${message.length} bytes is over the limit of ${init.maxBytes}`,
        );
      }
      const length = encodeLength(message.length);
      if (message.length > COPY_MAX_BYTES) {
        stream.write(length);
        return stream.write(message);
      }
      const frame = Buffer.allocUnsafe(length.length + message.length);
      frame.set(length, 0);
      frame.set(message, length.length);
      return stream.write(frame);
    },
    drained: () => stream.drained(),
    onMessage(listener) {
      reader = listener;
      stream.onData((chunk) => {
        decoder.push(chunk);
        stream.holds(decoder.keptBytes);
      });
    },
    onEnd(listener) {
      stream.onEnd((error) => {
        if (error !== undefined || decoder.atBoundary) listener(error);
        else
          listener(
            new StarlingError('STARLING_PROTOCOL_VIOLATION', 'the stream ended within a message'),
          );
      });
    },
    close: () => stream.close(),
    abort: (error) => stream.abort(error),
  };
}
