/** libp2p's ping (`/ipfs/ping/1.0.0`): bytes that the other end sends back. */
import { randomBytes } from 'node:crypto';
import { StarlingError, unawaited } from '../../core/index.ts';
import type { Logger } from '../../core/index.ts';
import { abortReason, raceAbort } from '../abort.ts';
import { PING_BYTES } from '../constants.ts';
import type { PeerStream } from '../types.ts';

/**
 * The round-trip time over `stream` in milliseconds, which is closed then. Measured by the machine's
 * own time, finer than a clock's milliseconds; nothing waits for that time.
 * @throws STARLING_PEER_UNREACHABLE, STARLING_PROTOCOL_VIOLATION, or the reason of `signal`
 */
export async function ping(
  stream: PeerStream,
  { logger, signal }: { readonly logger: Logger; readonly signal: AbortSignal },
): Promise<number> {
  try {
    return await raceAbort(roundTrip(stream, logger), signal);
  } catch (error) {
    stream.abort(error instanceof Error ? error : abortReason(signal));
    throw error;
  }
}

async function roundTrip(stream: PeerStream, logger: Logger): Promise<number> {
  const sent = randomBytes(PING_BYTES);
  const startedAt = performance.now();
  const received = await echoOf(stream, sent);
  const elapsedMs = performance.now() - startedAt;
  unawaited(stream.close(), logger, 'the stream of a ping did not close', { peer: stream.peer });
  if (received.equals(sent)) return elapsedMs;
  throw new StarlingError('STARLING_PROTOCOL_VIOLATION', `${stream.peer} answered a ping wrongly`);
}

function echoOf(stream: PeerStream, sent: Uint8Array): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    let answer = Buffer.alloc(0);
    stream.onEnd((error) =>
      reject(
        error ??
          new StarlingError('STARLING_PEER_UNREACHABLE', `${stream.peer} went away`, {
            data: { peer: stream.peer },
          }),
      ),
    );
    stream.onData((chunk) => {
      answer = Buffer.concat([answer, chunk]);
      if (answer.length >= PING_BYTES) resolve(answer);
    });
    stream.write(sent);
  });
}
