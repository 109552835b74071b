/**
 * Calls without the forms of MCP, as Network-AI has them: `POST /mcp/tools/<name>` with the arguments as body, and `GET
 * /mcp/resources/<uri>`. The answer is the bare result; an error has the HTTP status of its code. Each is a session of one
 * request, by the road of all others.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { ERRORS, StarlingError, isObject } from '../../core/index.ts';
import type { Json, JsonObject } from '../../core/index.ts';
import type { Credential } from '../door/types.ts';
import type { RateLimit } from '../door/rate-limit.ts';
import type { Session } from '../session/types.ts';
import { objectOf } from '../wire/era.ts';
import { errorOf } from '../wire/frame.ts';
import { scanSpans } from '../wire/json-scan.ts';
import { readBareBody } from './http-body.ts';
import { sendJsonText, usage } from './http-reply.ts';
import { startOneCall } from './one-call.ts';
import { traceMetaOf } from './trace-headers.ts';

/** What a bare call works with. */
export interface BareCallComponents {
  readonly rateLimit: RateLimit;
  /** Opens the session of one request. @throws STARLING_LIMIT_EXCEEDED */
  open(this: void, credential: Credential): Session;
  ended(this: void, session: Session): void;
}

/** What a path names. */
export type BareTarget =
  | { readonly method: 'tools/call'; readonly name: string }
  | { readonly method: 'resources/read'; readonly uri: string };

/** What the segments of a path behind `/mcp` name; undefined for what is no bare call. */
export function bareTargetOf(segments: readonly string[]): BareTarget | undefined {
  const [kind, ...rest] = segments;
  const named = rest.join('/');
  if (named === '') return undefined;
  if (kind === 'tools' && rest.length === 1) return { method: 'tools/call', name: named };
  return kind === 'resources' ? { method: 'resources/read', uri: named } : undefined;
}

/** One request, and where its answer goes. */
export interface BareExchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly credential: Credential;
  readonly messageBytes: number;
}

/** Answers one bare call. */
export function serveBareCall(
  components: BareCallComponents,
  target: BareTarget,
  exchange: BareExchange,
): void {
  const { request, response, credential, messageBytes } = exchange;
  const allowed = target.method === 'tools/call' ? 'POST' : 'GET';
  if (request.method !== allowed) {
    response.setHeader('allow', allowed);
    return fail(response, usage(`allowed: ${allowed}`), 405);
  }
  const limited = components.rateLimit.take(credential.id);
  if (limited !== undefined) return fail(response, limited.error, limited.status);
  if (target.method === 'resources/read') {
    const params = `"uri":${JSON.stringify(target.uri)}`;
    return call(components, target.method, params, exchange);
  }
  const refused = (error: StarlingError, status: number): void => fail(response, error, status);
  return readBareBody(request, messageBytes, refused, (body) => {
    const args = argumentsIn(body);
    if (args === undefined) return fail(response, usage('the body must be a JSON object'), 400);
    const params = `"name":${JSON.stringify(target.name)},"arguments":${args}`;
    return call(components, target.method, params, exchange);
  });
}

function call(
  { open, ended }: BareCallComponents,
  method: string,
  params: string,
  { request, response, credential }: BareExchange,
): void {
  try {
    const end = startOneCall(
      { open: () => open(credential), ended },
      { method, params, meta: traceMetaOf(request.headers) },
      { final: (message) => answer(response, message), dropped: () => response.destroy() },
    );
    response.once('close', end);
  } catch (error) {
    const isFull = error instanceof StarlingError && error.code === 'STARLING_LIMIT_EXCEEDED';
    fail(response, error, isFull ? 503 : 400);
  }
}

function answer(response: ServerResponse, message: Buffer): void {
  const { result } = scanSpans(message);
  // As it was written: JSON.parse rounds long numbers.
  if (result !== undefined) {
    return sendJsonText(response, 200, message.toString('utf8', result.start, result.end));
  }
  const { error = {} } = JSON.parse(message.toString('utf8')) as JsonObject;
  const { code } = objectOf(objectOf(error)['data']);
  return sendJsonText(response, statusOf(code), JSON.stringify({ error }));
}

function fail(response: ServerResponse, error: unknown, status: number): void {
  sendJsonText(response, status, JSON.stringify({ error: errorOf(error) }));
}

function statusOf(code: Json | undefined): number {
  const rows: Readonly<Record<string, { readonly http: number }>> = ERRORS;
  return typeof code === 'string' && Object.hasOwn(rows, code) ? (rows[code]?.http ?? 502) : 502;
}

/** The body as it came, where that is a JSON object; an empty one is no arguments. */
function argumentsIn(body: Buffer): string | undefined {
  if (body.length === 0) return '{}';
  const text = body.toString('utf8');
  try {
    return isObject(JSON.parse(text)) ? text : undefined;
  } catch {
    // It is no JSON.
    return undefined;
  }
}
