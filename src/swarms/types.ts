/** The words of swarms. */
import type { Fund } from '../budget/index.ts';
import type { Did, Json } from '../core/index.ts';
import type { AgentStatus } from '../agents/index.ts';

/** Who may write to whom, and give tasks to whom, in a swarm; see `topology.ts`. */
export const TOPOLOGIES = ['mesh', 'hierarchical', 'star', 'ring'] as const;
/** See {@link TOPOLOGIES}. */
export type Topology = (typeof TOPOLOGIES)[number];

/** What a member of a swarm does in plans. */
export const ROLES = ['coordinator', 'worker', 'validator'] as const;
/** See {@link ROLES}. */
export type Role = (typeof ROLES)[number];

/** What is fixed of a swarm when it is made: one entry of its board. */
export interface SwarmRow {
  readonly id: string;
  readonly name: string;
  readonly topology: Topology;
  readonly maxAgents: number;
  readonly threshold: number;
  /** `keyOf` whoever made it, at its creator's node. */
  readonly owner: string;
  /** The budgets that what its members do counts against, at each node that may hold rights of them. */
  readonly fund?: Fund | undefined;
  /** Milliseconds since the epoch. */
  readonly at: number;
}

/** A member that the creator has named, and whether its node has agreed. */
export interface Seat {
  /** `<agent>` at the node with `did`. */
  readonly agent: string;
  readonly did: Did;
  readonly kind: string;
  readonly role: Role;
  readonly order: number;
  /** The node of the agent lets the others of the swarm write to it. */
  readonly joined: boolean;
}

/** How one task of a member went. */
export interface LogLine {
  readonly taskId: string;
  /** `<agent>@<did>`. */
  readonly agent: string;
  readonly capability: string;
  readonly ok: boolean;
  readonly ms: number;
  /** Milliseconds since the epoch. */
  readonly at: number;
}

/** What a node has under way for a swarm, as others may see it. */
export interface PlanRow {
  readonly taskId: string;
  readonly status: string;
  /** Who has which task now: `<agent>@<did>`. */
  readonly busy: Readonly<Record<string, string>>;
  readonly view: Json;
  /** Milliseconds since the epoch. */
  readonly at: number;
}

/** A plan, and the node that has it under way. */
export type PlanOfNode = PlanRow & { readonly did: Did };

/** A swarm as its board has it, each part by whoever may say it. */
export interface Swarm extends SwarmRow {
  /** The key of the node that made it, which names members. */
  readonly creator: Did;
  /** Nodes of coordinators that the creator has named and that have agreed: they name members, too. */
  readonly deputies: readonly Did[];
  readonly seats: readonly Seat[];
  readonly dissolvedAt?: number;
}

/** A member as others see it. */
export interface SwarmAgentView {
  readonly id: string;
  readonly name: string;
  /** `<agent>@<node>`. */
  readonly endpoint: string;
  readonly type: string;
  readonly role: Role;
  /**
   * `invited`: its node has not agreed; `busy`: it has a task of the swarm; `active`: it has none; `online`: it is there,
   * and the swarm was dissolved.
   */
  readonly status: 'invited' | 'active' | 'busy' | AgentStatus | 'unknown';
  /** 0 where it is not online; else 100 less what failed of its last tasks, in per cent. */
  readonly health: number;
  readonly currentTask: string | null;
  readonly capabilities: readonly string[];
}

/** An edge as others see it: an agent that may write to another. */
export interface EdgeView {
  readonly from: string;
  readonly to: string;
  /** It may give that one tasks, too. */
  readonly task: boolean;
  /** This node has given, or needs, no grant for it; or the id of the grant. */
  readonly grant?: string;
}

/** The answer of `swarm_status`. */
export interface SwarmStatusResult {
  readonly swarmId: string;
  readonly name: string;
  readonly topology: Topology;
  readonly status: 'active' | 'incomplete' | 'dissolved';
  readonly agents: readonly SwarmAgentView[];
  readonly edges: readonly EdgeView[];
  readonly config: { readonly maxAgents: number; readonly consensusThreshold: number };
  readonly metrics: {
    readonly tasksCompleted: number;
    /** Seconds; absent where nothing was completed. */
    readonly avgCompletionTime?: number;
    /** 0 to 1; absent where nothing has ended. */
    readonly successRate?: number;
    /** What these are of. */
    readonly window: string;
  };
  /** Operations under way at this node. */
  readonly operations: number;
  /** ISO 8601. */
  readonly createdAt: string;
  readonly createdBy: string;
  /** Given with the next call, waits for a change. */
  readonly version: string;
}

/** A member that was wanted and is not there. */
export interface Lacking {
  readonly type: string;
  readonly name: string;
  /** `model`: the kind needs a model, and this node has none for it. */
  readonly reason: 'model';
  readonly message: string;
}

/** The answer of `swarm_init`. */
export interface SwarmInitResult extends SwarmStatusResult {
  /** Kinds that lack a model. */
  readonly lacking?: readonly Lacking[];
}

/** The answer of `swarm_list`. */
export interface SwarmListResult {
  readonly swarms: readonly {
    readonly swarmId: string;
    readonly name: string;
    readonly topology: Topology;
    readonly agents: number;
    readonly status: SwarmStatusResult['status'];
    readonly createdBy: string;
  }[];
}
