/** What the tools about grants return. */
import type { JsonObject } from '../../core/index.ts';
import type { ShownChain } from '../../grants/index.ts';
import type { Capability, Refusal } from '../../grants/types.ts';

/** One grant as a person reads it. */
export interface GrantSummary {
  /** The grant's `jti`. */
  readonly id: string;
  /** `issued`: by us to somebody; `received`: by somebody to us. */
  readonly direction: 'issued' | 'received';
  /** Alias or did:key of the other side. */
  readonly with: string;
  /** What the other side calls itself now, for a time after it has taken that name. */
  readonly newName?: string;
  readonly did: string;
  readonly capabilities: readonly Capability[];
  /** Uses that were taken, for each capability that counts them; at the owner only. */
  readonly taken?: readonly { readonly capability: number; readonly uses: number }[];
  /** Names of the budgets that calls count against, for each capability that has one which this node knows. */
  readonly budgets?: readonly { readonly capability: number; readonly name: string }[];
  /** True when this node renews it as long as the peer is there and it is not revoked. */
  readonly renewed: boolean;
  /** ms since the epoch */
  readonly issuedAt: number;
  readonly expiresAt: number;
  readonly state: 'valid' | 'expired' | 'revoked';
  /** Of a right on a board: its name. It ends by `board revoke`. */
  readonly board?: string;
  /** Of a ticket: whether somebody has joined with it. */
  readonly ticket?: 'open' | 'spent';
}

/** Result of `grant_list`. */
export interface GrantListResult {
  readonly grants: readonly GrantSummary[];
}

/** Result of `grant_create`. */
export interface GrantCreateResult {
  readonly grant: GrantSummary;
  readonly jws: string;
  /** What the operator should know: a server or tool that is not there, a limit that another grant undoes. */
  readonly remarks?: readonly string[];
}

/** A chain, and the names by which this node knows those in it. */
export interface GrantShowResult extends ShownChain {
  readonly grant: GrantSummary;
  /** Alias by did:key, as far as it is known. */
  readonly names: Readonly<Record<string, string>>;
}

/** Result of `grant_verify`. */
export interface GrantVerifyResult {
  readonly valid: boolean;
  readonly chains: readonly ShownChain[];
  readonly refused: readonly Refusal[];
}

/** Result of `grant_import`. */
export interface GrantImportResult {
  readonly imported: readonly GrantSummary[];
  readonly refused: readonly Refusal[];
}

/** Result of `grant_export`: the grant and all that it stands on. */
export interface GrantExportResult {
  readonly grant: GrantSummary;
  readonly tokens: readonly string[];
}

/** Result of `grant_revoke`: the grants that it ended. */
export interface GrantRevokeResult {
  readonly revoked: readonly GrantSummary[];
  /** It was revoked before, then: ms since the epoch. */
  readonly since?: number;
}

/** A grant as `validate_token` and `grants://active` show it. Times are ms since the epoch. */
export interface TokenView {
  readonly id: string;
  readonly issuer: string;
  readonly holder: string;
  readonly owner: string;
  readonly capabilities: readonly Capability[];
  readonly issuedAt: number;
  readonly expiresAt: number;
}

/** Result of `validate_token`. */
export interface ValidateTokenResult {
  readonly valid: boolean;
  /** The rule that fails, and why, a line for each link of the chain. */
  readonly rule?: string;
  readonly reason?: string;
  readonly grant?: TokenView;
}

/** Result of `revoke_token`. */
export interface RevokeTokenResult {
  readonly revoked: true;
  readonly id: string;
}

/** Content of `grants://active`. */
export interface ActiveGrantsResult {
  readonly grants: readonly TokenView[];
}

/** Result of `grant_propose`: nothing is granted yet. */
export interface GrantProposeResult {
  /** The model that proposed it. */
  readonly model: string;
  /** What `grant_create` makes of it, but for its end. */
  readonly grant: JsonObject;
  /** When it is to end, ms since the epoch; absent: when it is revoked. */
  readonly until?: number;
  /** What that gives, in our words. */
  readonly lines: readonly string[];
}

/** Result of `audit_review`, `risk_analyse` and `policy_recommend`: nothing is done yet. */
export interface FindingsResult {
  /** The model that looked. */
  readonly model: string;
  /** What it found, in our words. */
  readonly lines: readonly string[];
  /** Commands that would do what it proposes. */
  readonly commands: readonly string[];
  /** What would stand in the policy file, which only narrows. */
  readonly policy: JsonObject;
}
