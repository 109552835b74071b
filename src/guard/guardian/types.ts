/** What is asked of the guardian, and what it answers. */
import type { EventEmitter } from 'node:events';
import type { Principal } from '../types.ts';
import type { Score, Verdict } from './score.ts';

/** What an agent asks for. */
export interface PermissionRequest {
  /** Who asks: the caller itself, or a name of an agent that speaks through it. */
  readonly agentId: string;
  readonly resourceType: string;
  readonly justification: string;
  /** Patterns like `files/read_*`; empty, `*` or `all`: everything of the type. */
  readonly scope: string;
}

/** What it gets. */
export interface PermissionAnswer {
  readonly granted: boolean;
  /** The grant: a compact JWS. Whoever it was given to need not present it here. */
  readonly grantToken?: string;
  /** ms since the epoch */
  readonly expiresAt?: number;
  /** What is restricted, as caveats of the grant; while a person is asked, of the grant that a yes would give. */
  readonly restrictions: readonly string[];
  readonly reason: string;
  /** Id of the approval that a person is asked for. Ask again with the same words to hear of it. */
  readonly pending?: string;
  /** How long the grant would last that a person is asked for, ms. */
  readonly lifetimeMs?: number;
  readonly score?: Score;
}

/** A request with its verdict, for the audit log. */
export interface WeighedRequest {
  readonly principal: Principal;
  readonly request: PermissionRequest;
  /** What was asked for, as resource patterns. */
  readonly patterns: readonly string[];
  readonly verdict: Verdict;
  /** The grant that came of it at once. */
  readonly grant?: string;
}

/** Heard by the audit log. */
export interface GuardianEvents {
  /** A request was weighed: not one that was answered before. */
  weighed: [weighed: WeighedRequest];
}

/** Answers requests for permission. */
export interface Guardian {
  readonly events: EventEmitter<GuardianEvents>;
  /** @throws STARLING_USAGE, STARLING_RATE_LIMITED, STARLING_LIMIT_EXCEEDED */
  request(principal: Principal, request: PermissionRequest): Promise<PermissionAnswer>;
}

/** A request that is at least as risky as the policy's `alert_threshold`. */
export interface RiskAlert {
  readonly principal: Principal;
  readonly resourceType: string;
  readonly risk: number;
}
