/**
 * One conversation on `/starling/audit/1`. Both sides do the same: say `seen` (what this node has seen
 * of the other), answer the other's `seen` with `standing`, and are done when both have said both.
 */
import type { Checkpoint } from '../../audit/index.ts';
import { StarlingError, messageOf } from '../../core/index.ts';
import type { Clock, Did } from '../../core/index.ts';
import { createMessageStream } from '../../network/index.ts';
import type { MessageStream, PeerStream } from '../../network/index.ts';
import {
  CHECKPOINT_MESSAGE_BYTES_MAX,
  decodeCheckpointMessage,
  encodeCheckpointMessage,
} from './checkpoint-messages.ts';
import type { CheckpointMessage } from './checkpoint-messages.ts';
import type { CheckpointReview } from './checkpoint-review.ts';

/** What a conversation is held with. */
export interface ConversationInit {
  readonly stream: PeerStream;
  /** The peer. */
  readonly did: Did;
  /** What this node has seen of the peer. */
  readonly shown: readonly Checkpoint[];
  /** Asks the peer for what it has seen of third nodes. */
  readonly wantsOthers: boolean;
  readonly review: CheckpointReview;
  readonly clock: Clock;
  readonly timeoutMs: number;
  /** Hears that both have said all, before the stream is closed. */
  readonly finished: () => void;
}

/**
 * Holds a conversation; resolves with what the peer has seen of this node, as far as this node signed it.
 * @throws STARLING_TIMEOUT, STARLING_PROTOCOL_VIOLATION; STARLING_PEER_UNREACHABLE when it ended early
 */
export function converse(init: ConversationInit): Promise<readonly Checkpoint[]> {
  const { stream, shown, wantsOthers, clock, timeoutMs } = init;
  return new Promise((resolve, reject) => {
    const channel = createMessageStream(stream, { maxBytes: CHECKPOINT_MESSAGE_BYTES_MAX });
    const abort = (error: unknown): void =>
      channel.abort(error instanceof Error ? error : new Error(messageOf(error)));
    const cancel = clock.schedule(timeoutMs, () =>
      abort(new StarlingError('STARLING_TIMEOUT', 'the exchange of checkpoints took too long')),
    );
    const conversation = new Conversation(init, channel);
    channel.onEnd((error) => {
      cancel();
      conversation.ended(error).then(resolve, reject);
    });
    channel.onMessage((bytes) => void conversation.hear(bytes).catch(abort));
    channel.send(encodeCheckpointMessage({ t: 'seen', of: shown, book: wantsOthers }));
  });
}

class Conversation {
  readonly #init: ConversationInit;
  readonly #channel: MessageStream;
  readonly #heard = new Set<CheckpointMessage['t']>();
  #seen: readonly Checkpoint[] | undefined;
  /** Messages are worked through one after the other; rejects once one of them failed. */
  #working: Promise<void> = Promise.resolve();

  constructor(init: ConversationInit, channel: MessageStream) {
    this.#init = init;
    this.#channel = channel;
  }

  hear(bytes: Uint8Array): Promise<void> {
    const message = decodeCheckpointMessage(bytes);
    if (message === undefined || this.#heard.has(message.t)) {
      const what = 'not a message about audit logs';
      return Promise.reject(new StarlingError('STARLING_PROTOCOL_VIOLATION', what));
    }
    this.#heard.add(message.t);
    this.#working = this.#working.then(() => this.#work(message));
    return this.#working;
  }

  async ended(error: Error | undefined): Promise<readonly Checkpoint[]> {
    await this.#working;
    if (this.#seen !== undefined && this.#heard.size === 2) return this.#seen;
    throw (
      error ?? new StarlingError('STARLING_PEER_UNREACHABLE', 'the peer ended before it said all')
    );
  }

  async #work(message: CheckpointMessage): Promise<void> {
    const { did, review, shown, finished } = this.#init;
    if (message.t === 'seen') this.#seen = await this.#answer(message);
    else {
      await review.confessed(message.differ, shown);
      await review.takeOfOthers(message.book, did);
    }
    if (this.#heard.size < 2) return;
    finished();
    await this.#channel.close();
  }

  async #answer(
    message: Extract<CheckpointMessage, { t: 'seen' }>,
  ): Promise<readonly Checkpoint[]> {
    const { did, review } = this.#init;
    const { own, differ } = await review.seenOfSelf(message.of, did);
    const book = message.book ? review.excerpt(did) : [];
    this.#channel.send(
      encodeCheckpointMessage({ t: 'standing', differ: differ.map(({ seq }) => seq), book }),
    );
    return own;
  }
}
