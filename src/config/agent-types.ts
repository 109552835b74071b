/** Kinds of agents in the configuration of a node: what each is run by, what it may use, and how it learns. */
import type { JsonObject } from '../core/index.ts';
import type { StdioServer } from './server-types.ts';

/** What an agent with a language model thinks with. */
export interface AgentMind {
  /** A model, or a route. */
  readonly model: string;
  /** What the agent is for, and how it works. */
  readonly instructions?: string;
  /** A prompt of a server that says the same: `<server>/<prompt>`. */
  readonly prompt?: string;
  /** How often the model is asked for one message, at the most. */
  readonly steps: number;
  /** Absent: its agents learn nothing. */
  readonly learning?: LearningSettings;
}

/** One way in which agents of a kind may deal with a message; what it does not name is as the kind says. */
export type AgentWay = Partial<Omit<AgentMind, 'learning'>>;

/** How agents of a kind learn. */
export interface LearningSettings {
  /** By name: which of them is taken is learned. None: only what came of things is remembered. */
  readonly ways: Readonly<Record<string, AgentWay>>;
  /** How much what a way costs, and how long it takes, count against its success, 0 to 1 each. */
  readonly cost: number;
  readonly time: number;
  /** By capability, or `message` for a message that names none: the JSON Schema that an answer has to fit. */
  readonly answers: Readonly<Record<string, JsonObject>>;
  /** How many experiences the model is reminded of, at the most. */
  readonly experiences: number;
}

/** A kind of agents that the node may run. */
export interface AgentKind {
  /** How a process of it is started; absent where {@link problems} says why it can't be. */
  readonly server?: StdioServer;
  /** In place of a process: a language model. */
  readonly thinks?: AgentMind;
  /** Why it can't be used: a sentence each, without any value. */
  readonly problems: readonly string[];
  /** `mcp`: an MCP server with a tool `message`. `lines`: lines of JSON. */
  readonly protocol: 'mcp' | 'lines';
  /** What its agents may use: scopes. */
  readonly tools: readonly string[];
  readonly capabilities: readonly string[];
  readonly tags: readonly string[];
  /** Messages that one process is given at a time. */
  readonly maxConcurrentTasks: number;
  readonly maxReplicas: number;
  /** Which processes of an agent are started again when one ends by itself (OTP's words). */
  readonly strategy: 'one_for_one' | 'one_for_all' | 'rest_for_one';
  /** How often one process is started again within a minute. */
  readonly restarts: number;
  readonly cpu?: string;
  readonly memory?: string;
  /** Processes and threads of one process with all that it starts, where control groups bound them. */
  readonly processes: number;
  readonly listed: boolean;
  /** Its agents use their own rights, whoever they work for. */
  readonly ownRights: boolean;
}
