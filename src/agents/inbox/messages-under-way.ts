/**
 * Messages that an agent deals with now. Whoever answers asks by whose word it does what it does: that is counted as messages
 * come and go, so that no answer walks through all that are under way with it.
 */
import { createChurnMap } from '../../core/index.ts';
import type { AgentMessage } from '../types.ts';

/** What is under way, for whoever only looks. */
export type UnderWay = Pick<
  MessagesUnderWay,
  'changes' | 'marked' | 'messages' | 'senders' | 'size'
>;

interface Held {
  readonly message: AgentMessage;
  readonly sender: string;
  /** It says of itself what led to it, or what it may be made of. */
  readonly isMarked: boolean;
}

/** The messages that one agent deals with. */
export class MessagesUnderWay {
  readonly #held = createChurnMap<number, Held>();
  #begun = 0;
  /** How many each sender has there. */
  readonly #counts = new Map<string, number>();
  #marked = 0;
  #changes = 0;

  /** Another number says that there are other senders, or other marked messages, than before. */
  get changes(): number {
    return this.#changes;
  }

  get size(): number {
    return this.#held.size;
  }

  /** All, in the order in which they were begun. */
  *messages(): Iterable<AgentMessage> {
    for (const { message } of this.#held.values()) yield message;
  }

  /** Each of those who sent them once. */
  senders(): Iterable<string> {
    return this.#counts.keys();
  }

  /** Those that say of themselves what led to them, or what they may be made of. */
  *marked(): Iterable<AgentMessage> {
    if (this.#marked === 0) return;
    for (const { isMarked, message } of this.#held.values()) if (isMarked) yield message;
  }

  /** Gives the number by which {@link MessagesUnderWay.delete} knows it. */
  add(message: AgentMessage, sender: string): number {
    const count = this.#counts.get(sender) ?? 0;
    this.#counts.set(sender, count + 1);
    const { hops, taint } = message.metadata;
    const isMarked = hops !== undefined || taint !== undefined;
    if (isMarked) this.#marked += 1;
    if (isMarked || count === 0) this.#changes += 1;
    this.#begun += 1;
    this.#held.set(this.#begun, { message, sender, isMarked });
    return this.#begun;
  }

  delete(number: number): void {
    const held = this.#held.get(number);
    if (held === undefined) return;
    this.#held.delete(number);
    const { isMarked, sender } = held;
    const left = (this.#counts.get(sender) ?? 1) - 1;
    if (left === 0) this.#counts.delete(sender);
    else this.#counts.set(sender, left);
    if (isMarked) this.#marked -= 1;
    if (isMarked || left === 0) this.#changes += 1;
  }
}
