/** The words of the agents: who they are, and what they send one another. */
import type { Did, Json, JsonObject } from '../core/index.ts';
import type { Taint } from '../guard/index.ts';

/** What a message is for. */
export const MESSAGE_TYPES = ['command', 'query', 'event', 'response'] as const;
/** See {@link MESSAGE_TYPES}: a `query` is answered, a `response` answers one. */
export type MessageType = (typeof MESSAGE_TYPES)[number];
/** How urgent a message is; whoever reads the inbox decides by it, the order of the inbox does not change. */
export const PRIORITIES = ['low', 'medium', 'normal', 'high'] as const;
/** See {@link PRIORITIES}. */
export type Priority = (typeof PRIORITIES)[number];

/** A message as its receiver reads it. */
export interface AgentMessage {
  /** `msg_<ms>_<random>`: the same however often the message was tried to be sent. */
  readonly id: string;
  /** `<agent>@<node>`, or who sent it where that is no agent. */
  readonly from: string;
  /** The agent's name. */
  readonly to: string;
  readonly type: MessageType;
  readonly message: Json;
  readonly data?: Json;
  readonly priority: Priority;
  /** What ties an answer to its question. */
  readonly correlationId: string;
  /** ISO 8601, by the sender's node. */
  readonly timestamp: string;
  /** What the sender gave, and the ids that an answer names. */
  readonly metadata: JsonObject;
  /** Of a query: how long its sender waits, ms. */
  readonly timeoutMs?: number;
}

/** A message as somebody wants to send it. */
export interface MessageInit {
  /** For whom: a name, a label, or either with its node. */
  readonly to?: string | undefined;
  /** The agent of the sender's own that sends it. */
  readonly from?: string | undefined;
  readonly type?: MessageType | undefined;
  readonly message: Json;
  readonly data?: Json | undefined;
  readonly priority?: Priority | undefined;
  readonly timeoutMs?: number | undefined;
  /** Of a query to an agent of this node: whoever sends it ends it, and `timeoutMs` is what the agent is told. */
  readonly isUntimed?: boolean | undefined;
  readonly ttlMs?: number | undefined;
  readonly correlationId?: string | undefined;
  /** Of a response: the message that it answers. */
  readonly inReplyTo?: string | undefined;
  /** Of a response: the sender could not do what was asked. */
  readonly error?: string | undefined;
  readonly metadata?: JsonObject | undefined;
  /** True: what is said is closed for the key of the agent's node. A text, from a peer: what was closed. */
  readonly sealed?: boolean | string | undefined;
  /** Given by rooms of this node alone: what the message may be made of, besides what the sender has read. */
  readonly taint?: Taint | undefined;
  /** Given by rooms of this node alone: `to` is the name of an agent of this node, and is looked up nowhere else. */
  readonly isHere?: true | undefined;
  /** Given by the room of tasks alone: the right to give the agent a task is enough. */
  readonly isTask?: true | undefined;
  /** Given by the node of the sender alone. */
  readonly messageId?: string | undefined;
}

/** One of several answers that come in one message. */
export interface ResponseInit {
  /** The message that it answers. */
  readonly inReplyTo: string;
  readonly message?: Json | undefined;
  /** The sender could not do what was asked. */
  readonly error?: string | undefined;
}

/** What became of answers that came in one message. */
export interface AgentResponsesResult {
  readonly status: 'delivered';
  /** How many somebody waited for. */
  readonly answered: number;
  /** Ids of messages whose answers nobody waits for any more. */
  readonly late: readonly string[];
}

/** What is said of one capability besides its name. */
export interface CapabilityDefinition {
  readonly description?: string;
  /** JSON Schema of the parameters. */
  readonly input?: JsonObject;
  /** JSON Schema of the result. */
  readonly output?: JsonObject;
  /** A request changes nothing: two agents may be asked. */
  readonly readOnly?: boolean;
  /** In lists, in place of the schemas: there are some. */
  readonly typed?: boolean;
}

/** What a program says of the agent that it is. */
export interface Announcement {
  /** A label: `agent_<ms>_<random>` where the program gives none. */
  readonly id: string;
  readonly name: string;
  /** What sort of agent: `attached` where the program does not say. */
  readonly kind: string;
  /** Names, or names with a version: `summarise@1.2.0`. */
  readonly capabilities: readonly string[];
  /** Of those that are described, by what stands in `capabilities`. */
  readonly definitions?: Readonly<Record<string, CapabilityDefinition>>;
  readonly maxConcurrentTasks: number;
  /** Of the policy, or a place of the program's own naming. */
  readonly zone: string;
  /** What requests by capability prefer, avoid or insist on. */
  readonly tags: readonly string[];
  /** Every member of the mesh may see the agent, without a grant; to write to it takes one all the same. */
  readonly listed: boolean;
  /**
   * `sampling`: messages go to the model of the session that announced it, one at a time; else, and where that session is
   * over, they wait in the inbox.
   */
  readonly deliver?: 'inbox' | 'sampling';
  /** Of a part of an agent that is spread over several nodes: the proof of that, see `directory/spread-proof.ts`. */
  readonly spread?: string;
}

/** Where an agent is in its life. */
export type AgentStatus = 'online' | 'offline' | 'stopped';

/** Where a process of an agent that the node runs is in its life; see `run/lifecycle.ts`. */
export type RunState =
  | 'spawning'
  | 'init'
  | 'ready'
  | 'running'
  | 'learning'
  | 'stopping'
  | 'stopped'
  | 'failed';

/** An agent that its node runs. */
export interface RunView {
  /** That of the process that is furthest. */
  readonly state: RunState;
  /** The kind in the configuration of its node. */
  readonly kind: string;
  /** The language model, or route, that it thinks with; absent for a program. */
  readonly model?: string;
  /** Who spawned it, and has more rights than it. */
  readonly spawnedBy: string;
  /** What it may use. */
  readonly tools: readonly string[];
  readonly replicas: number;
  /** Where the queue says how many there are: the bounds, like `1..5`. */
  readonly scale?: string;
  /** Process ids of those that run. */
  readonly pids: readonly number[];
  /** How often a process of it was started again since it was spawned. */
  readonly restarts: number;
  /** Why it does not run. */
  readonly error?: string;
  readonly resources: AppliedResources;
  /** Of a part of an agent that is spread over several nodes: the did of the node that looks after the parts now. */
  readonly parent?: Did;
  /** Share of its memory limit that its fullest process has taken, 0 to 1, seconds ago at the most. */
  readonly memoryShare?: number;
}

/** What bounds each process of an agent, and by what. */
export interface AppliedResources {
  readonly cpu?: string;
  readonly memory?: string;
  /** `sandbox` is absent where the operator lets agents run without one. */
  readonly enforcedBy: {
    readonly cpu?: string;
    readonly memory?: string;
    /** Absent where nothing bounds how many processes an agent starts. */
    readonly processes?: string;
    readonly files?: string;
  };
}

/** What a person is shown before the agent is added. */
export interface RemoteCard {
  readonly url: string;
  readonly name: string;
  readonly description: string;
  /** The one host that is asked, and gets the credential. */
  readonly host: string;
  readonly endpoint: string;
  /** Who has signed it, proven: a did:key, or a key that its host shows; absent: nobody has signed it. */
  readonly signer?: string;
  readonly skills: readonly { readonly id: string; readonly description: string }[];
  /** Names of the ways in which it wants to know who calls. */
  readonly security: readonly string[];
  /** Another text when any of this is another. */
  readonly digest: string;
}

/** A line that an agent has written. */
export interface AgentLogLine {
  readonly seq: number;
  /** ISO 8601. */
  readonly at: string;
  /** Which of its processes, from 1. */
  readonly replica: number;
  readonly text: string;
}

/** The answer of `agent_spawn`. */
export interface AgentSpawnResult {
  readonly agentId: string;
  readonly name: string;
  readonly kind: string;
  readonly status: RunState;
  readonly capabilities: readonly string[];
  readonly resources: AppliedResources & { readonly allocated: true };
  /** What it may use. */
  readonly tools: readonly string[];
  /** What its kind could use, and whoever spawned it could not. */
  readonly withheld?: readonly string[];
  /** Ids of the budgets that its calls count against. */
  readonly budgets?: readonly string[];
  /** The language model, or route, that it thinks with; absent for a program. */
  readonly model?: string;
  readonly replicas: number;
  readonly pids: readonly number[];
  /** Why a process of it did not start, where one did not. */
  readonly error?: string;
  /** Measured, where the call has waited for it: ms from the call to ready. */
  readonly initialisationMetrics?: { readonly spawnTime: number };
}

/** How the part of a spread agent does that one node has. */
export interface PartView {
  /** `none`: the node runs no part. */
  readonly state: RunState | 'none';
  readonly replicas: number;
  /** Another text when all its processes are others: the node, or the part, was started anew. */
  readonly life: string;
  /** How many of its processes have ended by themselves in this life. */
  readonly fell: number;
  /** Its processes have ended too often, and none is started again by itself. */
  readonly isOver: boolean;
  /** Messages that it deals with, or that wait for it. */
  readonly waiting: number;
  /** Why it does not run. */
  readonly error?: string;
}

/** An agent that is spread over several nodes, as a node knows it that may look after it. */
export interface SpreadView {
  readonly name: string;
  readonly kind: string;
  /** The node that has spread it. */
  readonly by: string;
  /** The node that looks after the parts now, and the token of its lease; absent while there is none. */
  readonly parent?: { readonly node: string; readonly token: number };
  readonly replicas: string;
  readonly strategy: AgentStrategy;
  readonly parts: readonly {
    readonly node: string;
    /** Absent where this node does not look after the parts. */
    readonly state?: PartView['state'];
    readonly replicas?: number;
  }[];
  /** Nodes that have no part now, and why not. */
  readonly without?: readonly { readonly node: string; readonly reason: string }[];
  /** Whether it is wanted no more, or was given up. */
  readonly ended?: 'stopped' | 'failed';
  /** Why it was given up. */
  readonly error?: string;
}

/** The answer of `agent_spawn` with `on`. */
export interface AgentSpreadResult extends SpreadView {
  readonly agentId: string;
  readonly status: 'running' | 'starting';
}

/** What the end of one process, or part, means for the others, in OTP's words. */
export type AgentStrategy = 'one_for_one' | 'one_for_all' | 'rest_for_one';

/** The answer of `agent_logs`. */
export interface AgentLogsResult {
  readonly agent: string;
  readonly lines: readonly AgentLogLine[];
  readonly cursor: number;
}

/** What one agent has done since the node started. */
export interface AgentMetrics {
  readonly sent: number;
  readonly received: number;
  readonly errors: number;
  /** Milliseconds from a query to its answer; absent before the first. */
  readonly avgResponseTime?: number;
  /** How often each was asked for. */
  readonly capabilityRequests: Readonly<Record<string, number>>;
}

/** An agent as others see it. */
export interface AgentView extends Announcement {
  /** The key that answers for the agent: its own where it has one, else that of its node. */
  readonly did: Did;
  readonly status: AgentStatus;
  /** The node that the agent is at, as this node calls it. */
  readonly node: string;
  /** The node's PeerId. */
  readonly machine_id: string;
  /** What messages name: `<agent>@<node>`. */
  readonly endpoint: string;
  /** How far the policy of the node that is asked trusts whoever owns the agent, 0 to 1. */
  readonly trust_level?: number;
  /** Queries and commands that may still come before the agent is full. */
  readonly free: number;
  /** Messages that it deals with, or that wait for it. */
  readonly busy: number;
  /** How well it does, 0 to 100; absent where its node is of an earlier version. See docs/agents.md. */
  readonly health?: number;
  readonly tasksProcessed: number;
  /** Since it was announced, ms. */
  readonly uptime: number;
  /** ISO 8601: when its program was last heard of. */
  readonly last_seen: string;
  readonly metrics: AgentMetrics;
  /** Of an agent that its node runs, for whoever asks that node. */
  readonly run?: RunView;
  /** Only what its node lists to all members is known: that node is away, or has not answered. */
  readonly announced?: true;
}

/** What of an agent decides whether it can be given something. */
export type AgentStanding = Pick<AgentView, 'free' | 'maxConcurrentTasks' | 'status'>;

/** The answer of `agent_list`. */
export interface AgentListResult {
  readonly agents: readonly AgentView[];
  /** Nodes whose agents could not be asked for, and why. */
  readonly unreachable?: readonly { readonly node: string; readonly reason: string }[];
}

/** The answer of `agent_announce`. */
export interface AgentAnnounceResult {
  readonly agentId: string;
  readonly name: string;
  readonly did: Did;
  readonly status: AgentStatus;
  /** Messages that wait for it already. */
  readonly waiting: number;
}

/** The answer of `agent_info` and `agent_status`. */
export interface AgentInfoResult extends AgentView {
  readonly agentId: string;
  /** Of an agent that is spread over several nodes: the others that have a part, as `<agent>@<node>`. */
  readonly parts?: readonly string[];
  /** The same, as a node knows it that may look after it. */
  readonly whole?: SpreadView;
}

/** The answer of `agent_message`. */
export interface AgentMessageResult {
  readonly messageId: string;
  readonly agentId: string;
  /** `queued`: the agent's node is away, and the message waits here. */
  readonly status: 'delivered' | 'queued' | 'answered';
  readonly correlationId: string;
  /** Which agent of the caller's sent it, `<agent>@<node>`, where the caller did not say: its only one. */
  readonly from?: string;
  /** Of a query: what the agent answered. */
  readonly response?: Json;
  /** Between nodes, in place of `response`: the answer to what was sealed. */
  readonly sealedResponse?: string;
  /** Of a query: how long the answer took, ms. */
  readonly responseTime?: number;
  /** Of the answer of an agent that a node runs: the least trusted zone that the agent had read from. */
  readonly taint?: Taint;
}

/** The answer of `capability_request`. */
export interface CapabilityResult extends AgentMessageResult {
  readonly capability: string;
  /** What the agent answered. */
  readonly result: Json;
  /** Who did it: `<agent>@<node>`. */
  readonly endpoint: string;
}

/** The answer of `capability_list`. */
export interface CapabilityListResult {
  readonly capabilities: readonly {
    readonly capability: string;
    /** What the first agent says of it that says something. */
    readonly description?: string;
    /** `<agent>@<node>` of each agent that has it. */
    readonly agents: readonly string[];
    readonly online: number;
  }[];
}

/** The answer of `agent_inbox`. */
export interface AgentInboxResult {
  readonly agent: string;
  readonly messages: readonly AgentMessage[];
  /** The cursor behind each; absent in a look at what was dealt with. */
  readonly cursors?: readonly string[];
  /** Given with the next call, says that all up to here has been dealt with. */
  readonly cursor: string;
  /** Messages behind these. */
  readonly waiting: number;
}

/** The answer of `agent_stop` and `agent_retire`. */
export interface AgentEndResult {
  readonly agentId: string;
  readonly name: string;
  readonly status: AgentStatus | 'retired';
  /** Messages that nobody has read and that are gone with it. */
  readonly dropped: number;
  /** As what this node ran it; absent of one that a program announced. */
  readonly kind?: string;
}

/** Something that was told to all of the mesh. */
export interface MeshEvent {
  /** Of this node: in the order in which it heard them; 0 for one that it did not hear, and has from a board. */
  readonly seq: number;
  readonly id: string;
  /** `broadcast`, `agent.<id>.events`, `task.result`, … */
  readonly subject: string;
  /** `<agent>@<node>`, or the node. */
  readonly from: string;
  /** ISO 8601, by the clock of who told it. */
  readonly at: string;
  readonly message: Json;
}

/** The answer of `events`. */
export interface EventsResult {
  readonly events: readonly MeshEvent[];
  /** Given with the next call, gives what comes after these. */
  readonly cursor: number;
}

/** The answer of `broadcast`. */
export interface BroadcastResult {
  readonly messageId: string;
  readonly subject: string;
  /** Members that this node believes to be there. */
  readonly peers: number;
}
