/**
 * Messages that an agent deals with now. Whoever answers asks by whose word it does what it does: that is counted as messages
 * come and go, so that no answer walks through all that are in hand with it.
 */
import type { AgentMessage } from '../types.ts';

/** What is in hand, for whoever only looks. */
export type Hand = Pick<InHand, 'changes' | 'marked' | 'messages' | 'senders' | 'size'>;

/** The messages that one agent deals with. */
export class InHand {
  readonly #messages = new Map<AgentMessage, string>();
  /** How many each sender has there. */
  readonly #counts = new Map<string, number>();
  readonly #marked = new Set<AgentMessage>();
  #changes = 0;

  /** Another number says that there are other senders, or other marked messages, than before. */
  get changes(): number {
    return this.#changes;
  }

  get size(): number {
    return this.#messages.size;
  }

  /** All, in the order in which they were begun. */
  messages(): Iterable<AgentMessage> {
    return this.#messages.keys();
  }

  /** Each of those who sent them once. */
  senders(): Iterable<string> {
    return this.#counts.keys();
  }

  /** Those that say of themselves what led to them, or what they may be made of. */
  marked(): Iterable<AgentMessage> {
    return this.#marked;
  }

  add(message: AgentMessage, sender: string): void {
    const count = this.#counts.get(sender) ?? 0;
    this.#counts.set(sender, count + 1);
    this.#messages.set(message, sender);
    const { hops, taint } = message.metadata;
    const isMarked = hops !== undefined || taint !== undefined;
    if (isMarked) this.#marked.add(message);
    if (isMarked || count === 0) this.#changes += 1;
  }

  delete(message: AgentMessage): void {
    const sender = this.#messages.get(message);
    if (sender === undefined) return;
    this.#messages.delete(message);
    const left = (this.#counts.get(sender) ?? 1) - 1;
    if (left === 0) this.#counts.delete(sender);
    else this.#counts.set(sender, left);
    if (this.#marked.delete(message) || left === 0) this.#changes += 1;
  }
}
