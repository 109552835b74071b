/**
 * Method `batch`, by which clients of VisionFlow send several calls in one request over TCP: `params` is a list of
 * `{method, params}`, and the result a list of `{result}` or `{error}` in the same order. Each call is written anew as
 * a request of its own and judged as such.
 */
import { StarlingError, isObject } from '../../core/index.ts';
import type { Json } from '../../core/index.ts';
import { ALONE, splitBatch } from './batch.ts';
import { twinInCall } from './envelope.ts';
import { idText, keyOfId } from './frame-id.ts';
import { RPC, cancelledBy, errorBytes, errorOf, parseFrame, spliced } from './frame.ts';
import { scanSpans } from './json-scan.ts';
import type { Receiver, Reply } from './reply.ts';
import type { Frame, FrameId, RequestFrame } from '../frame-types.ts';

const METHOD = 'batch';
const CANCELLED = 'notifications/cancelled';
const NAME = Buffer.from(`"${METHOD}"`);
/** Bytes that the answers to one batch may have together. */
const ANSWERS_BYTES_MAX = 32 * 1024 * 1024;

/** A `batch` request. */
export interface MethodBatch {
  readonly kind: 'methodBatch';
  readonly id: FrameId;
  /** The calls; an error for one that is none. */
  readonly calls: readonly (RequestFrame | StarlingError)[];
}

/**
 * Reads a `batch` request whose `params` are a list; undefined for every other message.
 * @throws STARLING_PROTOCOL_VIOLATION as `parseFrame` does, and for over 100 calls with the `data.id` of the request
 */
export function readMethodBatch(bytes: Buffer): MethodBatch | undefined {
  if (!bytes.includes(NAME)) return undefined;
  const value = tryParse(bytes);
  if (!isObject(value) || value['method'] !== METHOD) return undefined;
  const { params } = value;
  if (!Array.isArray(params)) {
    const frame = parseFrame(bytes);
    const own = frame.kind === 'request' ? { id: frame.id } : {};
    throw new StarlingError(
      'STARLING_PROTOCOL_VIOLATION',
      `"params" of ${METHOD} must be a list of calls`,
      {
        data: { rpc: RPC.invalidParams, ...own },
      },
    );
  }
  const { oddParams } = scanSpans(bytes);
  if (oddParams === undefined) return undefined;
  // The request with its calls taken out: what is wrong with it is wrong with any request.
  const frame = parseFrame(spliced(bytes, [{ ...oddParams, text: '{}' }]));
  if (frame.kind !== 'request') return undefined;
  const { id } = frame;
  const list = bytes.subarray(oddParams.start, oddParams.end);
  const members = params.length === 0 ? [] : asAnswerTo(id, () => splitBatch(list));
  return { kind: 'methodBatch', id, calls: members.map((member, at) => callOf(member, at)) };
}

/** What `read` gives; what is wrong with it is the answer to the request `id`. */
function asAnswerTo<T>(id: FrameId, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof StarlingError)) throw error;
    const { code, message, data } = error;
    throw new StarlingError(code, message, { data: { ...data, id }, cause: error });
  }
}

/** The batches of one connection that are under way. */
export interface MethodBatches {
  /** Runs the calls side by side at `receiver`; the one answer goes to `reply`. */
  receive(receiver: Receiver, batch: MethodBatch, reply: Reply): void;
  /** Where `frame` cancels a batch, all its calls are given up, and nothing is answered; false where it does not. */
  cancelledBy(frame: Frame, receiver: Receiver): boolean;
}

/** Makes the table, empty. */
export function createMethodBatches(): MethodBatches {
  const running = new Map<
    string | number,
    { readonly calls: MethodBatch['calls']; isOver: boolean }
  >();
  return {
    receive(receiver, batch, reply) {
      const key = keyOfId(batch.id);
      if (running.has(key)) {
        const what = violation(`a request with id ${idText(batch.id)} is under way`);
        reply.final(errorBytes(batch.id, errorOf(what)));
        return;
      }
      const entry = { calls: batch.calls, isOver: false };
      running.set(key, entry);
      receiveMethodBatch(receiver, batch, {
        interim: (message) => reply.interim(message),
        urgent: (message) => reply.urgent(message),
        dropped: () => reply.dropped(),
        final(message) {
          if (running.get(key) === entry) running.delete(key);
          if (entry.isOver) reply.dropped();
          else reply.final(message);
        },
      });
    },
    cancelledBy(frame, receiver) {
      if (frame.kind !== 'notification' || frame.method !== CANCELLED) return false;
      const key = cancelledBy(frame);
      const entry = key === undefined ? undefined : running.get(key);
      if (entry === undefined) return false;
      entry.isOver = true;
      const { reason } = frame.params;
      // Calls are known by their own frames: ids are those of the client's other requests.
      for (const call of entry.calls)
        receiver.abandon?.(call, typeof reason === 'string' ? reason : 'its batch was cancelled');
      return true;
    },
  };
}

/** Runs the calls side by side at `receiver`; the one answer goes to `reply`. */
export function receiveMethodBatch(receiver: Receiver, batch: MethodBatch, reply: Reply): void {
  const answers: Buffer[] = [];
  let waiting = batch.calls.length;
  if (waiting === 0) return reply.final(joined(batch.id, answers));
  let sizeBytes = 0;
  const settle = (at: number, answer: Buffer): void => {
    if (answers[at] !== undefined) return;
    sizeBytes += answer.length;
    answers[at] = sizeBytes > ANSWERS_BYTES_MAX ? errorMember(tooMuch()) : answer;
    waiting -= 1;
    if (waiting === 0) reply.final(joined(batch.id, answers));
  };
  for (const [at, call] of batch.calls.entries()) {
    if (call instanceof StarlingError) settle(at, errorMember(call));
    else {
      const own: Reply = {
        interim: (message) => reply.interim(message),
        urgent: (message) => reply.urgent(message),
        final: (message) => settle(at, memberOf(message)),
        dropped: () => settle(at, errorMember(cancelled())),
      };
      // Ids of the calls are ours, and may be those of other requests of the client.
      receiver.receive(call, own, call);
    }
  }
}

function callOf(member: Buffer, at: number): RequestFrame | StarlingError {
  try {
    const value = tryParse(member);
    if (!isObject(value)) throw violation('a call of a batch must be an object');
    const { method } = value;
    if (typeof method !== 'string') throw violation('"method" of a call must be a string');
    if (ALONE.has(method)) throw violation(`${method} must not be part of a batch`);
    const spans = scanSpans(member);
    const { params, oddParams, repeated } = spans;
    if (repeated !== undefined) throw violation(`the call repeats the key "${repeated}"`);
    const twin = twinInCall(method, spans);
    if (twin !== undefined) throw violation(twin);
    const span = params ?? oddParams;
    const text = span === undefined ? '{}' : member.toString('utf8', span.start, span.end);
    const frame = parseFrame(
      Buffer.from(
        `{"jsonrpc":"2.0","id":${at},"method":${JSON.stringify(method)},"params":${text}}`,
      ),
    );
    if (frame.kind !== 'request') throw violation('a call of a batch must be a request');
    return frame;
  } catch (error) {
    if (error instanceof StarlingError) return error;
    throw error;
  }
}

/** `{"result": …}` or `{"error": …}` of an answer, in the bytes that it came in. */
function memberOf(message: Buffer): Buffer {
  const { result } = scanSpans(message);
  if (result !== undefined) {
    const text = message.subarray(result.start, result.end);
    return Buffer.concat([Buffer.from('{"result":'), text, Buffer.from('}')]);
  }
  const frame = parseFrame(message);
  const error = frame.kind === 'response' ? frame.error : undefined;
  return Buffer.from(JSON.stringify({ error: error ?? errorOf(undefined) }));
}

function errorMember(error: StarlingError): Buffer {
  return memberOf(errorBytes(0, errorOf(error)));
}

function joined(id: FrameId, answers: readonly Buffer[]): Buffer {
  const parts = answers.flatMap((answer, at) => [Buffer.from(at === 0 ? '' : ','), answer]);
  const head = `{"jsonrpc":"2.0","id":${idText(id)},"result":[`;
  return Buffer.concat([Buffer.from(head), ...parts, Buffer.from(']}')]);
}

function tryParse(bytes: Buffer): Json | undefined {
  try {
    return JSON.parse(bytes.toString('utf8')) as Json;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function violation(what: string): StarlingError {
  return new StarlingError('STARLING_PROTOCOL_VIOLATION', what, {
    data: { rpc: RPC.invalidRequest },
  });
}

function cancelled(): StarlingError {
  return new StarlingError('STARLING_STOPPED', 'the call was cancelled');
}

function tooMuch(): StarlingError {
  return new StarlingError(
    'STARLING_LIMIT_EXCEEDED',
    `the answers of the batch are over ${ANSWERS_BYTES_MAX} bytes together`,
    { hint: 'ask for fewer at once' },
  );
}
