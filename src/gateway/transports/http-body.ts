/** Reads the body of a POST, and checks what the request claims of it and of its answer. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { StarlingError } from '../../core/index.ts';
import { readRequestBody } from '../door/request-body.ts';
import type { FrameId } from '../frame-types.ts';
import { parseIncoming } from '../wire/batch.ts';
import { idAtEdge } from '../wire/edge-id.ts';
import { isFrameId } from '../wire/frame-id.ts';
import { acceptsType, mediaTypeOf } from '../wire/media-type.ts';
import { refuse, usage } from './http-reply.ts';
import type { AnswerForm } from './http-reply.ts';

const JSON_TYPE = 'application/json';
const EVENTS_TYPE = 'text/event-stream';

/** Why a request is not taken. */
interface Fault {
  readonly status: number;
  readonly error: StarlingError;
  readonly headers?: Readonly<Record<string, string>>;
}

/** The last `Accept`, and its form: a client sends the same with each request. Without one all is taken. */
let last: { readonly accept: string | undefined; readonly form: AnswerForm | undefined } = {
  accept: undefined,
  form: 'either',
};

/** The form in which the client takes an answer (RFC 9110 §12.5.1); undefined when it takes none of ours. */
export function formOf({ headers }: IncomingMessage): AnswerForm | undefined {
  const { accept } = headers;
  if (accept !== last.accept) last = { accept, form: formFor(accept) };
  return last.form;
}

function formFor(accept: string | undefined): AnswerForm | undefined {
  const takesJson = acceptsType(accept, JSON_TYPE);
  const takesEvents = acceptsType(accept, EVENTS_TYPE);
  if (takesJson && takesEvents) return 'either';
  if (takesJson) return 'json';
  return takesEvents ? 'events' : undefined;
}

/** True for a client that takes an event stream. */
export function takesEvents({ headers }: IncomingMessage): boolean {
  return acceptsType(headers.accept, EVENTS_TYPE);
}

/**
 * Hands on the body of a JSON POST whose answer goes elsewhere; answers 415 or 413 itself, with the id of the
 * request, when it is none.
 */
export function readPostedBody(
  request: IncomingMessage,
  response: ServerResponse,
  messageBytes: number,
  done: (body: Buffer) => void,
): void {
  read(request, response, messageBytes, typeFault(request), done);
}

/** Refuses a POST before it is read, with the id of the request in it. */
export function refusePosted(
  request: IncomingMessage,
  response: ServerResponse,
  messageBytes: number,
  fault: Fault,
): void {
  read(request, response, messageBytes, fault, () => undefined);
}

/** {@link readPostedBody} where the answer comes in the response; answers 406, too. */
export function readJsonBody(
  request: IncomingMessage,
  response: ServerResponse,
  messageBytes: number,
  done: (body: Buffer, form: AnswerForm) => void,
): void {
  const form = formOf(request);
  const fault =
    typeFault(request) ??
    (form === undefined
      ? { status: 406, error: usage(`Accept must name ${JSON_TYPE} or ${EVENTS_TYPE}`) }
      : undefined);
  read(request, response, messageBytes, fault, (body) => done(body, form ?? 'either'));
}

/**
 * {@link readPostedBody} of a call without the forms of MCP, whose refusals are told by `fail`. One that shows its key in
 * `Authorization` need not say that its body is JSON, as `curl -d` does not: no page of another site can send that header
 * unasked, which is what the type is held to for.
 */
export function readBareBody(
  request: IncomingMessage,
  messageBytes: number,
  fail: (error: StarlingError, status: number) => void,
  done: (body: Buffer) => void,
): void {
  const fault = request.headers.authorization === undefined ? typeFault(request) : undefined;
  readRequestBody(request, messageBytes, {
    whole: (body) => (fault === undefined ? done(body) : fail(fault.error, fault.status)),
    tooLarge: () => fail(tooLarge(messageBytes), 413),
  });
}

function typeFault({ headers }: IncomingMessage): Fault | undefined {
  const type = headers['content-type'];
  if (type === JSON_TYPE || mediaTypeOf(type) === JSON_TYPE) return undefined;
  return { status: 415, error: usage(`Content-Type must be ${JSON_TYPE}`) };
}

function read(
  request: IncomingMessage,
  response: ServerResponse,
  messageBytes: number,
  fault: Fault | undefined,
  done: (body: Buffer) => void,
): void {
  readRequestBody(request, messageBytes, {
    whole(body) {
      if (fault === undefined) done(body);
      else refuse(response, fault.status, fault.error, fault.headers, idIn(body));
    },
    tooLarge(head) {
      refuse(response, 413, tooLarge(messageBytes), {}, idAtEdge(head) ?? null);
    },
  });
}

/** The id of the request in a body that is refused for another reason. */
function idIn(body: Buffer): FrameId | null {
  try {
    const incoming = parseIncoming(body);
    return incoming.kind === 'request' ? incoming.id : null;
  } catch (error) {
    const { id } = error instanceof StarlingError ? error.data : {};
    return isFrameId(id) ? id : null;
  }
}

function tooLarge(limitBytes: number): StarlingError {
  return new StarlingError(
    'STARLING_LIMIT_EXCEEDED',
    `a message is over the limit of ${limitBytes} bytes (limits.messageBytes)`,
    { data: { limit: 'limits.messageBytes' } },
  );
}
