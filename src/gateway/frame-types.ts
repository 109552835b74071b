/** One JSON-RPC message as the gateway's parts hand it on, and the places in its text. */
import type { Json, JsonObject } from '../core/index.ts';

/** A JSON-RPC id: a text, or a number, which is written back as it came. */
export type FrameId = string | number | WrittenNumber;

/** A JSON number that JavaScript would write otherwise. */
export interface WrittenNumber {
  readonly written: string;
}

/** A value's place: first byte, and the byte after its last. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** An object of the envelope. */
export type EnvelopeLevel = 'top' | 'params' | 'meta' | 'ref' | 'argument' | 'task';

/** A key that decides nothing by what it is: its place, quotes included. */
export interface Stranger extends Span {
  readonly level: EnvelopeLevel;
}

/**
 * The places in a message that a relay may change, or read as they were written; undefined where there is none. All of them are
 * always members, in one order: what reads them meets objects of one form then, whatever came in which order.
 */
export interface Spans {
  /** The text that the places are in. */
  readonly bytes: Buffer;
  id: Span | undefined;
  /** The object `params`, braces included. */
  params: Span | undefined;
  /** `params` where it is no object. */
  oddParams: Span | undefined;
  /** The object `params._meta`. */
  meta: Span | undefined;
  /** `params._meta` where it is no object. */
  oddMeta: Span | undefined;
  /** The object `result`. */
  result: Span | undefined;
  /** `params.name` */
  name: Span | undefined;
  /** `params.uri` */
  uri: Span | undefined;
  /** `params.ref.name` */
  refName: Span | undefined;
  /** `params.ref.uri` */
  refUri: Span | undefined;
  /** `params.arguments` */
  arguments: Span | undefined;
  /** `params.requestId` */
  requestId: Span | undefined;
  /** `params.taskId` */
  taskId: Span | undefined;
  /** `params.progressToken` */
  progressToken: Span | undefined;
  /** `params._meta.progressToken` */
  metaProgressToken: Span | undefined;
  /** `params._meta["io.modelcontextprotocol/clientCapabilities"]` */
  clientCapabilities: Span | undefined;
  /** Keys of the envelope that are none of those that decide, in the order of the text. */
  strangers: Stranger[] | undefined;
  /** A repeated key among those that decide where a message goes and what it asks. */
  repeated: string | undefined;
}

/** A JSON-RPC error object. */
export interface FrameError {
  readonly code: number;
  readonly message: string;
  readonly data?: Json;
}

/** One JSON-RPC message, parsed once. `bytes` is the message as it came, without line end. */
export type Frame = RequestFrame | NotificationFrame | ResponseFrame;

/** Has an id, and is answered once. */
export interface RequestFrame {
  readonly kind: 'request';
  readonly bytes: Buffer;
  /** Where the parts of `bytes` stand. */
  readonly spans?: Spans;
  readonly id: FrameId;
  readonly method: string;
  readonly params: JsonObject;
  /** `params.arguments` as JSON, where that is known without a look at `bytes`. */
  readonly argumentsText?: string;
}

/** Has no id, and is never answered. */
export interface NotificationFrame {
  readonly kind: 'notification';
  readonly bytes: Buffer;
  readonly spans?: Spans;
  readonly method: string;
  readonly params: JsonObject;
}

/**
 * A response: one of `result`, `error` and `odd`. `id` is null when the sender could not tell.
 */
export interface ResponseFrame {
  readonly kind: 'response';
  readonly bytes: Buffer;
  readonly spans?: Spans;
  /** What is wrong with an answer that can't be read; beside an empty result where it was null. */
  readonly odd?: string;
  readonly id: FrameId | null;
  readonly result?: JsonObject;
  readonly error?: FrameError;
  /** This node has made the answer, just for the call that it answers. */
  readonly isOwn?: boolean;
  /** Whether `result` says that its tool has failed, where that is known without a look at it. */
  readonly isError?: boolean;
}

/** What a relay may change in a frame; everything else keeps its bytes. */
export interface FrameEdits {
  readonly id?: FrameId;
  /** `params.name` */
  readonly name?: string;
  /** `params.uri` */
  readonly uri?: string;
  /** `params.arguments`, as JSON. */
  readonly arguments?: string;
  /** `params.ref.name` */
  readonly refName?: string;
  /** `params.ref.uri` */
  readonly refUri?: string;
  /** `params._meta.progressToken` of a request, `params.progressToken` of a progress notification. */
  readonly progressToken?: FrameId;
  /** What the client of a modern request can do, in its `_meta`. */
  readonly clientCapabilities?: JsonObject;
  /** `params.requestId` of `notifications/cancelled`. */
  readonly requestId?: FrameId;
  /** `params.taskId` of a request about a task. */
  readonly taskId?: string;
  /** `params._meta.traceparent`, whether the message has one or not. */
  readonly traceparent?: string;
  /** New members of `params`, of `params._meta`, of `result`: none of them may be there already. */
  readonly params?: JsonObject;
  readonly meta?: JsonObject;
  readonly result?: JsonObject;
}
