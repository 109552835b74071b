/** What one agent has sent and received since the node started. */
import { CAPABILITIES_MAX } from '../limits.ts';
import { ANSWERS_KEPT } from './health.ts';
import type { AgentMetrics } from '../types.ts';

/** Counts for one agent. */
export class Metrics {
  sent = 0;
  received = 0;
  errors = 0;
  #answers = 0;
  #answersMs = 0;
  readonly #requests = new Map<string, number>();
  /** Of the last answers: whether each failed. */
  readonly #outcomes: boolean[] = [];

  /** A query was answered after so many milliseconds. */
  answered(ms: number): void {
    this.#answers += 1;
    this.#answersMs += ms;
    this.#came(false);
  }

  /** A query was not answered, or with an error, or with what does not fit. */
  failed(): void {
    this.errors += 1;
    this.#came(true);
  }

  /** Of its last answers: the share that failed. */
  get failedShare(): number {
    const failed = this.#outcomes.filter(Boolean).length;
    return failed === 0 ? 0 : failed / this.#outcomes.length;
  }

  /** Somebody asked for `capability`; more kinds than an agent can have are not told apart. */
  requested(capability: string): void {
    if (!this.#requests.has(capability) && this.#requests.size >= CAPABILITIES_MAX) return;
    this.#requests.set(capability, (this.#requests.get(capability) ?? 0) + 1);
  }

  #came(failed: boolean): void {
    this.#outcomes.push(failed);
    if (this.#outcomes.length > ANSWERS_KEPT) this.#outcomes.shift();
  }

  view(): AgentMetrics {
    return {
      sent: this.sent,
      received: this.received,
      errors: this.errors,
      ...(this.#answers === 0 ? {} : { avgResponseTime: this.#answersMs / this.#answers }),
      capabilityRequests: Object.fromEntries(this.#requests),
    };
  }
}
