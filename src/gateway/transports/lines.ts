/** A session over anything that carries lines: each message is one line, in both directions. */
import { StarlingError, createLineDecoder } from '../../core/index.ts';
import type { LineDecoder } from '../../core/index.ts';
import { errorBytes, errorOf, parseFrame, toLine } from '../frame.ts';
import type { Reply, Session } from '../session.ts';
import type { FrameId } from '../types.ts';

/** Where lines go out. */
export interface LineOutput {
  /** Queues one message; false when too much waits already, and then it is not sent. */
  line(message: Buffer): boolean;
  /** Queues one that must not be lost. */
  urgent(message: Buffer): void;
}

/** A decoder that feeds `session` with the lines it finds, and answers those that are no messages. */
export function createSessionDecoder(
  session: Pick<Session, 'receive'>,
  output: LineOutput,
  init: { readonly messageBytes: number },
): LineDecoder {
  return createLineDecoder(init.messageBytes, {
    line(bytes) {
      try {
        const frame = parseFrame(bytes);
        session.receive(frame, createLineReply(frame.kind === 'request' ? frame.id : null, output));
      } catch (error) {
        const { id } = error instanceof StarlingError ? error.data : {};
        output.urgent(errorBytes(isId(id) ? id : null, errorOf(error)));
      }
    },
    oversize(sizeBytes) {
      const error = new StarlingError(
        'STARLING_LIMIT_EXCEEDED',
        `a message of ${sizeBytes} bytes is over the limit of ${init.messageBytes} (limits.messageBytes)`,
        { data: { limit: 'limits.messageBytes' } },
      );
      output.urgent(errorBytes(null, errorOf(error)));
    },
  });
}

function createLineReply(id: FrameId | null, output: LineOutput): Reply {
  return {
    // Progress is told again: what does not fit now need not be told at all.
    interim: (message) => void output.line(message),
    final(message) {
      if (output.line(toLine(message))) return;
      const error = new StarlingError(
        'STARLING_LIMIT_EXCEEDED',
        `the answer of ${message.length} bytes does not fit in what waits to be read already`,
        { hint: 'read answers as they come, or ask for fewer at once' },
      );
      output.urgent(errorBytes(id, errorOf(error)));
    },
    dropped: () => undefined,
  };
}

function isId(value: unknown): value is FrameId {
  return typeof value === 'string' || typeof value === 'number';
}
