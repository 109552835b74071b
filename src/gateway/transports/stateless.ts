/**
 * Streamable HTTP of the stateless era, 2026-07-28 (MCP `basic/transports/streamable-http`): each POST
 * stands alone, and its headers repeat what its body says. What is behind, channels to servers, is kept
 * for a while for each caller and path, and shared by the requests of nobody else.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { StarlingError } from '../../core/index.ts';
import type { JsonObject } from '../../core/index.ts';
import {
  LEGACY_VERSIONS,
  META,
  MODERN_RPC,
  checkModern,
  checkVersion,
  metaOf,
  objectOf,
} from '../wire/era.ts';
import { isFrameId } from '../wire/frame-id.ts';
import { RPC, parseFrame } from '../wire/frame.ts';
import type { Session } from '../session/types.ts';
import type { Frame, RequestFrame } from '../frame-types.ts';
import { headerParamsOf, paramHeadersOf } from '../wire/modern-headers.ts';
import type { HeaderParam } from '../wire/modern-headers.ts';
import { readJsonBody } from './http-body.ts';
import { createHttpReply, refuse, usage } from './http-reply.ts';
import type { AnswerForm } from './http-reply.ts';
import { createHttpSessions } from './http-sessions.ts';
import type { HttpCaller, HttpClient, HttpSessions } from './http-sessions.ts';
import type { StreamableComponents, StreamableInit } from './streamable.ts';
import { withTraceOf } from './trace-headers.ts';

const VERSION_HEADER = 'mcp-protocol-version';
/** Methods whose name, URI or task is repeated in `Mcp-Name`, and the member that holds it. */
const NAMED: ReadonlyMap<string, 'name' | 'taskId' | 'uri'> = new Map([
  ['tools/call', 'name'],
  ['prompts/get', 'name'],
  ['resources/read', 'uri'],
  ['tasks/get', 'taskId'],
  ['tasks/update', 'taskId'],
  ['tasks/cancel', 'taskId'],
]);
const BASE64 = /^=\?base64\?([A-Za-z0-9+/=]*)\?=$/;
/** HTTP status of a JSON-RPC error. */
const STATUS: Readonly<Record<number, number>> = {
  [RPC.methodNotFound]: 404,
  [MODERN_RPC.headerMismatch]: 400,
  [MODERN_RPC.missingCapability]: 400,
  [MODERN_RPC.unsupportedVersion]: 400,
};
/** An answer longer than this is no error. */
const ERROR_BYTES_MAX = 64 * 1024;

/** The transport: has no port of its own. */
export interface StatelessTransport {
  /** What is kept of each caller at each path. */
  readonly sessions: HttpSessions;
  post(request: IncomingMessage, response: ServerResponse, caller: HttpCaller): void;
}

/** True for a request that names a version which is not of the era of sessions. */
export function isModern(request: IncomingMessage): boolean {
  const version = request.headers[VERSION_HEADER];
  return version !== undefined && !LEGACY_VERSIONS.some((known) => known === version);
}

/** Streamable HTTP of MCP 2026-07-28: each POST for itself. */
export function createStatelessTransport(
  components: StreamableComponents,
  init: StreamableInit,
): StatelessTransport {
  return new StatelessEdge(components, init);
}

/** One request and where its answer goes. */
interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly caller: HttpCaller;
}

class StatelessEdge implements StatelessTransport {
  readonly sessions: HttpSessions;
  readonly #components: StreamableComponents;
  readonly #init: StreamableInit;

  constructor(components: StreamableComponents, init: StreamableInit) {
    this.#components = components;
    this.#init = init;
    this.sessions = createHttpSessions(components, { idleMs: init.sessionIdleMs });
  }

  post(request: IncomingMessage, response: ServerResponse, caller: HttpCaller): void {
    this.sessions.get(keyOf(caller))?.arrives(request);
    readJsonBody(request, response, this.#init.messageBytes, (body, form) =>
      this.#received(body, form, { request, response, caller }),
    );
  }

  #received(bytes: Buffer, form: AnswerForm, exchange: Exchange): void {
    const { request, response, caller } = exchange;
    let frame: Frame | undefined;
    try {
      frame = parseFrame(bytes);
      const limited = this.#components.rateLimit.take(caller.credential.id);
      if (limited !== undefined) {
        const id = frame.kind === 'request' ? frame.id : null;
        refuse(response, limited.status, limited.error, limited.headers, id);
      } else if (frame.kind === 'notification') response.writeHead(202).end();
      else if (frame.kind === 'response') throw usage('only requests are answered here');
      else {
        checkHeaders(request, frame);
        this.#answer(frame, form, exchange);
      }
    } catch (error) {
      const { id } = error instanceof StarlingError ? error.data : {};
      const known = frame?.kind === 'request' ? frame.id : id;
      refuse(response, 400, error, {}, isFrameId(known) ? known : null);
    }
  }

  #answer(frame: RequestFrame, form: AnswerForm, { request, response, caller }: Exchange): void {
    let client: HttpClient;
    try {
      client = this.#clientOf(caller);
    } catch (error) {
      refuse(response, 503, error, { 'retry-after': '10' }, frame.id);
      return;
    }
    const { session } = client;
    checkParams(request, frame, session);
    const reply = createHttpReply(response, { form, statusOf });
    client.waits(reply, response, {
      gone: () => session.abandon(reply, 'the HTTP client closed its request'),
      isListener: frame.method === 'subscriptions/listen',
    });
    // Ids of several clients meet here: the reply tells them apart.
    session.receive(withTraceOf(request.headers, frame), reply, reply);
  }

  /** What is kept of the caller, with the rights that this request brings. @throws STARLING_LIMIT_EXCEEDED */
  #clientOf(caller: HttpCaller): HttpClient {
    const key = keyOf(caller);
    const known = this.sessions.get(key);
    known?.present(caller.credential);
    return known ?? this.sessions.open(key, caller);
  }
}

function keyOf({ credential, spec }: HttpCaller): string {
  return JSON.stringify([credential.id, spec]);
}

/** Holds the headers against the body. @throws -32020, -32022, -32602 */
function checkHeaders(request: IncomingMessage, frame: RequestFrame): void {
  const version = metaOf(frame.params)[META.protocolVersion];
  const header = request.headers[VERSION_HEADER];
  if (typeof version === 'string' && version !== header) {
    throw mismatch('MCP-Protocol-Version', META.protocolVersion);
  }
  // A client with a session has its version in the header alone.
  if (typeof header === 'string') checkVersion(header);
  checkModern(frame);
  if (request.headers['mcp-method'] !== frame.method) throw mismatch('Mcp-Method', 'method');
  const key = NAMED.get(frame.method);
  if (key === undefined) return;
  const name = frame.params[key];
  if (typeof name === 'string' && decoded(request.headers['mcp-name']) !== name) {
    throw mismatch('Mcp-Name', `params.${key}`);
  }
}

/**
 * Holds the headers of a tool's annotated parameters (SEP-2243, `x-mcp-header`) against its arguments.
 * @throws -32020
 */
function checkParams(
  request: IncomingMessage,
  { method, params }: RequestFrame,
  session: Session,
): void {
  const { name } = params;
  const tool =
    method === 'tools/call' && typeof name === 'string' ? session.toolOf(name) : undefined;
  if (tool === undefined) return;
  const expected = paramHeadersOf(declaredOf(tool), objectOf(params['arguments']));
  for (const { path, header } of declaredOf(tool)) {
    const key = `mcp-param-${header.toLowerCase()}`;
    if (decoded(request.headers[key]) !== decoded(expected[key])) {
      throw mismatch(`Mcp-Param-${header}`, `params.arguments.${path.join('.')}`);
    }
  }
}

/** By definition: they are read for each call. */
const declared = new WeakMap<JsonObject, readonly HeaderParam[]>();

/** What a tool wants to have in headers; nothing where it says it wrongly. */
function declaredOf(tool: JsonObject): readonly HeaderParam[] {
  const known = declared.get(tool);
  if (known !== undefined) return known;
  const found = headerParamsOf(tool['inputSchema']);
  const valid = typeof found === 'string' ? [] : found;
  declared.set(tool, valid);
  return valid;
}

/** What does not fit in a header comes in base64. */
function decoded(header: string | string[] | undefined): string | undefined {
  if (typeof header !== 'string') return undefined;
  const [, base64] = BASE64.exec(header) ?? [];
  if (base64 === undefined) return header;
  const bytes = Buffer.from(base64, 'base64');
  // What is not well-formed stands for nothing but itself.
  return bytes.toString('base64') === base64 ? bytes.toString('utf8') : header;
}

function mismatch(header: string, member: string): StarlingError {
  return new StarlingError(
    'STARLING_PROTOCOL_VIOLATION',
    `the header ${header} is missing, or differs from "${member}" of the body`,
    { data: { rpc: MODERN_RPC.headerMismatch } },
  );
}

/** The HTTP status of an answer: an error of the transport's kind is one in HTTP too. */
function statusOf(message: Buffer): number {
  if (message.length > ERROR_BYTES_MAX || !message.includes('"error"')) return 200;
  const frame = parseFrame(message);
  const code = frame.kind === 'response' ? frame.error?.code : undefined;
  return (code === undefined ? undefined : STATUS[code]) ?? 200;
}
