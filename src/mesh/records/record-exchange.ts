/** Records over one stream: both ends say which they have, and each sends what the other lacks. */
import { StarlingError } from '../../core/index.ts';
import type { Clock, PeerId } from '../../core/index.ts';
import { createMessageStream } from '../../network/index.ts';
import type { MessageStream, PeerStream } from '../../network/index.ts';
import {
  RECORDS_PER_MESSAGE_MAX,
  decodeRecordMessage,
  encodeRecordMessage,
} from './record-messages.ts';
import type { Records } from './records.ts';

const MESSAGE_BYTES_MAX = 8 * 1024 * 1024;
/** Records in one message: so many bytes and one record more are sent, and no more than four times that is taken. */
const BATCH_BYTES = 256 * 1024;
const RECORDS_BYTES_MAX = 4 * BATCH_BYTES;
/** How long one exchange may take, its stream's opening not counted. */
const EXCHANGE_TIMEOUT_MS = 30_000;

/** What an exchange works with. */
export interface RecordExchangeComponents {
  readonly records: Pick<Records, 'all'>;
  readonly clock: Clock;
  /** Takes what `peer` sends. @throws where the peer has sent too much of no use */
  take(this: void, texts: readonly string[], peer: PeerId): Promise<void>;
  /** Hears how many records were sent, whatever comes of the exchange then. */
  sent(this: void, count: number): void;
}

/**
 * Both sides do the same: say what they have, send what the other lacks, and close when they have sent it. Resolves once
 * the other has closed as well and what it has sent is taken.
 * @throws STARLING_TIMEOUT, STARLING_PROTOCOL_VIOLATION, STARLING_PEER_UNREACHABLE, and what `take` throws
 */
export function exchangeRecords(
  { records, clock, take, sent }: RecordExchangeComponents,
  stream: PeerStream,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const channel = createMessageStream(stream, { maxBytes: MESSAGE_BYTES_MAX });
    const cancelTimer = clock.schedule(EXCHANGE_TIMEOUT_MS, () =>
      channel.abort(new StarlingError('STARLING_TIMEOUT', 'the sync of records took too long')),
    );
    let taking: Promise<unknown> = Promise.resolve();
    let waiting = 0;
    let hasAsked = false;
    channel.onEnd((error) => {
      cancelTimer();
      if (error === undefined) taking.then(() => resolve(), reject);
      else reject(error);
    });
    channel.onMessage((bytes) => {
      const message = decodeRecordMessage(bytes);
      const isWrong = message?.t === 'have' ? hasAsked : bytes.length > RECORDS_BYTES_MAX;
      if (message === undefined || isWrong) {
        channel.abort(
          new StarlingError('STARLING_PROTOCOL_VIOLATION', 'not a message about records'),
        );
      } else if (message.t === 'have') {
        hasAsked = true;
        sendMissing(channel, records, new Set(message.hashes))
          .then(sent)
          .catch((error: unknown) =>
            channel.abort(error instanceof Error ? error : new Error(String(error))),
          );
      } else {
        // What comes faster than it is taken stays with who sends it, not in our memory.
        waiting += 1;
        stream.pause();
        taking = taking
          .then(() => take(message.jws, stream.peer))
          .finally(() => {
            waiting -= 1;
            if (waiting === 0) stream.resume();
          });
        taking.catch((error: unknown) =>
          channel.abort(error instanceof Error ? error : new Error(String(error))),
        );
      }
    });
    channel.send(encodeRecordMessage({ t: 'have', hashes: [...records.all().keys()] }));
  });
}

/** Gives how many records were sent. */
async function sendMissing(
  channel: MessageStream,
  records: Pick<Records, 'all'>,
  theirs: ReadonlySet<string>,
): Promise<number> {
  let sent = 0;
  let batch: string[] = [];
  let sizeBytes = 0;
  const flush = async (): Promise<void> => {
    if (batch.length === 0) return;
    sent += batch.length;
    if (!channel.send(encodeRecordMessage({ t: 'records', jws: batch }))) await channel.drained();
    batch = [];
    sizeBytes = 0;
  };
  for (const [hash, jws] of records.all()) {
    if (theirs.has(hash)) continue;
    batch.push(jws);
    sizeBytes += jws.length;
    if (sizeBytes > BATCH_BYTES || batch.length >= RECORDS_PER_MESSAGE_MAX) await flush();
  }
  await flush();
  await channel.close();
  return sent;
}
