/**
 * The page as an MCP client of the node: Streamable HTTP at `/mcp`, with a session. The token of the page is in this
 * module's memory and nowhere else; the cookie beside it is the browser's.
 */
import type { JsonObject } from '../../core/json/json.ts';
import { isObject } from '../../core/json/value-checks.ts';
import { SPANS_MAX, TRACE_META, spanIn, waysOf } from '../../core/words/trace-ways.ts';
import type { Span, Way } from '../../core/words/trace-ways.ts';

/** A JSON object. */
export type Data = { readonly [key: string]: unknown };

/** An error that the node answered with. */
export class NodeError extends Error {
  readonly code: string;
  readonly hint: string | undefined;

  constructor(message: string, code: string, hint?: string) {
    super(message);
    this.name = 'NodeError';
    this.code = code;
    this.hint = hint;
  }
}

/** The node can't be reached now. */
export class CutError extends Error {}

/** The session is over: the token opens nothing any more. */
export class OverError extends Error {}

/** What a tool gave: its structured content where it has some, and its texts. */
export interface ToolAnswer {
  readonly data: Data | undefined;
  readonly texts: readonly string[];
  readonly isError: boolean;
}

/** What a call gave, and what each part of its way took. */
export interface TracedAnswer extends ToolAnswer {
  readonly ways: readonly Way[];
}

/** A tool as the node lists it. */
export interface Tool {
  readonly name: string;
  readonly title?: string;
  readonly description?: string;
  readonly inputSchema?: Data;
  readonly annotations?: Data;
}

const VERSION = '2025-11-25';
/** How long an answer may take. Calls of tools may take as long as the node lets them. */
const ANSWER_MS = 20_000;
const CALL_MS = 300_000;
const TOOL_PAGES_MAX = 200;
const JSON_ONLY = 'application/json';
const JSON_OR_EVENTS = 'application/json, text/event-stream';
const ASKED = { timeoutMs: ANSWER_MS, accept: JSON_ONLY } as const;

let token = '';
let session: Promise<string> | undefined;
let asked = 0;

/** Opens a session by the code of a link, which is good once. @throws NodeError, CutError */
export async function openSession(code: string): Promise<void> {
  const response = await post('session', {}, code, ANSWER_MS);
  const answer = (await response.json()) as Data;
  if (!response.ok) throw errorOf(answer['error']);
  token = String(answer['token']);
}

/** Ends the session; also while the page goes away. */
export function endSession(): void {
  if (token === '') return;
  const body = token;
  token = '';
  session = undefined;
  fetch('end', { method: 'POST', body, keepalive: true }).catch(() => undefined);
}

/** Calls a tool of the node itself. @throws NodeError, CutError, OverError */
export async function ask<T>(tool: string, args: Data = {}): Promise<T> {
  const { data, texts, isError } = await callTool(`starling__${tool}`, args, ANSWER_MS);
  if (isError || data === undefined) throw new NodeError(texts.join('\n'), '');
  return data as T;
}

/** Calls any tool by the name that lists show, and has each node on its way tell what it took. @throws as {@link ask} */
export async function callTraced(name: string, args: Data): Promise<TracedAnswer> {
  const spans: Span[] = [];
  const hear = (params: JsonObject): void => {
    const span = spanIn(params);
    if (span !== undefined && spans.push(span) > SPANS_MAX) spans.shift();
  };
  const startedAt = performance.now();
  const meta = { progressToken: 'page', [TRACE_META]: true };
  const params = { name, arguments: args, _meta: meta };
  const result = await request('tools/call', params, CALL_MS, hear);
  const ways = waysOf(performance.now() - startedAt, spans, undefined, 'this page');
  return { ...answerIn(result), ways };
}

async function callTool(name: string, args: Data, timeoutMs: number): Promise<ToolAnswer> {
  return answerIn(await request('tools/call', { name, arguments: args }, timeoutMs));
}

function answerIn(result: Data): ToolAnswer {
  const content = Array.isArray(result['content']) ? (result['content'] as readonly Data[]) : [];
  const structured = result['structuredContent'];
  return {
    data: isData(structured) ? structured : undefined,
    texts: content.map((part) =>
      part['type'] === 'text' ? String(part['text']) : `[${String(part['type'])}]`,
    ),
    isError: result['isError'] === true,
  };
}

/** All tools that the page may call. @throws NodeError, CutError, OverError */
export async function listTools(): Promise<readonly Tool[]> {
  const tools: Tool[] = [];
  let cursor: unknown;
  for (let page = 0; page < TOOL_PAGES_MAX; page += 1) {
    const result = await request('tools/list', cursor === undefined ? {} : { cursor }, ANSWER_MS);
    tools.push(...((result['tools'] ?? []) as readonly Tool[]));
    cursor = result['nextCursor'];
    if (cursor === undefined) break;
  }
  return tools;
}

/** What a node tells while a call goes on. */
type Hear = (params: JsonObject) => void;

async function request(
  method: string,
  params: Data,
  timeoutMs: number,
  hear?: Hear,
): Promise<Data> {
  session ??= initialize();
  const id = await session.catch((error: unknown) => {
    session = undefined;
    throw error;
  });
  const init = { timeoutMs, accept: hear === undefined ? JSON_ONLY : JSON_OR_EVENTS };
  const response = await send(method, params, id, init);
  if (response.status !== 404) return resultOf(response, hear);
  // The node has let go of the session, as after a long pause: it gets a new one, once.
  session = initialize();
  return resultOf(await send(method, params, await session, init), hear);
}

async function initialize(): Promise<string> {
  const params = {
    protocolVersion: VERSION,
    capabilities: {},
    clientInfo: { name: 'starling-dashboard', version: '1' },
  };
  const response = await send('initialize', params, undefined, ASKED);
  await resultOf(response);
  const id = response.headers.get('mcp-session-id') ?? '';
  const body = JSON.stringify({ jsonrpc: '2.0', method: 'notifications/initialized' });
  await post('/mcp', headersOf(id, JSON_ONLY), body, ANSWER_MS);
  return id;
}

function send(
  method: string,
  params: Data,
  id: string | undefined,
  { timeoutMs, accept }: { readonly timeoutMs: number; readonly accept: string },
): Promise<Response> {
  asked += 1;
  const body = JSON.stringify({ jsonrpc: '2.0', id: asked, method, params });
  return post('/mcp', headersOf(id, accept), body, timeoutMs);
}

function headersOf(id: string | undefined, accept: string): Record<string, string> {
  return {
    authorization: `Bearer ${token}`,
    'content-type': 'application/json',
    accept,
    ...(id === undefined ? {} : { 'mcp-session-id': id, 'mcp-protocol-version': VERSION }),
  };
}

async function post(
  path: string,
  headers: Record<string, string>,
  body: string,
  timeoutMs: number,
): Promise<Response> {
  // The browser's own time: a page is given no clock, and has nothing but its window.
  const signal = AbortSignal.timeout(timeoutMs);
  let response: Response;
  try {
    response = await fetch(path, { method: 'POST', headers, body, signal });
  } catch (error) {
    throw new CutError(error instanceof Error ? error.message : String(error));
  }
  if (response.status === 401 && path === '/mcp') throw new OverError('the session is over');
  return response;
}

async function resultOf(response: Response, hear?: Hear): Promise<Data> {
  let answer: Data;
  try {
    const isStream = response.headers.get('content-type')?.startsWith('text/event-stream');
    answer =
      isStream === true ? lastOf(await response.text(), hear) : ((await response.json()) as Data);
  } catch (error) {
    throw new CutError(error instanceof Error ? error.message : String(error));
  }
  if (isData(answer['result'])) return answer['result'];
  throw errorOf(answer['error']);
}

/** The answer, which ends a stream of events (WHATWG HTML §9.2.6); what comes before is told. @throws SyntaxError where it was cut */
function lastOf(stream: string, hear?: Hear): Data {
  let answer: Data = {};
  for (const line of stream.split(/\r?\n/)) {
    if (!line.startsWith('data: {')) continue;
    const message = JSON.parse(line.slice('data: '.length)) as Data;
    const { params } = message;
    if (message['id'] !== undefined && message['method'] === undefined) answer = message;
    else if (isData(params)) hear?.(params as JsonObject);
  }
  return answer;
}

function errorOf(error: unknown): NodeError {
  const said = isData(error) ? error : {};
  const data = isData(said['data']) ? said['data'] : {};
  const hint = data['hint'];
  return new NodeError(
    String(said['message'] ?? 'the node did not say why'),
    String(data['code'] ?? said['code'] ?? ''),
    typeof hint === 'string' ? hint : undefined,
  );
}

function isData(value: unknown): value is Data {
  return isObject(value);
}
