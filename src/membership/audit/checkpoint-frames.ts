/**
 * What two nodes say of their audit logs as frames of the control stream, which costs them no stream: see
 * `checkpoint-messages.ts`. Who asks says what it has seen of the other; the other says the same, and each, where the
 * log is not as it was seen or a book is asked for, where it stands.
 *
 * ```
 *   a: seen, book?  ──►           ◄── seen, re, book? :b
 *   a  ◄── standing … :b          only what differs, and the book in parts; and the same the other way
 * ```
 */
import type { Checkpoint } from '../../audit/index.ts';
import { createBuckets, messageOf, settledWithin } from '../../core/index.ts';
import type { Buckets, Clock, Did, Logger, PeerId } from '../../core/index.ts';
import type { Network } from '../../network/index.ts';
import { decodeCheckpointMessage, encodeCheckpointMessage } from './checkpoint-messages.ts';
import type { CheckpointMessage } from './checkpoint-messages.ts';
import type { CheckpointReview } from './checkpoint-review.ts';

/** Of the frames. */
const KIND = 'audit';
/** Checkpoints of a book in one frame, which has room for 64 KiB. */
const BOOK_PART = 100;
/** Parts that a peer takes of the book that it has asked for. */
const PARTS_MAX = 8;
/** How long a peer may take to say what it has seen. */
const ANSWER_MS = 20_000;
/** Questions of one peer that are answered. */
const SERVED = { burst: 8, everyMs: 10_000 } as const;

/** What it works with. */
export interface CheckpointFramesComponents {
  readonly network: Pick<Network, 'onFrame' | 'report' | 'sendFrame'>;
  readonly review: Pick<CheckpointReview, 'confessed' | 'excerpt' | 'seenOfSelf' | 'takeOfOthers'>;
  /** Who `peer` is; undefined when that is not known. */
  readonly didOf: (peer: PeerId) => Did | undefined;
  /** What this node has seen of somebody. */
  readonly seenOf: (did: Did) => readonly Checkpoint[];
  /** Whether this node may ask once more what others have seen of third nodes. */
  readonly wantsOthers: () => boolean;
  /** Hears that `peer` has said what it has seen, and knows what this node has. */
  readonly finished: (peer: PeerId) => void;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** The exchange by frames. */
export interface CheckpointFrames {
  /** Answers from now on; returns what ends that. */
  listen(): () => void;
  /**
   * Exchanges with `peer`: gives what it has seen of this node and this node signed; undefined when it could not be
   * asked, or has not answered in time.
   */
  exchange(peer: PeerId, did: Did): Promise<readonly Checkpoint[] | undefined>;
}

/** The exchange by frames of the control stream; nobody has said anything yet. */
export function createCheckpointFrames(components: CheckpointFramesComponents): CheckpointFrames {
  return new Frames(components);
}

/** What this node has said to a peer last: what may come of that. */
interface Said {
  readonly shown: readonly Checkpoint[];
  partsLeft: number;
}

class Frames implements CheckpointFrames {
  readonly #components: CheckpointFramesComponents;
  readonly #served: Buckets;
  readonly #said = new Map<PeerId, Said>();
  readonly #waiting = new Map<PeerId, (own: readonly Checkpoint[]) => void>();
  /** What peers say of where they stand, worked through in order. */
  #working: Promise<void> = Promise.resolve();
  /** Exchanges under way: who asks meanwhile gets the same. */
  readonly #underWay = new Map<PeerId, ReturnType<CheckpointFrames['exchange']>>();

  constructor(components: CheckpointFramesComponents) {
    this.#components = components;
    this.#served = createBuckets(components.clock, SERVED);
  }

  listen(): () => void {
    const { logger, network } = this.#components;
    const stop = network.onFrame(KIND, (bytes, from) => {
      const message = decodeCheckpointMessage(bytes);
      if (message === undefined) {
        network.report(from, 'malformed');
        return;
      }
      this.#heard(message, from).catch((error: unknown) =>
        logger.debug({ peer: from, error: messageOf(error) }, 'checkpoints not exchanged'),
      );
    });
    return () => {
      stop();
      this.#said.clear();
    };
  }

  exchange(peer: PeerId, did: Did): ReturnType<CheckpointFrames['exchange']> {
    let exchange = this.#underWay.get(peer);
    if (exchange === undefined) {
      exchange = this.#exchange(peer, did).finally(() => this.#underWay.delete(peer));
      this.#underWay.set(peer, exchange);
    }
    return exchange;
  }

  async #exchange(peer: PeerId, did: Did): Promise<readonly Checkpoint[] | undefined> {
    const { clock } = this.#components;
    const answered = new Promise<readonly Checkpoint[]>((resolve) =>
      this.#waiting.set(peer, resolve),
    );
    try {
      if (!(await this.#say(peer, did, false))) return undefined;
      return (await settledWithin(ANSWER_MS, answered, clock)) ? await answered : undefined;
    } finally {
      this.#waiting.delete(peer);
    }
  }

  /** Says what this node has seen of `peer`; false when that can't be said by a frame. */
  #say(peer: PeerId, did: Did, isReply: boolean): Promise<boolean> {
    const { network, seenOf, wantsOthers } = this.#components;
    const shown = seenOf(did);
    const book = wantsOthers();
    this.#said.delete(peer);
    this.#said.set(peer, { shown, partsLeft: book ? PARTS_MAX : 1 });
    const re = isReply ? { re: true as const } : {};
    return network.sendFrame(
      peer,
      KIND,
      encodeCheckpointMessage({ t: 'seen', of: shown, book, ...re }),
    );
  }

  async #heard(message: CheckpointMessage, from: PeerId): Promise<void> {
    const { didOf, network } = this.#components;
    const did = didOf(from);
    if (did === undefined) return;
    if (message.t === 'standing') {
      await this.#stands(message, from, did);
      return;
    }
    const isAnswer = message.re === true && this.#waiting.has(from);
    if (!isAnswer && !this.#served.take(from)) {
      network.report(from, 'records');
      return;
    }
    if (message.re !== true) await this.#say(from, did, true);
    await this.#answer(message, from, did);
  }

  async #stands(
    { differ, book }: Extract<CheckpointMessage, { t: 'standing' }>,
    from: PeerId,
    did: Did,
  ): Promise<void> {
    const { network, review } = this.#components;
    const said = this.#said.get(from);
    if (said === undefined || said.partsLeft === 0) {
      network.report(from, 'records');
      return;
    }
    said.partsLeft -= 1;
    // One after the other: each may cost a hundred signatures.
    const work = async (): Promise<void> => {
      await review.confessed(differ, said.shown);
      await review.takeOfOthers(book, did);
    };
    this.#working = this.#working.then(work, work);
    await this.#working;
  }

  async #answer(
    message: Extract<CheckpointMessage, { t: 'seen' }>,
    from: PeerId,
    did: Did,
  ): Promise<void> {
    const { finished, network, review } = this.#components;
    const { own, differ } = await review.seenOfSelf(message.of, did);
    finished(from);
    this.#waiting.get(from)?.(own);
    const book = message.book ? review.excerpt(did) : [];
    const seqs = differ.map(({ seq }) => seq);
    for (let at = 0; at === 0 || at < book.length; at += BOOK_PART) {
      const part = book.slice(at, at + BOOK_PART);
      if (seqs.length === 0 && part.length === 0) return;
      if (at >= BOOK_PART * PARTS_MAX) return;
      const standing = { t: 'standing' as const, differ: at === 0 ? seqs : [], book: part };
      await network.sendFrame(from, KIND, encodeCheckpointMessage(standing));
    }
  }
}
