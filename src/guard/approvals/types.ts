/** What waits for a person, and how it is answered. */
import type { EventEmitter } from 'node:events';
import type { Startable } from '../../core/index.ts';
import type { ApprovalRequest, GuardWanted, RequestedGrant, Principal } from '../types.ts';

/** How an approval stands. `withdrawn`: whoever waited for it is gone. */
export type ApprovalState = 'pending' | 'approved' | 'denied' | 'expired' | 'withdrawn';

/** One approval, pending or over. Times are ms since the epoch. */
export interface Approval {
  /** 96 random bits. */
  readonly id: string;
  readonly kind: ApprovalRequest['kind'];
  readonly principal: Principal;
  readonly resource: string;
  readonly ability: string;
  /** The arguments as JSON, cut where they are long. */
  readonly args?: string;
  /** Hex SHA-256 of all of them, as the audit log has it. */
  readonly argsHash: string;
  readonly rule: string;
  readonly permission?: RequestedGrant;
  readonly justification?: string;
  readonly grant?: string;
  readonly session?: string;
  readonly state: ApprovalState;
  readonly askedAt: number;
  readonly expiresAt: number;
  readonly escalatesAt?: number;
  readonly escalatedAt?: number;
  readonly answeredAt?: number;
  /** Who answered, as messages name it. */
  readonly answeredBy?: string;
  readonly reason?: string;
  /** Id of the grant that the approval made; of a `permission` only. */
  readonly made?: string;
  /** It outlives whoever waits for it, and the node. */
  readonly lasting?: true;
  /** When the call that it was given for was let through; of a lasting one only. */
  readonly usedAt?: number;
}

/** How a wait for an approval ended. */
export interface ApprovalOutcome {
  readonly state: Exclude<ApprovalState, 'pending'>;
  readonly approval: Approval;
}

/** Who answers, and how. */
export interface Voter {
  readonly principal: Principal;
  /** By `tool` a session can't approve what it waits for itself; by `elicitation` a person answers. */
  readonly via: 'tool' | 'elicitation' | 'library';
  readonly session?: string;
  /** The client that showed the form, as messages name it. */
  readonly at?: string;
}

/** Yes or no, by whom and why. */
export interface ApprovalAnswer {
  readonly approve: boolean;
  readonly by: Voter;
  readonly reason?: string;
}

/**
 * Asks somebody who is attached. Resolves with undefined when nobody there can answer or wants to.
 * `signal` is aborted when the approval is over otherwise.
 */
export type Answerer = (
  approval: Approval,
  signal: AbortSignal,
) => Promise<ApprovalAnswer | undefined>;

/** Heard by whoever shows approvals to a person, and by the audit log. */
export interface ApprovalEvents {
  /** An approval waits for an answer. */
  pending: [approval: Approval];
  /** An approval has waited for its `escalation_delay`. */
  escalated: [approval: Approval];
  /** An approval is over: approved, denied, expired or withdrawn. */
  closed: [approval: Approval];
}

/** Runs when a `permission` is approved and before it counts as such; gives the id of what it made. */
export type ApprovalEffect = (approval: Approval) => Promise<string>;

/** What waits for a person. */
export interface Approvals extends Startable {
  readonly events: EventEmitter<ApprovalEvents>;
  /**
   * Asks `answerer` about everything that waits, now and later; the first answer counts. The returned
   * function detaches the answerer; a question that is under way stays until its approval is over.
   */
  attach(answerer: Answerer): () => void;
  /**
   * Waits until the request is answered, or time is over, which counts as no. When `signal` is aborted,
   * the request is withdrawn, and the signal's reason, where that is a text, says why.
   * @throws STARLING_LIMIT_EXCEEDED when too many wait already
   */
  ask(request: ApprovalRequest, signal?: AbortSignal): Promise<ApprovalOutcome>;
  /**
   * Like {@link ask}, for a call that is asked for again: the same one again waits for the same answer, which counts once,
   * and may have come meanwhile. The request is withdrawn only where the signal's reason is a text.
   * @throws STARLING_LIMIT_EXCEEDED; STARLING_STOPPED where the signal was aborted without one
   */
  askLasting(request: ApprovalRequest, signal: AbortSignal): Promise<ApprovalOutcome>;
  /** Like {@link ask}, without waiting: the request outlives the caller, and restarts of the node. */
  open(request: ApprovalRequest): Promise<Approval>;
  /** All approvals that are known, newest first. */
  list(state?: ApprovalState): readonly Approval[];
  /** By its id or a unique beginning of at least 4 characters. @throws STARLING_APPROVAL_UNKNOWN */
  find(id: string): Approval;
  /**
   * @throws STARLING_APPROVAL_UNKNOWN; STARLING_APPROVAL_CLOSED when it is over, or being answered;
   * STARLING_CALL_REFUSED when `by` may not
   */
  approve(id: string, by: Voter, reason?: string): Promise<Approval>;
  /** As {@link approve}. */
  deny(id: string, by: Voter, reason?: string): Promise<Approval>;
  /**
   * The approval `id`, if it was given for just this call of `principal`. Unless `wanted.look`, it is
   * used up: the next call needs another.
   */
  approvedFor(id: string, principal: Principal, wanted: GuardWanted): Approval | undefined;
  /** Says what approving a `permission` does. Without an effect no permission can be approved. */
  onApprove(effect: ApprovalEffect): void;
}
