/** The shapes that the gateway's parts hand each other. */
import type { EventEmitter } from 'node:events';
import type { Json, JsonObject, StarlingError, Startable } from '../core/index.ts';
import type { ListedTool } from '../directory/types.ts';
import type { Principal } from '../guard/types.ts';

export type { ApiKey } from './door/api-keys.ts';

/** A JSON-RPC id as MCP allows it. */
export type FrameId = string | number;

/** A JSON-RPC error object. */
export interface FrameError {
  readonly code: number;
  readonly message: string;
  readonly data?: Json;
}

/** One JSON-RPC message, parsed once. `bytes` is the message as it came, without line end. */
export type Frame = RequestFrame | NotificationFrame | ResponseFrame;

/** A request. */
export interface RequestFrame {
  readonly kind: 'request';
  readonly bytes: Buffer;
  readonly id: FrameId;
  readonly method: string;
  readonly params: JsonObject;
}

/** A notification. */
export interface NotificationFrame {
  readonly kind: 'notification';
  readonly bytes: Buffer;
  readonly method: string;
  readonly params: JsonObject;
}

/** A response: exactly one of `result` and `error`. `id` is null when the sender could not tell. */
export interface ResponseFrame {
  readonly kind: 'response';
  readonly bytes: Buffer;
  readonly id: FrameId | null;
  readonly result?: JsonObject;
  readonly error?: FrameError;
}

/** What a relay may change in a frame; everything else keeps its bytes. */
export interface FrameEdits {
  readonly id?: FrameId;
  /** `params.name` */
  readonly name?: string;
  /** `params._meta.progressToken` of a request, `params.progressToken` of a progress notification. */
  readonly progressToken?: FrameId;
  /** `params.requestId` of `notifications/cancelled`. */
  readonly requestId?: FrameId;
}

/** A relayed request on its way to a {@link Link}. Exactly one of `response` and `failed` is called, once. */
export interface RelayedCall {
  readonly request: RequestFrame;
  /** Who asks: the built-in server decides by it. */
  readonly principal: Principal;
  /** The tool's name at the other end, when it differs. */
  readonly name?: string;
  /** The answer, still with the link's id: the session puts the caller's id back. */
  response(frame: ResponseFrame): void;
  /** Progress, still with the link's token; only when the caller gave a token. */
  progress(frame: NotificationFrame): void;
  /** The link ended, refused, or timed out before an answer came. */
  failed(error: StarlingError): void;
}

/** A connection to something that answers MCP requests: an upstream process or URL, or a peer. */
export interface Link {
  /** Sends a caller's request under an id of the link's own. Returns how to cancel it. */
  relay(call: RelayedCall): LinkCall;
  /** Our own request. @throws STARLING_TIMEOUT, STARLING_UPSTREAM_UNAVAILABLE, … */
  request(
    method: string,
    params: JsonObject,
    options: { readonly timeoutMs: number },
  ): Promise<ResponseFrame>;
  /** Our own notification. */
  notify(method: string, params: JsonObject): void;
  /** Relayed calls that wait for an answer. */
  readonly inFlight: number;
}

/** A relayed call in flight. */
export interface LinkCall {
  /**
   * Tells the other end (`notifications/cancelled`) and forgets the call: neither `response` nor
   * `failed` is called any more. A no-op when the call is over.
   */
  cancel(reason?: string): void;
}

/** State of one upstream server of this node. */
export interface UpstreamStatus {
  readonly server: string;
  readonly kind: 'stdio' | 'http' | 'builtin';
  readonly state: 'starting' | 'ready' | 'failed' | 'stopped';
  readonly tools: number;
  /** Why it is not ready, in one sentence; and what to do. */
  readonly error?: string;
  readonly hint?: string;
  readonly pid?: number;
  /** `serverInfo` of its initialize result: name and version. */
  readonly serverInfo?: string;
}

/** One upstream server of this node, kept running. */
export interface Upstream {
  readonly server: string;
  status(): UpstreamStatus;
  /** Tools as the server lists them; empty while it is not ready. */
  tools(): readonly ListedTool[];
  /** @throws STARLING_UPSTREAM_UNAVAILABLE while it is not ready */
  link(): Link;
  /** True for a tool that nobody but this node's operator may ever call, whatever is granted. */
  forOperatorOnly(tool: string): boolean;
}

/** Events of the upstream servers. */
export interface UpstreamsEvents {
  /** State or tools of a server changed. */
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
}

/** What a tool of the built-in server is given. */
export interface BuiltinContext {
  readonly principal: Principal;
  /** Aborted when the caller cancels or goes away. */
  readonly signal: AbortSignal;
}

/** A tool of the built-in server `starling`. */
export interface BuiltinTool {
  /** The MCP Tool object: name, title, description, inputSchema, annotations. */
  readonly definition: ListedTool;
  /** True when only the node's operator may ever call it, whatever is granted. */
  readonly operatorOnly: boolean;
  /**
   * Runs it. The result becomes `structuredContent`, and its JSON the text content.
   * A thrown StarlingError becomes a JSON-RPC error for STARLING_USAGE, else an `isError` result.
   */
  call(args: JsonObject, context: BuiltinContext): Promise<JsonObject>;
}

/** Where local clients attach. */
export interface GatewayEndpoints {
  /** `http://127.0.0.1:4100/mcp`; absent when HTTP is off. */
  readonly url?: string;
  /** Unix socket or named pipe for `starling mcp` and the CLI: newline-delimited JSON-RPC. */
  readonly socket: string;
  /** File that holds the bearer token of the HTTP endpoint. */
  readonly tokenFile: string;
}

/** The MCP gateway of one node. */
export interface Gateway extends Startable {
  endpoints(): GatewayEndpoints;
  upstreams(): readonly UpstreamStatus[];
  /** Resolves when each upstream is ready or has failed its first start. */
  settled(): Promise<void>;
  /** Hex digest of all tools of all upstreams (the built-in one left out), whoever may see them. */
  catalogDigest(): string;
  /** Called when {@link catalogDigest} changes. */
  onCatalogChange(listener: () => void): () => void;
  /** Calls in flight, of all sessions. */
  load(): number;
  /** Open sessions by where they come from. */
  sessions(): Readonly<Record<'socket' | 'http' | 'peer', number>>;
}
