/**
 * The audit log's format and face. A log is a chain of JSON lines: each names the SHA-256 of the line
 * before it, and checkpoints sign where the chain stands, so that history can't be changed unseen.
 */
import type { EventEmitter } from 'node:events';
import type {
  AUDIT_KINDS,
  AUDIT_OUTCOMES,
  Did,
  ENTRY_KINDS,
  ENTRY_OUTCOMES,
  Startable,
} from '../core/index.ts';

export type AuditKind = (typeof AUDIT_KINDS)[number];
export type AuditOutcome = (typeof AUDIT_OUTCOMES)[number];

/** What was done, or asked for. */
export interface AuditedAction {
  /** `tool/call`, `mesh/join`, … */
  readonly ability: string;
  /** `tool:files/read_file`, … */
  readonly resource: string;
}

/** What a room tells the log. Texts are cut to their bounds. */
export interface AuditInit {
  readonly kind: AuditKind;
  /** did:key of who acted, `operator`, or `client:<name>`. */
  readonly who: string;
  /** did:key of whom it acted for. */
  readonly onBehalfOf?: string;
  readonly what: AuditedAction;
  /** {@link hashArguments} of the arguments; never the arguments themselves. */
  readonly args?: string;
  /** Id of the grant that allowed it. */
  readonly grant?: string;
  readonly outcome: AuditOutcome;
  /** Why, in our words; at most 1024 characters. */
  readonly reason?: string;
  /** Why, in the caller's words; at most 2048 characters. */
  readonly reasoning?: string;
  readonly durationMs?: number;
  /** What it has cost of which budgets, by their names: `{"research": "$0.002"}`. */
  readonly spent?: Readonly<Record<string, string>>;
  /** `seq` of the decision that this is about. */
  readonly of?: number;
}

/** One line of the log. */
export interface AuditEntry extends Omit<AuditInit, 'kind' | 'outcome'> {
  /** 1 for the first entry, and one more for each that follows. */
  readonly seq: number;
  /** ms since the epoch */
  readonly at: number;
  readonly kind: (typeof ENTRY_KINDS)[number];
  readonly outcome: (typeof ENTRY_OUTCOMES)[number];
  readonly checkpoint?: Checkpoint;
  /** Hex SHA-256 of the line before, without its line feed; 64 zeros in the first. */
  readonly prev: string;
}

/** A node's word on its log: line `seq` has the SHA-256 `hash`, and so has all before it. */
export interface Checkpoint {
  readonly seq: number;
  /** Hex SHA-256 of line `seq`. */
  readonly hash: string;
  /** ms since the epoch */
  readonly at: number;
  readonly did: Did;
  /** base64url Ed25519 signature; see `checkpoint.ts`. */
  readonly sig: string;
}

/** What a log that was read does not fulfil, and where. */
export interface AuditFinding {
  readonly rule:
    | 'malformed'
    | 'edited'
    | 'missing'
    | 'reordered'
    | 'truncated'
    | 'rewritten'
    | 'signature'
    | 'unsigned';
  /** File name of the segment; empty when it is about the log as a whole. */
  readonly segment: string;
  /** Line in the segment, from 1; 0 when it is about the segment as a whole. */
  readonly line: number;
  /** What is wrong, in a sentence. */
  readonly text: string;
  /** The checkpoint that peers have seen and the log does not fulfil; of `compareWith` only. */
  readonly checkpoint?: Checkpoint;
}

/** What came of verifying a log. */
export interface AuditVerdict {
  readonly ok: boolean;
  readonly entries: number;
  readonly segments: number;
  /** Entries at the end that no checkpoint covers yet. */
  readonly unsigned: number;
  /** The last checkpoint that holds. */
  readonly checkpoint?: Checkpoint;
  /** Everything up to this entry was removed when its time was over. */
  readonly removedThrough: number;
  /** Checkpoints seen elsewhere that are older than what is kept, and so can't be compared. */
  readonly tooOld: number;
  /** At most 100, the first ones. */
  readonly findings: readonly AuditFinding[];
}

/** Which entries are wanted; all that is given must fit. */
export interface AuditFilter {
  readonly kind?: AuditEntry['kind'];
  /** Part of `who` or `onBehalfOf`; of several, any one. */
  readonly who?: string | readonly string[];
  /** A resource that is not wanted. */
  readonly except?: string;
  /** `who` or `onBehalfOf` to the letter. */
  readonly by?: string;
  /** Part of `<ability> <resource>`. */
  readonly what?: string;
  readonly outcome?: AuditEntry['outcome'];
  /** ms since the epoch: at it or later. */
  readonly since?: number;
  /** ms since the epoch: before it. */
  readonly until?: number;
}

/** A question about the past. */
export interface AuditQuery extends AuditFilter {
  readonly limit: number;
  /** Only entries before this one: `next` of the answer before. */
  readonly before?: number;
  /** Only entries after this one: `newest` of an answer before, where only what came since is wanted. */
  readonly after?: number;
  readonly signal?: AbortSignal;
}

/** Entries, newest first. */
export interface AuditPage {
  readonly entries: readonly AuditEntry[];
  /** Where to go on; absent when all has been looked at. */
  readonly next?: number;
  /** When the oldest entry that was looked at was written, ms since the epoch; absent when all has been looked at. */
  readonly lookedBackTo?: number;
  /** The newest entry that was looked at; absent where there is none. */
  readonly newest?: number;
}

/** A question about what comes. */
export interface AuditTailRequest extends AuditFilter {
  /** Entries after this one; absent: from now on. */
  readonly after?: number;
  readonly limit: number;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/** What came, oldest first. */
export interface AuditTail {
  readonly entries: readonly AuditEntry[];
  /** `after` of the next question. */
  readonly cursor: number;
}

/** Events of a log. */
export interface AuditEvents {
  /** So many entries are written; {@link Audit.tail} tells what they say. */
  entries: [count: number];
  /** A checkpoint is on disk: tell it to peers. */
  checkpoint: [checkpoint: Checkpoint];
}

/**
 * The audit log of this node. Between start and stop it takes entries; their order in the log is that
 * of the calls of `append` and `note`.
 */
export interface Audit extends Startable {
  /** False when nothing is recorded: then entries need not be made. */
  readonly isOn: boolean;
  readonly events: EventEmitter<AuditEvents>;
  /** False while nothing may be allowed, because it could not be audited. */
  healthy(): boolean;
  /**
   * Resolves with the entry's `seq` once it survives the end of this process (`sync: batch`) or of
   * this machine (`always`); entries that come meanwhile share one write. Whoever allows something
   * awaits this before it happens. @throws STARLING_AUDIT_UNAVAILABLE: then it must not happen
   */
  append(entry: AuditInit): Promise<number>;
  /**
   * Writes an entry soon, for what needs no waiting: refusals, and how calls ended. Never throws;
   * what finds no room is counted, and the log says so.
   */
  note(entry: AuditInit): void;
  /** Resolves once all that was given before is synced to disk. @throws STARLING_AUDIT_UNAVAILABLE */
  flush(): Promise<void>;
  query(query: AuditQuery): Promise<AuditPage>;
  /** Entries after a cursor, waiting for one at the most `timeoutMs`. */
  tail(request: AuditTailRequest): Promise<AuditTail>;
  /** Verifies the files, as they are now, also against checkpoints that peers have seen. */
  verify(checkpointsSeen?: readonly Checkpoint[]): Promise<AuditVerdict>;
  /** Where the log stood when it was last signed; undefined before the first time. */
  checkpoint(): Checkpoint | undefined;
  /** Just compares the log with checkpoints of ours that peers have seen. Strangers' are ignored. */
  compareWith(peerCheckpoints: readonly Checkpoint[]): Promise<readonly AuditFinding[]>;
}
