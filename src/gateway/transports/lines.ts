/** A session over anything that carries lines: each message is one line, in both directions. */
import { StarlingError, createLineDecoder } from '../../core/index.ts';
import type { LineDecoder } from '../../core/index.ts';
import { errorBytes, errorOf, parseFrame, toLine } from '../frame.ts';
import type { Reply, Session } from '../session.ts';
import type { FrameId } from '../types.ts';

/** A decoder that feeds `session` with the lines it finds, and answers those that are no messages. */
export function createSessionDecoder(
  session: Session,
  init: { readonly messageBytes: number; send(message: Buffer): void },
): LineDecoder {
  const reply: Reply = {
    interim: (message) => init.send(message),
    final: (message) => init.send(toLine(message)),
    dropped: () => undefined,
  };
  return createLineDecoder(init.messageBytes, {
    line(bytes) {
      try {
        session.receive(parseFrame(bytes), reply);
      } catch (error) {
        const { id } = error instanceof StarlingError ? error.data : {};
        init.send(errorBytes(isId(id) ? id : null, errorOf(error)));
      }
    },
    oversize(sizeBytes) {
      const error = new StarlingError(
        'STARLING_LIMIT_EXCEEDED',
        `a message of ${sizeBytes} bytes is over the limit of ${init.messageBytes} (limits.messageBytes)`,
        { data: { limit: 'limits.messageBytes' } },
      );
      init.send(errorBytes(null, errorOf(error)));
    },
  });
}

function isId(value: unknown): value is FrameId {
  return typeof value === 'string' || typeof value === 'number';
}
