/**
 * Calls of the program that holds the node, and answers of the node's own server, as frames: their text is written where
 * somebody reads it, as on the way to a peer or a client. Where both ends are in this process, nobody does.
 */
import { isObject } from '../../core/index.ts';
import type { Json, JsonObject } from '../../core/index.ts';
import { idText } from './frame-id.ts';
import { RESULT_HEAD, RESULT_MIDDLE, parseFrame, resultBytes, resultBytesOf } from './frame.ts';
import { emptySpans, scanSpans } from './json-scan.ts';
import type { Frame, FrameId, RequestFrame, ResponseFrame, Spans } from '../frame-types.ts';

/** A tool that the program calls, and what it says of itself. */
export interface OwnCallInit {
  readonly name: string;
  readonly args: JsonObject;
  readonly meta: JsonObject;
}

/**
 * The call of a tool as a frame, with arguments that the program can't change any more. @throws TypeError for what has no
 * JSON
 */
export function ownCallFrame(id: number, { name, args, meta }: OwnCallInit): Frame {
  const text = JSON.stringify(args);
  const parsed = JSON.parse(text) as Json;
  if (isObject(parsed)) return new OwnCallFrame(id, { name, args: parsed, meta }, text);
  // What is no object is for the frame to refuse, or to take for none.
  return parseFrame(textOf(id, { name, meta }, text));
}

function textOf(id: number, { name, meta }: Omit<OwnCallInit, 'args'>, argsText: string): Buffer {
  const params = `{"name":${JSON.stringify(name)},"arguments":${argsText},"_meta":${JSON.stringify(meta)}}`;
  return Buffer.from(`{"jsonrpc":"2.0","id":${id},"method":"tools/call","params":${params}}`);
}

class OwnCallFrame implements RequestFrame {
  readonly kind = 'request';
  readonly method = 'tools/call';
  readonly id: number;
  readonly params: JsonObject;
  readonly argumentsText: string;
  readonly #init: OwnCallInit;
  #bytes: Buffer | undefined;
  #spans: Spans | undefined;

  constructor(id: number, init: OwnCallInit, argumentsText: string) {
    this.id = id;
    this.params = { name: init.name, arguments: init.args, _meta: init.meta };
    this.argumentsText = argumentsText;
    this.#init = init;
  }

  get bytes(): Buffer {
    this.#bytes ??= textOf(this.id, this.#init, this.argumentsText);
    return this.#bytes;
  }

  get spans(): Spans {
    this.#spans ??= scanSpans(this.bytes);
    return this.#spans;
  }
}

/** How a result is written, and whether it tells of a failure, where that is known without it. */
interface OwnResultInit {
  readonly text?: () => string;
  readonly isError?: boolean;
}

/**
 * {@link resultBytes} as a frame, with its places: nobody has to look for what this node has written itself. A result that
 * is a function is made for the first who reads it.
 */
export function ownResultFrame(
  id: FrameId,
  result: JsonObject | (() => JsonObject),
  init: OwnResultInit = {},
): ResponseFrame {
  return new OwnResultFrame(id, result, init);
}

class OwnResultFrame implements ResponseFrame {
  readonly kind = 'response';
  readonly isOwn = true;
  readonly id: FrameId;
  readonly #init: OwnResultInit;
  #result: JsonObject | (() => JsonObject);
  #bytes: Buffer | undefined;
  #spans: Spans | undefined;

  constructor(id: FrameId, result: JsonObject | (() => JsonObject), init: OwnResultInit) {
    this.id = id;
    this.#result = result;
    this.#init = init;
  }

  get result(): JsonObject {
    if (typeof this.#result === 'function') this.#result = this.#result();
    return this.#result;
  }

  get isError(): boolean {
    return this.#init.isError ?? this.result['isError'] === true;
  }

  get bytes(): Buffer {
    this.#bytes ??= this.#written();
    return this.#bytes;
  }

  get spans(): Spans {
    this.#spans ??= this.#places();
    return this.#spans;
  }

  #written(): Buffer {
    const { text } = this.#init;
    return text === undefined ? resultBytes(this.id, this.result) : resultBytesOf(this.id, text());
  }

  #places(): Spans {
    const { bytes } = this;
    const idStart = RESULT_HEAD.length;
    const idEnd = idStart + Buffer.byteLength(idText(this.id));
    const spans = emptySpans(bytes);
    spans.id = { start: idStart, end: idEnd };
    spans.result = { start: idEnd + RESULT_MIDDLE.length, end: bytes.length - 1 };
    return spans;
  }
}
