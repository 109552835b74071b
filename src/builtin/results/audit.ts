/** What the tools about the audit log return. */
import type { AuditEntry, AuditVerdict, Checkpoint } from '../../audit/types.ts';

/** Result of `audit_query`: newest first, and where to go on. */
export interface AuditQueryResult {
  readonly entries: readonly AuditEntry[];
  /** Our names for those of the dids in `entries` that are peers. */
  readonly names?: Readonly<Record<string, string>>;
  /** `before` of the next question; absent when all has been looked at. */
  readonly next?: number;
  /** When the oldest entry that was looked at was written, ms since the epoch; absent when all has been looked at. */
  readonly lookedBackTo?: number;
  /** `after` of a question about what came since; absent where there is no entry. */
  readonly newest?: number;
}

/** Result of `audit_tail`: oldest first, and the cursor to go on from. */
export interface AuditTailResult {
  readonly entries: readonly AuditEntry[];
  /** As in {@link AuditQueryResult}. */
  readonly names?: Readonly<Record<string, string>>;
  readonly cursor: number;
}

/** Result of `audit_verify`. */
export interface AuditVerifyResult extends AuditVerdict {
  /** Peers that were asked what they have seen of this log. */
  readonly witnesses: readonly AuditWitness[];
}

/** What one peer has seen of this node's log. */
export interface AuditWitness {
  /** Its alias. */
  readonly peer: string;
  readonly peerId: string;
  readonly answered: boolean;
  /** Checkpoints of ours that it has seen. */
  readonly seen: number;
  /** The last entry that they cover; 0 when it has seen none. */
  readonly upTo: number;
  /** Those that the log does not fulfil. */
  readonly differs: readonly Checkpoint[];
}

/** Result of `audit_seen`: latest first. */
export interface AuditSeenResult {
  readonly checkpoints: readonly Checkpoint[];
}
