/**
 * Queries that an agent was given past its inbox, as far as its history tells of them. They are kept in memory alone, as
 * queries in an inbox are: a write for each would stand on the road of the answer.
 */
import { HISTORY_MAX, PASSED_BYTES_MAX } from '../limits.ts';
import type { AgentMessage } from '../types.ts';

/** A query that was dealt with. */
export interface PassedQuery {
  /** Its place among the messages of its inbox. */
  readonly seq: number;
  readonly message: AgentMessage;
}

/** The last queries of one agent, the oldest first. */
export class PassedQueries {
  #kept: (PassedQuery & { readonly bytes: number })[] = [];
  #bytes = 0;

  /** Of these, the oldest are forgotten for others. */
  get all(): readonly PassedQuery[] {
    return this.#kept;
  }

  /** `bytes` are those of the message as JSON. */
  add(query: PassedQuery, bytes: number): void {
    this.#kept.push({ seq: query.seq, message: query.message, bytes });
    this.#bytes += bytes;
    while (this.#kept.length > HISTORY_MAX || this.#bytes > PASSED_BYTES_MAX) {
      const oldest = this.#kept.shift();
      if (oldest === undefined) return;
      this.#bytes -= oldest.bytes;
    }
  }

  forget(): void {
    this.#kept = [];
    this.#bytes = 0;
  }
}
