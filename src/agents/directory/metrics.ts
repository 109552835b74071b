/** What one agent has sent and received since the node started. */
import { CAPABILITIES_MAX } from '../limits.ts';
import type { AgentMetrics } from '../types.ts';

/** Counts for one agent. */
export class Metrics {
  sent = 0;
  received = 0;
  errors = 0;
  #answers = 0;
  #answersMs = 0;
  readonly #requests = new Map<string, number>();

  /** A query was answered after so many milliseconds. */
  answered(ms: number): void {
    this.#answers += 1;
    this.#answersMs += ms;
  }

  /** Somebody asked for `capability`; more kinds than an agent can have are not told apart. */
  requested(capability: string): void {
    if (!this.#requests.has(capability) && this.#requests.size >= CAPABILITIES_MAX) return;
    this.#requests.set(capability, (this.#requests.get(capability) ?? 0) + 1);
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
