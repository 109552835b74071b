/** The rooms of one node, and what they need of the node: types only. */
import type { AgentMemory, Agents, RemoteAgents, Runs, Spreads } from './agents/index.ts';
import type { Audit } from './audit/index.ts';
import type { Blackboard } from './blackboard/index.ts';
import type { InviteResult, LeaveResult, StatusResult } from './builtin/index.ts';
import type { Budgets } from './budget/index.ts';
import type { Contexts } from './contexts/index.ts';
import type { Config } from './config/index.ts';
import type { Startable } from './core/index.ts';
import type { Dashboard } from './dashboard/index.ts';
import type { CatalogDocuments, Directory, Providers } from './directory/index.ts';
import type {
  ApiKeys,
  AttachedClients,
  TokenClients,
  NodeToken,
  BuiltinTool,
  Gateway,
  Logins,
  ModelsFace,
  SamplingFace,
  Pins,
  Sandbox,
  Upstreams,
} from './gateway/index.ts';
import type { RenewalTimer } from './grants/index.ts';
import type { Governance } from './guard/index.ts';
import type { Learning } from './learning/index.ts';
import type { CheckpointExchange, ConductTeller, Membership } from './membership/index.ts';
import type { InvitationInit, Knocks, Neighbours } from './mesh/index.ts';
import type { Metrics } from './metrics/index.ts';
import type { Batches, KeyAges, Models, Transcripts } from './models/index.ts';
import type { Network } from './network/index.ts';
import type { Collaborations, Orchestrations } from './orchestration/index.ts';
import type { Proposals } from './proposals/index.ts';
import type { Swarms } from './swarms/index.ts';
import type { Tasks } from './tasks/index.ts';
import type { Traces } from './traces/index.ts';

/** The rooms of a node. */
export interface Parts {
  readonly audit: Audit;
  readonly network: Network;
  /** Who asks to be let in. */
  readonly knocks: Knocks;
  readonly neighbours: Neighbours;
  readonly membership: Membership;
  readonly directory: Directory;
  /** What nodes list to all members, from hand to hand. */
  readonly documents: CatalogDocuments;
  readonly providers: Providers;
  readonly checkpoints: CheckpointExchange;
  readonly conductTeller: ConductTeller;
  readonly blackboard: Blackboard;
  readonly budgets: Budgets;
  readonly agents: Agents;
  /** A2A agents elsewhere that the operator has added. */
  readonly remote: RemoteAgents;
  /** The agents that this node runs. */
  readonly runs: Runs;
  /** Agents that are spread over several nodes. */
  readonly spreads: Spreads;
  readonly tasks: Tasks;
  /** Conversations of agents. */
  readonly contexts: Contexts;
  /** What agents of this node have learned. */
  readonly learning: Learning;
  /** What the agents that this node runs remember. */
  readonly memory: AgentMemory;
  readonly swarms: Swarms;
  readonly orchestrations: Orchestrations;
  readonly collaborations: Collaborations;
  readonly models: Models;
  /** Requests that vendors answer when they have time. */
  readonly batches: Batches;
  /** Prompts and answers that are kept. */
  readonly transcripts: Transcripts;
  /** How old the keys of providers of models are. */
  readonly keyAges: KeyAges;
  readonly metrics: Metrics;
  /** Absent where no collector is named. */
  readonly traces: Traces | undefined;
  readonly modelsDoor: ModelsFace;
  /** Answers servers in place of clients that have no model. */
  readonly sampling: SamplingFace;
  readonly dashboard: Dashboard;
  /** What serves peers this node's models. */
  readonly peerModels: Startable;
  readonly keys: ApiKeys;
  readonly clients: AttachedClients;
  readonly tokens: TokenClients;
  readonly token: NodeToken;
  readonly logins: Logins;
  readonly pins: Pins;
  /** What agents propose to this node. */
  readonly proposals: Proposals;
  readonly governance: Governance;
  readonly sandbox: Sandbox;
  readonly tools: readonly BuiltinTool[];
  readonly upstreams: Upstreams;
  readonly renewalTimer: RenewalTimer;
  readonly gateway: Gateway;
}

/** What the parts need of the node that they are of. */
export interface PartsInit {
  /** MCP servers as the configuration has them now, their secrets bound. */
  readonly servers: () => Config['mcpServers'];
  /** Agents as the configuration has them now, their secrets bound. */
  readonly agentConfig: () => Config['agents'];
  /** Language models as the configuration has them now, their secrets bound. */
  readonly modelConfig: () => Config['models'];
  readonly status: () => StatusResult;
  readonly createTicket: (init: Omit<InvitationInit, 'addresses'>) => Promise<InviteResult>;
  readonly leave: () => Promise<LeaveResult>;
}
