/**
 * JSON-RPC batches (JSON-RPC 2.0 §6; MCP 2025-03-26 has them, later versions do not): an array of
 * messages is split without rewriting any, its requests run side by side, and their answers go back
 * as one array.
 */
import { JSON_BYTE, StarlingError, endOfJsonValue, skipJsonSpace } from '../../core/index.ts';
import { idText, isFrameId } from './frame-id.ts';
import { RPC, errorBytes, errorOf, parseFrame } from './frame.ts';
import { NO_REPLY } from './reply.ts';
import type { Receiver, Reply } from './reply.ts';
import type { Frame, FrameError, FrameId, RequestFrame } from '../frame-types.ts';

/** Messages in one batch. */
const BATCH_MAX = 100;
/** Bytes that the answers to one batch may have together. */
const ANSWERS_BYTES_MAX = 32 * 1024 * 1024;

const { comma: COMMA, openBracket: OPEN_BRACKET, closeBracket: CLOSE_BRACKET } = JSON_BYTE;

/** A member of a batch that is no message: the error that answers it. */
export interface InvalidFrame {
  readonly kind: 'invalid';
  readonly answer: Buffer;
}

/** Several messages that came as one. */
export interface BatchFrames {
  readonly kind: 'batch';
  readonly frames: readonly (Frame | InvalidFrame)[];
}

/** A batch whose answers are not all there yet. */
export interface RunningBatch {
  /** Cancels what is under way, because nobody waits for the answers any more. */
  cancel(reason: string): void;
}

/**
 * Parses what came as one message: a frame, or a batch.
 * @throws STARLING_PROTOCOL_VIOLATION as {@link parseFrame} does, and for a batch that is empty, holds
 * over 100 messages, or has a member that is not JSON
 */
export function parseIncoming(bytes: Buffer): Frame | BatchFrames {
  if (!isBatch(bytes)) return parseFrame(bytes);
  return { kind: 'batch', frames: splitBatch(bytes).map((member) => parseMember(member)) };
}

/**
 * Gives the frames of a batch to `session`. `respond` gets what comes before the answers as it comes,
 * then once: all answers as one array (`final`), or, when there is nothing to answer, `dropped`.
 */
export function receiveBatch(
  session: Receiver,
  frames: BatchFrames['frames'],
  respond: Reply,
): RunningBatch {
  const running = new Batch(session, respond);
  running.run(frames);
  return running;
}

class Batch implements RunningBatch {
  readonly #session: Receiver;
  readonly #respond: Reply;
  readonly #answers: Buffer[] = [];
  readonly #waiting = new Set<RequestFrame>();
  #sizeBytes = 0;
  #started = false;

  constructor(session: Receiver, respond: Reply) {
    this.#session = session;
    this.#respond = respond;
  }

  run(frames: BatchFrames['frames']): void {
    // All at first, so that an answer that comes at once does not end the batch.
    for (const frame of frames) if (frame.kind === 'request') this.#waiting.add(frame);
    for (const frame of frames) {
      if (frame.kind === 'invalid') this.#answers.push(frame.answer);
      else if (frame.kind !== 'request') this.#session.receive(frame, NO_REPLY);
      else if (ALONE.has(frame.method)) this.#final(frame, errorBytes(frame.id, alone(frame)));
      else this.#session.receive(frame, this.#replyTo(frame));
    }
    this.#started = true;
    this.#finish();
  }

  cancel(reason: string): void {
    for (const { id } of this.#waiting) {
      this.#session.receive(cancelled(id, reason), NO_REPLY);
    }
  }

  #replyTo(frame: RequestFrame): Reply {
    return {
      interim: (message) => this.#respond.interim(message),
      urgent: (message) => this.#respond.urgent(message),
      final: (message) => this.#final(frame, message),
      dropped: () => this.#settled(frame),
    };
  }

  #final(frame: RequestFrame, message: Buffer): void {
    if (!this.#waiting.has(frame)) return;
    if (this.#sizeBytes + message.length > ANSWERS_BYTES_MAX) {
      this.#answers.push(errorBytes(frame.id, errorOf(tooLarge(message.length))));
    } else {
      this.#sizeBytes += message.length;
      this.#answers.push(message);
    }
    this.#settled(frame);
  }

  #settled(frame: RequestFrame): void {
    if (this.#waiting.delete(frame)) this.#finish();
  }

  #finish(): void {
    if (!this.#started || this.#waiting.size > 0) return;
    if (this.#answers.length === 0) this.#respond.dropped();
    else this.#respond.final(joined(this.#answers));
  }
}

/** Methods that must come alone: the answer of `subscriptions/listen` comes when the subscription ends, and would keep the others' until then. */
export const ALONE: ReadonlySet<string> = new Set(['initialize', 'subscriptions/listen']);

function alone({ method }: RequestFrame): FrameError {
  const text = `${method} must not be part of a batch`;
  return errorOf(new StarlingError('STARLING_PROTOCOL_VIOLATION', text, { hint: 'send it alone' }));
}

function joined(answers: readonly Buffer[]): Buffer {
  const parts = answers.flatMap((answer, index) => [Buffer.from(index === 0 ? '[' : ','), answer]);
  return Buffer.concat([...parts, Buffer.from(']')]);
}

function parseMember(bytes: Buffer): Frame | InvalidFrame {
  try {
    return parseFrame(bytes);
  } catch (error) {
    // A member that is not JSON makes the whole no JSON; JSON that is no message is answered by itself.
    if (!(error instanceof StarlingError)) throw error;
    if (error.data['rpc'] === RPC.parse) throw violation(RPC.parse, error.message);
    const { id } = error.data;
    return { kind: 'invalid', answer: errorBytes(isFrameId(id) ? id : null, errorOf(error)) };
  }
}

/** True for bytes that hold several messages. */
export function isBatch(bytes: Buffer): boolean {
  return bytes[skipJsonSpace(bytes, 0)] === OPEN_BRACKET;
}

/**
 * The members' bytes. Whether each is JSON is for whoever parses them to see.
 * @throws STARLING_PROTOCOL_VIOLATION for what is no list, an empty one, and one of over 100
 */
export function splitBatch(bytes: Buffer): readonly Buffer[] {
  const members: Buffer[] = [];
  let start = skipJsonSpace(bytes, skipJsonSpace(bytes, 0) + 1);
  if (bytes[start] === CLOSE_BRACKET && isAtEnd(bytes, start + 1)) {
    throw violation(RPC.invalidRequest, 'a batch must not be empty');
  }
  for (;;) {
    const end = endOfJsonValue(bytes, start);
    members.push(bytes.subarray(start, end));
    const next = skipJsonSpace(bytes, end);
    if (bytes[next] === CLOSE_BRACKET && isAtEnd(bytes, next + 1)) return members;
    if (bytes[next] !== COMMA) throw violation(RPC.parse, 'the message is not JSON');
    if (members.length >= BATCH_MAX) throw violation(RPC.invalidRequest, TOO_MANY);
    start = skipJsonSpace(bytes, next + 1);
  }
}

const TOO_MANY = `a batch must not hold over ${BATCH_MAX} messages`;

function isAtEnd(bytes: Buffer, start: number): boolean {
  return skipJsonSpace(bytes, start) === bytes.length;
}

function cancelled(requestId: FrameId, reason: string): Frame {
  const params = `{"requestId":${idText(requestId)},"reason":${JSON.stringify(reason)}}`;
  const text = `{"jsonrpc":"2.0","method":"notifications/cancelled","params":${params}}`;
  return parseFrame(Buffer.from(text));
}

function violation(rpc: number, what: string): StarlingError {
  return new StarlingError('STARLING_PROTOCOL_VIOLATION', what, { data: { rpc } });
}

function tooLarge(sizeBytes: number): StarlingError {
  return new StarlingError(
    'STARLING_LIMIT_EXCEEDED',
    `the answer of ${sizeBytes} bytes does not fit in the ${ANSWERS_BYTES_MAX} of its batch`,
    { hint: 'ask for it by itself' },
  );
}
