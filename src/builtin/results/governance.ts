/** What the tools about approvals and the policy return. */
import type { Capability } from '../../grants/types.ts';
import type { ExplainedStep, PolicyCheck, PolicyRule } from '../../guard/index.ts';

/** One approval as a person reads it. Times are ms since the epoch. */
export interface ApprovalSummary {
  readonly id: string;
  readonly kind: 'call' | 'permission';
  readonly who: string;
  readonly resource: string;
  readonly ability: string;
  /** Arguments as JSON, cut where they are long. */
  readonly args?: string;
  readonly rule: string;
  readonly justification?: string;
  /** Id of the grant that covers it. */
  readonly grant?: string;
  /** Of a permission: who asks through the caller, and what it would get for how long. */
  readonly agentId?: string;
  readonly capabilities?: readonly Capability[];
  readonly lifetimeMs?: number;
  readonly state: 'pending' | 'approved' | 'denied' | 'expired' | 'withdrawn';
  readonly askedAt: number;
  readonly expiresAt: number;
  readonly escalatedAt?: number;
  readonly answeredAt?: number;
  readonly answeredBy?: string;
  readonly reason?: string;
  /** Id of the grant that the approval made. */
  readonly made?: string;
}

/** Result of `approval_list`. */
export interface ApprovalListResult {
  readonly approvals: readonly ApprovalSummary[];
}

/** Result of `approval_ask`: how it stands now. */
export interface ApprovalAskResult {
  /** False when nothing waits that this client may show. */
  readonly asked: boolean;
  readonly id?: string;
  readonly state?: ApprovalSummary['state'];
}

/** Result of `approval_answer`. */
export interface ApprovalAnswerResult {
  readonly approval: ApprovalSummary;
}

/** Result of `policy_check`. */
export type PolicyCheckResult = { readonly file: string } & PolicyCheck;

/** Result of `policy_show`. */
export interface PolicyShowResult {
  readonly file: string;
  /** What is said by the file and not by the shipped policy, and then the shipped rest. */
  readonly rules: readonly PolicyRule[];
  /** How many there are, of which the first are in `rules`. */
  readonly total: number;
}

/** Result of `policy_explain`. */
export interface PolicyExplainResult {
  /** `ask`: yes, once a person has approved it. */
  readonly answer: 'yes' | 'no' | 'ask';
  readonly who: string;
  readonly resource: string;
  readonly ability: string;
  /** How it came about, in order. */
  readonly steps: readonly ExplainedStep[];
  readonly reason?: string;
  /** What would allow it, on this node. */
  readonly hint?: string;
  /** How it can be asked for, where the caller is, with the name that this node goes by there. */
  readonly there?: string;
  readonly grant?: string;
}
