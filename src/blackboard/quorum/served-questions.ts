/**
 * Questions of peers to this node about strong boards: many of one peer are answered at once, and what one peer may
 * ask in a time is bounded, so that whoever asks on and on waits for itself. Questions that are refused cost most of it.
 */
import { StarlingError, createBuckets, messageOf, unawaited } from '../../core/index.ts';
import type { Buckets, Clock, Logger, PeerId, Scope } from '../../core/index.ts';
import { createMessageStream } from '../../network/index.ts';
import type { MessageStream, Network, PeerStream } from '../../network/index.ts';
import { MESSAGE_BYTES_MAX, decodeAsk, encodeReply } from './format.ts';
import type { AskMessage, Reply } from './format.ts';
import { costOf } from './question-costs.ts';
import type { Spend } from './question-costs.ts';

/** What answering works with. */
export interface ServedQuestionsComponents {
  readonly network: Pick<Network, 'report'>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly scope: Scope;
  /**
   * Whether `peer` keeps the board as well, as far as records say: of what replicas ask each other not the number is bounded, but
   * what it costs.
   */
  isReplica(peer: PeerId, board: string): boolean;
  /**
   * Answers a question of `peer`, which pays by `spend` for what that costs; undefined: no answer. Rejects when there can be none.
   */
  answer(peer: PeerId, message: AskMessage, spend: Spend): Promise<Reply | undefined>;
}

/** Questions of one stream that are answered at once; more wait. */
const ANSWERED_AT_ONCE = 64;
/**
 * Whole requests of one stream that are done at once, of a peer that is no replica. Higher: a node that is no replica does
 * more; lower: more of a busy node is left to others.
 */
const REQUESTS_AT_ONCE = 8;
/** Streams on which one peer asks. */
const STREAMS_OF_ONE_MAX = 4;
/**
 * Whole requests of one peer, which any member with the right may have done. Higher: a node that is no replica does
 * more; lower: less of the disk is one writer's. Questions of replicas to replicas are not counted.
 */
const REQUESTS = { burst: 1000, everyMs: 2 } as const;
/** Questions of one peer that nobody with a right asks. */
const REFUSED = { burst: 50, everyMs: 20 } as const;
/** Bytes that are read of one peer that is no replica: long messages cost their reading before it is known what they want. */
const BYTES = { burst: 8 * 1024 * 1024, everyMs: 1000 / (8 * 1024 * 1024) } as const;

/**
 * What questions of one peer may cost in a second, whoever it is, in questions that are answered from memory; a reading of the disk costs
 * eight of them, a change two. Higher: busier replicas are not held up; lower: a hostile one leaves more of the node to others.
 */
const COST_A_SECOND_MAX = 64_000;
/** What they may cost at once, after a pause. */
const COST_AT_ONCE_MAX = 131_072;
const COSTS = { burst: COST_AT_ONCE_MAX, everyMs: 1000 / COST_A_SECOND_MAX } as const;
/** How often a peer is told of that asks for more. */
const TOLD = { burst: 10, everyMs: 100 } as const;

/** Why a stream is not read for now. */
type Reason = 'busy' | 'too much';

/** The streams on which peers ask. */
export class ServedQuestions {
  readonly #components: ServedQuestionsComponents;
  readonly #served = new Set<PeerStream>();
  readonly #requests: Buckets;
  readonly #refused: Buckets;
  readonly #bytes: Buckets;
  readonly #costs: Buckets;
  readonly #told: Buckets;

  constructor(components: ServedQuestionsComponents) {
    this.#components = components;
    this.#requests = createBuckets(components.clock, REQUESTS);
    this.#refused = createBuckets(components.clock, REFUSED);
    this.#bytes = createBuckets(components.clock, BYTES);
    this.#costs = createBuckets(components.clock, COSTS);
    this.#told = createBuckets(components.clock, TOLD);
  }

  /** Answers on a stream until its end. */
  serve(peerStream: PeerStream): void {
    const { network } = this.#components;
    const { peer } = peerStream;
    const open = [...this.#served].filter((one) => one.peer === peer).length;
    if (open >= STREAMS_OF_ONE_MAX) {
      network.report(peer, 'streams');
      peerStream.abort(
        new StarlingError('STARLING_LIMIT_EXCEEDED', 'too many streams of questions'),
      );
      return;
    }
    const stream = createMessageStream(peerStream, { maxBytes: MESSAGE_BYTES_MAX });
    // What a chunk holds beyond what is answered at once; the stream is not read meanwhile.
    const waiting: AskMessage[] = [];
    const gate = this.#gateOf(peerStream, () => next());
    let running = 0;
    const next = (): void => {
      for (let [message] = waiting; message !== undefined; [message] = waiting) {
        const isCounted = this.#isCounted(peer, message);
        const most = isCounted ? REQUESTS_AT_ONCE : ANSWERED_AT_ONCE;
        if (gate.isWaiting || running >= most) break;
        waiting.shift();
        if (isCounted) gate.wait(this.#requests.charge(peer, 1));
        this.#spend(peer, gate, costOf(message.ask));
        running += 1;
        const served = this.#serveOne(stream, message, gate).finally(() => {
          running -= 1;
          next();
        });
        unawaited(served, this.#components.logger, 'a question was not answered', { peer });
      }
      if (waiting.length > 0) gate.hold('busy');
      else gate.release('busy');
    };
    this.#served.add(peerStream);
    stream.onEnd(() => {
      this.#served.delete(peerStream);
      waiting.length = 0;
      gate.end();
    });
    stream.onMessage((bytes) => {
      const message = decodeAsk(bytes);
      if (message === undefined) {
        network.report(peer, 'malformed');
        stream.abort(
          new StarlingError('STARLING_PROTOCOL_VIOLATION', `${peer} sent what is no question`),
        );
        return;
      }
      if (!this.#components.isReplica(peer, message.board)) {
        gate.wait(this.#bytes.charge(peer, bytes.length));
      }
      waiting.push(message);
      next();
    });
  }

  /** Never rejects. */
  async #serveOne(stream: MessageStream, message: AskMessage, gate: Gate): Promise<void> {
    const { peer } = stream;
    try {
      const reply = await this.#answered(peer, message, gate);
      if (reply !== undefined) stream.send(encodeReply({ i: message.i, reply }));
    } catch (error) {
      // No answer: whoever asks hears nothing, and counts on the others.
      this.#components.logger.warn(
        { peer, error: messageOf(error) },
        'question about a strong key unanswered',
      );
    }
  }

  /** Ends all streams. */
  stop(error: Error): void {
    for (const stream of this.#served) stream.abort(error);
    this.#served.clear();
  }

  #isCounted(peer: PeerId, { ask, board }: AskMessage): boolean {
    return !('to' in ask) && !this.#components.isReplica(peer, board);
  }

  async #answered(peer: PeerId, message: AskMessage, gate: Gate): Promise<Reply | undefined> {
    const { network } = this.#components;
    const reply = await this.#components.answer(peer, message, (cost) =>
      this.#spend(peer, gate, cost),
    );
    if (reply === undefined || isRefusal(reply)) {
      const waitMs = this.#refused.charge(peer, 1);
      if (waitMs > 0) network.report(peer, 'boards');
      gate.wait(waitMs);
    } else if ('to' in message.ask && !this.#components.isReplica(peer, message.board)) {
      // Whoever asks by another set may have been a replica, or become one; that many do not.
      gate.wait(this.#requests.charge(peer, 1));
    }
    return reply;
  }

  /** A peer pays for what it asked; false when that was more than it has, which is told of. */
  #spend(peer: PeerId, gate: Gate, cost: number): boolean {
    const waitMs = this.#costs.charge(peer, cost);
    if (waitMs <= 0) return true;
    gate.wait(waitMs);
    if (this.#told.take(peer)) this.#components.network.report(peer, 'boards');
    return false;
  }

  #gateOf(stream: PeerStream, onOpen: () => void): Gate {
    const { scope } = this.#components;
    const { peer } = stream;
    const buckets = [this.#requests, this.#refused, this.#bytes, this.#costs];
    const moreMs = (): number => Math.max(...buckets.map((bucket) => bucket.waitMs(peer)));
    return new Gate(stream, scope, { moreMs, onOpen });
  }
}

interface GateInit {
  /** How long the peer has to wait now, ms. */
  readonly moreMs: () => number;
  /** The peer has waited long enough. */
  readonly onOpen: () => void;
}

/** Whether a stream is read: not while there is a reason against that. */
class Gate {
  readonly #stream: PeerStream;
  readonly #scope: Scope;
  readonly #init: GateInit;
  readonly #reasons = new Set<Reason>();
  #cancel: (() => void) | undefined;

  constructor(stream: PeerStream, scope: Scope, init: GateInit) {
    this.#stream = stream;
    this.#scope = scope;
    this.#init = init;
  }

  /** Whether the peer has to wait for what it has asked already. */
  get isWaiting(): boolean {
    return this.#reasons.has('too much');
  }

  hold(reason: Reason): void {
    if (this.#reasons.size === 0) this.#stream.pause();
    this.#reasons.add(reason);
  }

  release(reason: Reason): void {
    if (this.#reasons.delete(reason) && this.#reasons.size === 0) this.#stream.resume();
  }

  /** Nothing is read for so long, and for what is too much by then. */
  wait(waitMs: number): void {
    if (waitMs <= 0) return;
    this.hold('too much');
    // One timer a stream, however much of a chunk is beyond the allowance.
    this.#cancel ??= this.#scope.after(waitMs, () => {
      this.#cancel = undefined;
      const moreMs = this.#init.moreMs();
      if (moreMs > 0) {
        this.wait(moreMs);
        return;
      }
      this.release('too much');
      this.#init.onOpen();
    });
  }

  end(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }
}

function isRefusal(reply: Reply): boolean {
  if (reply.t !== 'failed') return false;
  return reply.code === 'STARLING_BOARD_REFUSED' || reply.code === 'STARLING_BOARD_INVALID';
}
