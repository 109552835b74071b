/** The way of one session to one server: what goes over a channel, and who hears of what comes back. */
import type { JsonObject, StarlingError } from '../core/index.ts';
import type { Principal } from '../guard/types.ts';
import type { PeerView } from '../membership/types.ts';
import type { FrameEdits, NotificationFrame, RequestFrame, ResponseFrame } from './frame-types.ts';

/** A relayed request on its way to a {@link Channel}. Exactly one of `response` and `failed` is called, once. */
export interface RelayedCall {
  readonly request: RequestFrame;
  /** Who asks: the built-in server decides by it. */
  readonly principal: Principal;
  /** The caller's session, as approvals know it. */
  readonly session?: string;
  /** What is called otherwise at the other end: `name` or `uri`. */
  readonly edits?: Pick<
    FrameEdits,
    | 'name'
    | 'uri'
    | 'arguments'
    | 'refName'
    | 'refUri'
    | 'taskId'
    | 'clientCapabilities'
    | 'params'
    | 'meta'
    | 'traceparent'
  >;
  /** How long it may take without progress, ms; default: as long as the calls of its channel. */
  readonly timeoutMs?: number;
  /** The answer, still with the channel's id: the session puts the caller's id back. */
  response(frame: ResponseFrame): void;
  /** Progress, still with the channel's token; only when the caller gave a token. */
  progress(frame: NotificationFrame): void;
  /** Another notification that belongs to this call, as it came: a log message. */
  notification(frame: NotificationFrame): void;
  /** The channel ended, refused, or timed out before an answer came. */
  failed(error: StarlingError): void;
}

/** How a server's request is answered: the bytes of one response that carries the request's id. */
export type Answer = (message: Buffer) => void;

/**
 * Who hears what a server says by itself. `related` is the call on whose stream it came, where the
 * transport tells.
 */
export interface ChannelListener {
  notification(frame: NotificationFrame, related?: RelayedCall): void;
  /** A request of the server: sampling, elicitation, roots. */
  request(frame: RequestFrame, answer: Answer, related?: RelayedCall): void;
}

/** A connection to something that answers MCP requests: an upstream process or URL, or a peer. */
export interface Channel {
  /** Sends a caller's request under an id of the channel's own. Returns how to cancel it. */
  relay(call: RelayedCall): ChannelCall;
  /** Our own request. @throws STARLING_TIMEOUT, STARLING_UPSTREAM_UNAVAILABLE, … */
  request(
    method: string,
    params: JsonObject,
    options: { readonly timeoutMs: number; readonly totalMs?: number },
  ): Promise<ResponseFrame>;
  /** Our own notification. False when it was not sent: too much waits already, or the channel is over. */
  notify(method: string, params: JsonObject): boolean;
  /** Relayed calls that wait for an answer. */
  readonly inFlight: number;
  /** Relayed calls that were answered so far. */
  readonly answered: number;
  /** True once it is over: whatever it is asked fails. */
  readonly isOver: boolean;
}

/** A relayed call in flight. */
export interface ChannelCall {
  /**
   * Tells the other end (`notifications/cancelled`) and forgets the call: neither `response` nor
   * `failed` is called any more. A no-op when the call is over.
   */
  cancel(reason?: string): void;
}

/** What a session tells servers of its client. */
export interface ClientFacts {
  /** `capabilities` as the client declared them. */
  readonly capabilities: JsonObject;
  readonly clientInfo: JsonObject;
}

/** A client that the node itself can ask things. */
export interface AskableClient {
  /** Its session, by the name that approvals use. */
  readonly session: string;
  readonly client: ClientFacts;
  /**
   * Asks by a request of `method`. Undefined when there is no answer: the client went away, or answered
   * with an error, or `signal` was aborted, which takes the question back.
   */
  ask(method: string, params: JsonObject, signal: AbortSignal): Promise<JsonObject | undefined>;
}

/** Which server a call goes to. */
export interface ServerTarget {
  /** Its owner; absent for a server of this node. */
  readonly peer?: PeerView;
  readonly server: string;
}

/** One session's connection to one server: an instance of it here, or a stream to the peer that owns it. */
export interface ServerChannel extends Pick<Channel, 'relay' | 'request'> {
  /** A notification of the session, which is dropped where too much waits already. */
  notify(method: string, params: JsonObject): void;
  /** Resolves when it is over, with why; the next call needs a new one. Never rejects. */
  readonly ended: Promise<StarlingError>;
  close(): void;
}

/** What a channel to a server is opened with. */
export interface ServerChannelInit {
  readonly principal: Principal;
  readonly client: ClientFacts;
  readonly listener: ChannelListener;
}

/** Opens a session's channels. */
export interface ServerChannels {
  /** @throws STARLING_PEER_UNREACHABLE, STARLING_UPSTREAM_UNAVAILABLE */
  open(target: ServerTarget, init: ServerChannelInit): ServerChannel | Promise<ServerChannel>;
}
