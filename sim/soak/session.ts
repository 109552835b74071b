/** MCP sessions over Streamable HTTP, many of them one after the other on each bare connection. */
import { openHttpConnection } from '../bench/http-connection.ts';
import type { HttpAnswer, HttpConnection } from '../bench/http-connection.ts';

const HEADERS = {
  accept: 'application/json, text/event-stream',
  'content-type': 'application/json',
};

/** Longer than any call may take: what is not answered by then is lost. */
const ANSWER_TIMEOUT_MS = 90_000;

/** What a call gave. */
export interface Outcome {
  /** Text of the result; undefined for an error. */
  readonly text: string | undefined;
  /** Message of the error. */
  readonly error: string | undefined;
}

/** A client's session at a node of the soak, with the calls that it has under way. */
export interface SoakSession {
  readonly id: string;
  /** Calls a tool. @throws when the answer is not the one answer to this call */
  call(tool: string, args?: Readonly<Record<string, unknown>>): Promise<Outcome>;
  /** One page of tools: names and where the next begins. */
  list(cursor?: string): Promise<{ readonly bytes: number }>;
}

/** A way to a node. */
export interface Road {
  /** Opens a session. */
  open(): Promise<SoakSession>;
  close(): void;
}

/** Connects to the node at `url`. */
export async function openRoad(url: string, token: string): Promise<Road> {
  const connection = await openHttpConnection(new URL(url), {
    ...HEADERS,
    authorization: `Bearer ${token}`,
  });
  return {
    open: () => openSession(connection),
    close: () => connection.close(),
  };
}

/** @throws when the answer is lost */
async function post(
  connection: HttpConnection,
  body: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<HttpAnswer> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    const failed = (): void => reject(new Error(`no answer to ${body.slice(0, 200)}`));
    timer = setTimeout(failed, ANSWER_TIMEOUT_MS);
  });
  try {
    return await Promise.race([connection.post(body, headers), late]);
  } finally {
    clearTimeout(timer);
  }
}

async function openSession(connection: HttpConnection): Promise<SoakSession> {
  let count = 0;
  const opened = await post(
    connection,
    bodyOf(count, 'initialize', {
      protocolVersion: '2025-11-25',
      capabilities: {},
      clientInfo: { name: 'soak', version: '1' },
    }),
  );
  const id = /\r\nmcp-session-id: *(\S+)/i.exec(opened.head)?.[1];
  if (id === undefined) throw new Error(`no session: ${opened.status} ${opened.body}`);
  const headers = { 'mcp-session-id': id };
  return {
    id,
    async call(name, args = {}) {
      count += 1;
      const body = bodyOf(count, 'tools/call', { name, arguments: args });
      const answer = await post(connection, body, headers);
      return outcomeOf(answer.body, count, answer.status);
    },
    async list(cursor) {
      count += 1;
      const body = bodyOf(count, 'tools/list', cursor === undefined ? {} : { cursor });
      const answer = await post(connection, body, headers);
      if (answer.status !== 200 || !answer.body.startsWith(`{"jsonrpc":"2.0","id":${count},`)) {
        throw new Error(`no list: ${answer.status} ${answer.body.slice(0, 200)}`);
      }
      return { bytes: answer.sizeBytes };
    },
  };
}

function bodyOf(id: number, method: string, params: object): string {
  return JSON.stringify({ jsonrpc: '2.0', id, method, params });
}

interface Answer {
  readonly id?: unknown;
  readonly result?: { readonly content?: readonly { readonly text?: string }[] };
  readonly error?: { readonly message?: string };
}

function outcomeOf(body: string, id: number, status: number): Outcome {
  const data = /^data: (.*)$/m.exec(body)?.[1] ?? body;
  const answer = JSON.parse(data) as Answer;
  if (answer.id !== id) throw new Error(`${status}, and not the answer to ${id}: ${data}`);
  return { text: answer.result?.content?.[0]?.text, error: answer.error?.message };
}
