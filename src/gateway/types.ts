/** The shapes that the gateway's parts hand each other. */
import type { EventEmitter } from 'node:events';
import type { Did, Json, JsonObject, PeerId, StarlingError, Startable } from '../core/index.ts';
import type { McpServer, StdioServer } from '../config/index.ts';
import type { Config } from '../config/types.ts';
import type {
  ItemKind,
  ListedResource,
  ListedTemplate,
  ListedTool,
  ServerCatalog,
} from '../directory/types.ts';
import type { ClientAccess, GuardWanted, Principal } from '../guard/types.ts';
import type { PeerView } from '../membership/types.ts';
import type {
  ChannelCall,
  RelayedCall,
  ServerChannel,
  ServerChannelInit,
} from './channel-types.ts';
import type { InnerCaller } from './inner-types.ts';
import type { ServerChanges, ServerCondition } from './server-condition.ts';

/** A call of the node itself to a tool of a peer's built-in server. */
export interface PeerToolCall {
  readonly tool: string;
  readonly args: JsonObject;
  /** On whose behalf. */
  readonly principal: Principal;
  readonly timeoutMs: number;
}

/** A call of a tool of this node that a tool of a peer's built-in server answers in its place. */
export interface OnwardCall extends PeerToolCall {
  readonly call: RelayedCall;
  /** Hears the code of an error that the peer answers, before the caller hears of it. */
  refused(this: void, code: string): void;
}

/** What the guard is asked about a call of a tool that is about one thing: the thing, in place of the tool. */
export type ToolSubject = Pick<GuardWanted, 'ability' | 'facts' | 'resource' | 'look'>;

/** Something that the node does for a caller, and that may wait for a person for longer than a call does. */
export interface OwnAction {
  readonly principal: Principal;
  /** What it is about. */
  readonly wanted: ToolSubject;
  /** What a person is shown, and what makes it the same action when it is asked for again. */
  readonly args: JsonObject;
  /** The session that asks, which can't approve it itself; absent where that is gone. */
  readonly session?: string | undefined;
  /** Aborted when the node does not wait any more; with a text as reason, where nobody ever will. */
  readonly signal: AbortSignal;
  /** How long what it is part of may take, ms: so long a person has, where the policy says nothing of that. */
  readonly lastsMs?: number | undefined;
  /** A person is asked, and has so long, ms. */
  asks(this: void, timeoutMs: number): void;
}

/** An action that may be done, and that the audit log knows of. */
export interface ClearedAction {
  /** It has ended. */
  over(outcome: 'ok' | 'failed' | 'cancelled', reason?: string): void;
}

/** State of one upstream server of this node. */
export interface UpstreamStatus {
  readonly server: string;
  /** `unusable`: its entry in the config file says nothing that could be run or called. */
  readonly kind: 'stdio' | 'http' | 'sse' | 'builtin' | 'unusable';
  /** `idle`: its tools are known, and it starts when it is needed. */
  readonly state: 'starting' | 'ready' | 'idle' | 'failed' | 'stopped';
  readonly tools: number;
  readonly resources: number;
  readonly prompts: number;
  /** Running instances: processes, or sessions at a URL. */
  readonly instances: number;
  /** Why it is not ready, in one sentence; and what to do. */
  readonly error?: string;
  readonly hint?: string;
  /** What of its lists is not offered, or not as it was listed: a sentence each. */
  readonly notes?: readonly string[];
  readonly pid?: number;
  /** `serverInfo` of its initialize result: name and version. */
  readonly serverInfo?: string;
}

/** One upstream server of this node. */
export interface Upstream {
  readonly server: string;
  /** True where all members of the mesh see what it lists. */
  readonly isListed?: boolean;
  status(): UpstreamStatus;
  /** What the server says and lists; empty until it was first ready. The same object until that changes. */
  catalog(): ServerCatalog;
  /** A channel for one session. @throws STARLING_UPSTREAM_UNAVAILABLE while it can't be started */
  open(init: ServerChannelInit): ServerChannel;
  /** True for a tool that `principal` may never call, whatever it was granted. */
  isBarred(tool: string, principal: Principal): boolean;
  /** Why an item that the server lists is left out; undefined when it is not. */
  leftOut(kind: ItemKind, name: string): string | undefined;
  /** What is said of a server that has never been ready: since when it starts, and what it last wrote; absent where nothing starts. */
  stillStarting?(): StarlingError;
  /** How a call of `tool` says what it is about; undefined where the guard is asked about the tool. */
  subjectOf?(tool: string): BuiltinTool['subject'];
}

/** Events of the upstream servers. */
export interface UpstreamsEvents {
  /** State or lists of a server changed. */
  change: [server: string];
}

/** All upstream servers of this node. */
export interface Upstreams extends Startable {
  readonly events: EventEmitter<UpstreamsEvents>;
  /** In configured order, the built-in server `starling` last. */
  all(): readonly Upstream[];
  get(server: string): Upstream | undefined;
  /** Resolves when each server is ready or has failed its first start. */
  settled(): Promise<void>;
  /** Starts, stops and restarts servers so that they are as `servers` says; the unchanged ones run on. */
  configure(servers: Readonly<Record<string, McpServer>>): Promise<ServerChanges>;
  /** Of a server of the configuration; undefined where there is none of the name. */
  condition(server: string): ServerCondition | undefined;
  /** Ends what runs of a server, starts it anew, waits for nothing; false where `run` is not its run. @throws STARLING_USAGE */
  restart(server: string, run?: number): boolean;
  /** Offers a function of this program; gives what takes it away. @throws STARLING_USAGE */
  offer(tool: FunctionTool): () => void;
  /**
   * Hears that the secrets in the configuration have changed: what failed for want of one starts anew.
   * Gives the servers that run on with what a secret was before.
   */
  secretsChanged(): readonly string[];
}

/** What a tool of the built-in server is given. */
export interface BuiltinContext {
  readonly principal: Principal;
  /** The caller's session, where calls may wait for approvals: no session approves its own. */
  readonly session?: string | undefined;
  /** Aborted when the caller cancels or goes away. */
  readonly signal: AbortSignal;
  /** Tells a caller that asked for progress how far the call is (MCP 2025-11-25 `utilities/progress`). */
  progress?(progress: number, message?: string): void;
  /**
   * Shows a form to the person before the client that calls; gives the result of `elicitation/create`,
   * undefined when there is none. `key` names the question across the rounds of one call. Aborting
   * `signal` takes the form back. @throws STARLING_USAGE when the client shows no forms
   */
  elicit?(key: string, params: JsonObject, signal: AbortSignal): Promise<JsonObject | undefined>;
  /** The model before the client, for as long as the session lasts; absent where the client offers none. */
  readonly sampling?: ClientSampling | undefined;
}

/** The model before the client of a session. */
export interface ClientSampling {
  /** The result of `sampling/createMessage`; undefined where the client fails or goes, or `signal` is aborted. */
  ask(params: JsonObject, signal: AbortSignal): Promise<JsonObject | undefined>;
  /** Aborted when the session is over. */
  readonly over: AbortSignal;
}

/** A resource of the built-in server `starling`. */
export interface BuiltinResource {
  /** The MCP Resource object: uri, name, description, mimeType. */
  readonly definition: ListedResource & { readonly mimeType: string };
  /** Its text, as this caller may see it. */
  read(context: BuiltinContext): Promise<string>;
}

/** Resources of the built-in server `starling` that are too many to list: what fits one template. */
export interface BuiltinTemplate {
  /** The MCP ResourceTemplate object: uriTemplate, name, description, mimeType. */
  readonly definition: ListedTemplate & { readonly mimeType: string };
  /** The text of `uri`, as this caller may see it; undefined where the template has no such resource. */
  read(uri: string, context: BuiltinContext): Promise<string | undefined>;
  /**
   * Tells each change of `uri` from when the promise resolves until the function that it gives is called; undefined
   * where the template has no such resource.
   */
  watch(
    uri: string,
    context: BuiltinContext,
    changed: () => void,
  ): Promise<(() => void) | undefined>;
}

/**
 * Begins a call, and gives what is called where its caller gives it up; undefined where it has done nothing. `settled` is
 * called once, with what {@link BuiltinTool.call} would give or throw. The result is plain JSON, without absent members.
 */
export type BeginCall = (
  args: JsonObject,
  principal: Principal,
  settled: (outcome: JsonObject | StarlingError) => void,
) => (() => void) | undefined;

/** A tool of the built-in server `starling`. */
export interface BuiltinTool {
  /** The MCP Tool object: name, title, description, inputSchema, annotations. */
  readonly definition: ListedTool;
  /** What clients of this node may do with it: see {@link ClientAccess}. */
  readonly clients: ClientAccess;
  /** What peers and agents may do with it: call it where that was granted to them, or nothing. */
  readonly peers: 'granted' | 'no';
  /** Whether the page in the operator's browser may call it; absent: not. */
  readonly dashboard?: boolean;
  /** What a call with these arguments is about: the guard is asked about that, and not about the tool. */
  readonly subject?: ((args: JsonObject) => ToolSubject | undefined) | undefined;
  /** The members of its result stand at the top of the MCP result, too. */
  readonly onTop?: boolean;
  /** Other nodes call it, and read the structured content alone: its answers have no text besides. */
  readonly forNodes?: boolean;
  /** Its result has the `taskId` of a task: a client that can deal with tasks gets that, where it has not ended. */
  readonly givesTask?: boolean;
  /** A call may wait for long: such calls do not take the places of others. */
  readonly waits?: boolean;
  /**
   * Hands on a call that another node answers as this one would, and gives how to cancel it; undefined for one that this
   * node answers itself.
   */
  readonly onward?: ((call: RelayedCall) => ChannelCall | undefined) | undefined;
  /** Begins a call of the commonest form, without a promise for each step; undefined for all others, which `call` does. */
  readonly begin?: BeginCall | undefined;
  /**
   * Runs it. The result becomes `structuredContent`, and its JSON the text content.
   * A thrown StarlingError becomes a JSON-RPC error for STARLING_USAGE, else an `isError` result.
   */
  call(args: JsonObject, context: BuiltinContext): Promise<JsonObject>;
  /** Ends what the tool keeps between calls, when the node stops. */
  stop?(): void;
}

/** Tasks of the node as MCP tasks (SEP-2663): a client polls them by their ids, whichever session has begun them. */
export interface BuiltinTasks {
  /** The task as `tasks/get` shows it. @throws STARLING_TASK_UNKNOWN */
  get(taskId: string, context: BuiltinContext): Promise<JsonObject>;
  /** Takes answers by the keys of their questions; what is not asked is passed over. @throws STARLING_TASK_UNKNOWN */
  update(taskId: string, responses: JsonObject, context: BuiltinContext): Promise<void>;
  /** Ends the task, where it has not ended. @throws STARLING_TASK_UNKNOWN, STARLING_CALL_REFUSED */
  cancel(taskId: string, context: BuiltinContext): Promise<void>;
}

/** What a function is given besides its arguments. */
export interface FunctionContext {
  /** On whose behalf it is called. */
  readonly principal: Principal;
  /** Aborted when the caller cancels or goes away. */
  readonly signal: AbortSignal;
  /** Tells how far it is, where the caller wants to know. */
  readonly progress: (progress: number, total?: number, message?: string) => void;
}

/** A function of the program that holds the node, as a tool. */
export interface FunctionTool {
  readonly name: string;
  readonly description?: string;
  /** JSON Schema of its arguments; default: any object. */
  readonly inputSchema?: JsonObject;
  /**
   * Hints of MCP. What is marked `readOnlyHint` or `idempotentHint` is listed once where several nodes offer it alike, and
   * another one of them is asked where one is lost.
   */
  readonly annotations?: {
    readonly title?: string;
    readonly readOnlyHint?: boolean;
    readonly destructiveHint?: boolean;
    readonly idempotentHint?: boolean;
    readonly openWorldHint?: boolean;
  };
  /** An object becomes the structured content, unless it is a result of MCP; what it throws is a failed call. */
  handler(args: JsonObject, context: FunctionContext): Promise<Json | void> | Json | void;
}

/** How far a call is. */
export interface CallProgress {
  readonly progress: number;
  readonly total?: number;
  readonly message?: string;
}

/** How a program calls a tool. */
export interface OwnCallOptions {
  /** Cancels the call. */
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: CallProgress) => void) | undefined;
  /**
   * How often the call is made again where its failure says that it may succeed later, after pauses that double; for what
   * may be done twice. Default 0.
   */
  readonly retries?: number | undefined;
}

/** An agent of this node as others' protocols show it. */
export interface CardAgent {
  readonly name: string;
  readonly kind: string;
  /** What it can do. */
  readonly skills: readonly {
    readonly id: string;
    readonly description?: string;
    readonly tags: readonly string[];
  }[];
}

/** The agents of this node, for doors that show them. */
export interface ShownAgents {
  /** The agent that goes by this name and that its owner lists. */
  listed(name: string): CardAgent | undefined;
  /** Whether cards are shown to whoever asks. */
  arePublic(): boolean;
}

/** By which door a session came in. */
export type SessionDoor = 'socket' | 'http' | 'tcp' | 'peer';

/** Where local clients attach. */
export interface GatewayEndpoints {
  /** `http://127.0.0.1:4100/mcp`; absent when HTTP is off. */
  readonly url?: string;
  /** `127.0.0.1:9500`; absent when TCP is off. */
  readonly tcp?: string;
  /** Unix socket or named pipe for `starling mcp` and the CLI: newline-delimited JSON-RPC. */
  readonly socket: string;
  /** File that holds the bearer token of the HTTP endpoint. */
  readonly tokenFile: string;
}

/** Which program is started as an agent, and with what rights. */
export interface AgentStart {
  /** How messages call it: `agent coder`. */
  readonly name: string;
  readonly server: StdioServer;
  /** `mcp`: an MCP server with a tool `message`. `lines`: lines of JSON (docs/agents.md). */
  readonly protocol: 'mcp' | 'lines';
  /** By whose rights it calls, asked before each of its calls. */
  principal(): Principal;
  /** The process is there. */
  spawned(pid: number): void;
  /** A line that the process has written, and that is no message. */
  wrote(line: string): void;
  /** A program with its arguments that starts the command, as `prlimit --data=…`. */
  readonly within: readonly string[];
  /** Messages that it is given at a time. */
  readonly callsMax: number;
  /** How long one message may take. */
  readonly timeoutMs: number;
  /** Aborted when the agent is stopped: a start that is under way is given up. */
  readonly signal: AbortSignal;
}

/** A server that is to be tried: what decides for whom it runs is left out, because nobody calls it. */
export interface ServerTrial {
  readonly name: string;
  readonly server: Omit<StdioServer, 'idleMs' | 'peerRoots' | 'shared'>;
  /** A program with its arguments that starts the command, as `prlimit --data=…`. */
  readonly within: readonly string[];
  /** Tools that are asked for. */
  readonly toolsMax: number;
  /** A line that it has written, and that is no message. */
  wrote(this: void, line: string): void;
  readonly signal: AbortSignal;
}

/** A tool as a server on trial told of it: its own words. */
export interface TriedTool {
  readonly name: string;
  readonly description: string;
}

/** A process of an agent that has said that it is there. */
export interface AgentProcess {
  readonly pid: number | undefined;
  /** Resolves when the process is over, with why. Never rejects. */
  readonly ended: Promise<StarlingError>;
  /**
   * Has it deal with one message; gives its answer. `sender` is who sent it, by what nobody else can have.
   * @throws STARLING_AGENT_FAILED, STARLING_UPSTREAM_UNAVAILABLE, STARLING_TIMEOUT
   */
  deliver(message: JsonObject, timeoutMs: number, sender: string): Promise<Json>;
  /** What it takes in of messages that it has dealt with; undefined where there is nothing. Never rejects. */
  learned?(): Promise<void> | undefined;
  /** Ends it, by force where it takes too long. */
  close(): Promise<void>;
}

/** The MCP gateway of one node. */
export interface Gateway extends Startable {
  /**
   * Starts a program as an agent, in its sandbox; resolves when it has shaken hands.
   * @throws STARLING_UPSTREAM_UNAVAILABLE, STARLING_UPSTREAM_INVALID when it has no tool `message`
   */
  startAgent(init: AgentStart): Promise<AgentProcess>;
  /**
   * Runs a server in a sandbox, asks it for its tools, and ends it.
   * @throws STARLING_UPSTREAM_UNAVAILABLE, also where there is no sandbox; STARLING_UPSTREAM_INVALID, STARLING_TIMEOUT
   */
  tryServer(init: ServerTrial): Promise<readonly TriedTool[]>;
  /** A caller inside of the node, whose rights are asked for before each of its requests. */
  innerCaller(principal: () => Principal): InnerCaller;
  /** Calls a tool as whoever holds the node, by the name that lists show; gives the result of MCP. */
  callTool(name: string, args: JsonObject, options: OwnCallOptions): Promise<JsonObject>;
  endpoints(): GatewayEndpoints;
  upstreams(): readonly UpstreamStatus[];
  /** Peers whose first list of what they grant this node is on its way. */
  catalogsComing(): readonly PeerId[];
  /** Resolves when each upstream is ready or has failed its first start. */
  settled(): Promise<void>;
  /** Resolves when all that servers have listed so far is offered. */
  listed(): Promise<void>;
  /** Takes on new servers, lists and views; sessions stay, and hear what has changed. */
  configure(config: Pick<Config, 'mcpServers' | 'list' | 'views'>): Promise<ServerChanges>;
  /** True while `caller` has a session here that it opened with its own key. */
  serves(caller: Did): boolean;
  /** Called when such a session is opened. */
  onCaller(listener: (caller: Did) => void): () => void;
  /** Calls a tool of a peer's built-in server. @throws what the peer answers, STARLING_PEER_UNREACHABLE, … */
  callPeer(peer: PeerView, call: PeerToolCall): Promise<JsonObject>;
  /** Has a tool of a peer's built-in server answer a call; its answer goes to the caller as it comes. */
  relayToPeer(peer: PeerView, onward: OnwardCall): ChannelCall;
  /**
   * Lets this node do something for a caller; the same again waits for the same person's answer.
   * @throws STARLING_CALL_REFUSED with `state` where a person or the time said no; STARLING_STOPPED
   */
  clear(action: OwnAction): Promise<ClearedAction>;
  /** The guard may decide otherwise now: makes lists anew, and asks it again about calls under way. */
  recheck(): void;
  /** The name of an agent that the node runs is given up: its calls that are tasks are no successor's. */
  forgetAgent(name: string): void;
  /** Hex digest of all tools of all upstreams (the built-in one left out), whoever may see them. */
  catalogDigest(): string;
  /** Called when {@link catalogDigest} changes. */
  onCatalogChange(listener: () => void): () => void;
  /** What this node lists to all members of the mesh, whoever they are. */
  listing(): readonly ServerCatalog[] | undefined;
  /** Called when {@link listing} may be another, and not before the servers have had the time to start. */
  onListingChange(listener: () => void): () => void;
  /** Calls in flight, of all sessions. */
  load(): number;
  /** Open sessions by where they come from. */
  sessions(): Readonly<Record<SessionDoor, number>>;
}
