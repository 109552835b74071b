/** One question on `/starling/knock/1`, from a host that belongs to no mesh yet. */
import { StarlingError, withDeadline } from '../../core/index.ts';
import type { Clock, PeerId } from '../../core/index.ts';
import { createMessageStream } from '../../network/index.ts';
import type { BareHost } from '../../network/index.ts';
import {
  KNOCK_BYTES_MAX,
  KNOCK_PROTOCOL,
  decodeKnockAnswer,
  encodeKnock,
} from './knock-messages.ts';
import type { KnockAnswer, KnockQuestion } from './knock-messages.ts';

/** How long dialling, asking and the answer may take together. */
const TIMEOUT_MS = 8000;

/** An answer, and whose. */
export interface KnockAnswered {
  readonly answer: KnockAnswer;
  /** Who has proven its key on the connection. */
  readonly peer: PeerId;
}

/**
 * Asks whoever is at `address`. The connection is encrypted and ends with the answer.
 * @throws STARLING_PEER_UNREACHABLE, STARLING_PROTOCOL_VIOLATION; rejects when nobody answers in time
 */
export function askKnock(
  { host, clock }: { readonly host: BareHost; readonly clock: Clock },
  address: string,
  question: KnockQuestion,
): Promise<KnockAnswered> {
  return withDeadline(clock, TIMEOUT_MS, async (signal) => {
    const connection = await host.dial(address, { signal });
    try {
      const stream = await connection.open(KNOCK_PROTOCOL, { signal });
      const channel = createMessageStream(stream, { maxBytes: KNOCK_BYTES_MAX });
      const bytes = await new Promise<Uint8Array>((resolve, reject) => {
        const none = new StarlingError('STARLING_PEER_UNREACHABLE', `no answer at ${address}`);
        signal.addEventListener('abort', () => reject(none), { once: true });
        channel.onEnd((error) => reject(error ?? none));
        channel.onMessage(resolve);
        channel.send(encodeKnock(question));
      });
      const answer = decodeKnockAnswer(bytes);
      if (answer !== undefined) return { answer, peer: stream.peer };
      throw new StarlingError(
        'STARLING_PROTOCOL_VIOLATION',
        `the node at ${address} answers what is no answer to a knock`,
      );
    } finally {
      connection.abort();
    }
  });
}
