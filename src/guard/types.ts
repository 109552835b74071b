/** The words of the guard: who calls, what the caller wants, and how the guard decides. */
import type { Did, JsonObject, PeerId } from '../core/index.ts';
import type { Capability, Grant, Refusal, Wanted } from '../grants/types.ts';

/**
 * Somebody for whom a peer calls, as that peer's node certifies it: its word, and no right of its own.
 */
export interface OnBehalfOf {
  /** The agent that proved this key to the peer's node. */
  readonly did?: Did;
  /** What the peer's node calls its client. */
  readonly name?: string;
  /** Links of those for whom that one works, see `chainOf`: what it wants needs their rights, too. */
  readonly worksFor?: readonly string[];
}

/** Who calls, as proven at the door. */
export type Principal =
  /** Whoever may read this node's state folder: root of this node, and of no other. */
  | {
      readonly kind: 'operator';
      /** True for the page in the operator's browser: of the node's own tools it has only those that say so. */
      readonly dashboard?: true;
    }
  /** A peer, by the key of its connection. */
  | {
      readonly kind: 'peer';
      readonly peerId: PeerId;
      readonly did: Did;
      readonly alias: string;
      /** What it calls itself since not long ago; absent where that is no other name. */
      readonly newName?: string | undefined;
      /** Absent where the peer calls for itself. */
      readonly onBehalfOf?: OnBehalfOf | undefined;
      /** Who is meant by `onBehalfOf.worksFor`: it may do what each of these may, too. */
      readonly worksFor?: readonly Principal[];
    }
  /**
   * Somebody local with bounded rights: an MCP client that is attached to this node, the holder of an API
   * key, or the subject of a JWT.
   */
  | {
      readonly kind: 'client';
      /** What messages and the policy (`client:<name>`) call the client: a person gave that name. */
      readonly name: string;
      /** Resource patterns as in grants (`tool:files/*`), or `*`: see {@link Guard}. */
      readonly scopes: readonly string[];
      /** True where the person who owns the node sits before the client: forms for that person reach it. */
      readonly person?: true;
      /** For whom it works now, as an agent that the node runs: it may do what each of these may, too. */
      readonly worksFor?: readonly Principal[];
      /** Messages that led, one by the other, to what it does now as an agent that the node runs. */
      readonly hops?: number;
      /**
       * The least trusted zone that what it has read came from, below its own: the limits that the policy sets to callers
       * of that zone hold for it, too.
       */
      readonly taint?: 'trusted' | 'external';
    }
  /** Whoever proved an Ed25519 identity over HTTP: has what was granted to its did. */
  | { readonly kind: 'agent'; readonly did: Did; readonly name: string };

/**
 * What clients of this node may do with a tool of its built-in server: use it, use it when a person has
 * agreed, or not at all.
 */
export type ClientAccess = 'yes' | 'ask' | 'no';

/** What the caller of the guard knows about the thing that is wanted. */
export interface WantedFacts {
  /** Its pinned definition says `readOnlyHint`. Unknown counts as false. */
  readonly readOnly?: boolean;
  /** Copies of the agent that run now; for `agent/spawn`. */
  readonly replicas?: number;
  /** What has been spent of the budget, and what is wanted on top; for `budget/spend`. */
  readonly spent?: number;
  readonly amount?: number;
}

/** What somebody wants to do, with all that a decision may hang on. */
export interface GuardWanted extends Wanted {
  readonly args?: JsonObject;
  readonly facts?: WantedFacts;
  /**
   * Only a look, for a list or a call that runs already: nothing is used up, and arguments count only
   * when they are given. Without `look`, the call runs next if the answer is yes.
   */
  readonly look?: true;
  /** Id of the approval that was given for just this call. */
  readonly approval?: string;
}

/** The grant that a person is asked to approve; exactly this grant is issued. */
export interface RequestedGrant {
  /** The same for the same words of the same caller. */
  readonly subject: string;
  /** For whom the caller says that it asks. */
  readonly agentId: string;
  readonly capabilities: readonly Capability[];
  readonly lifetimeMs: number;
}

/** What a person is asked to approve. */
export interface ApprovalRequest {
  /** `call`: somebody waits for it. `permission`: a grant, for `request_permission`. */
  readonly kind: 'call' | 'permission';
  readonly principal: Principal;
  readonly resource: string;
  readonly ability: string;
  readonly args?: JsonObject;
  /** Why an approval is needed: a rule of the policy, or a grant. */
  readonly rule: string;
  /** Of a `permission` only. */
  readonly permission?: RequestedGrant;
  /** What the caller says that the call or grant is for. */
  readonly justification?: string;
  /** Id of the grant that covers the call. */
  readonly grant?: string;
  /** The session that waits: a session can't approve by a tool what it wants itself. */
  readonly session?: string;
  readonly timeoutMs: number;
  /** Nobody has said how long: {@link timeoutMs} is what a call has otherwise. */
  readonly isUnsaid?: true;
  readonly escalationDelayMs?: number;
  /** Of a `call` that is asked for again after its caller or the node was away: it stays open meanwhile. */
  readonly lasting?: true;
}

/** The answer. */
export type Decision =
  | {
      readonly allow: true;
      /** The grant that allows the call; absent where no grant was needed. */
      readonly grant?: Grant;
      /** Where present, to be awaited before the call runs. */
      readonly settled?: Promise<void>;
      readonly ask?: undefined;
    }
  | {
      readonly allow: false;
      readonly refusal: Refusal;
      /** The command that would grant the call, here. */
      readonly hint: string;
      /** The command by which the caller can ask for it, there. */
      readonly asking?: string | undefined;
      /** The answer is yes once a person approves: hand this to the approvals, and decide again. */
      readonly ask?: ApprovalRequest;
    };

/**
 * Decides: the operator may do everything, a peer and an agent what grants of this node allow its
 * did, a client what a scope of its own matches, whatever the ability. The scope `*` is every tool,
 * resource and prompt. Only a scope that names the built-in server `starling` literally covers it,
 * here (`tool:starling/peers`) and at peers (`tool:@alice/starling/peers`), and of the tools of ours
 * it covers only those that clients may use at all ({@link ClientAccess}). The policy can only take
 * away from that, or have it wait for an approval; to the operator it can do only the latter.
 */
export interface Guard {
  decide(principal: Principal, wanted: GuardWanted): Decision;
}

/** One step on the way to a decision. */
export interface ExplainedStep {
  /** `zone`, `open`, `scope`, `grant`, or where in the policy file the rule stands. */
  readonly rule: string;
  readonly outcome: 'allow' | 'deny' | 'ask' | 'note';
  readonly text: string;
}

/** A decision and how it came about. */
export interface Explanation {
  readonly decision: Decision;
  readonly who: string;
  readonly steps: readonly ExplainedStep[];
}

/** A guard that can say how it decides. */
export interface ExplainingGuard extends Guard {
  /** Decides by the same way, and tells each step. */
  explain(principal: Principal, wanted: GuardWanted): Explanation;
}
