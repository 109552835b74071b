/** An MCP session of the loader: over HTTP with a connection for each caller, or over lines. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import type { Readable, Writable } from 'node:stream';
import { KEPT_BYTES_MAX, openHttpConnection } from './http-connection.ts';
import type { HttpConnection } from './http-connection.ts';
import { askNats } from './floors/nats.ts';
import type { Target } from './job.ts';
import { joinedWrites } from './lines.ts';

const PROTOCOL_VERSION = '2025-06-18';
/** How much of a line shows its id: it stands near the start in all that our upstream answers. */
const ID_WITHIN = 64;
const NEWLINE = 0x0a;
const LISTED_TIMEOUT_MS = 30_000;
const POLL_MS = 50;

/** One answer: its first 256 KiB, and its size. */
export interface Answer {
  readonly text: string;
  readonly sizeBytes: number;
}

/** One caller of a session. */
export interface Caller {
  /** Sends the request `id`, which `message` is, and waits for what answers it. */
  call(id: number, message: string): Promise<Answer>;
  close(): void;
}

/** A session that is initialised. */
export interface BenchSession {
  /** Process of a `command` target. */
  readonly pid: number | undefined;
  nextId(): number;
  callers(count: number): Promise<readonly Caller[]>;
}

/** Opens the session, and waits until it lists `tool`. */
export async function openSession(target: Target, tool: string): Promise<BenchSession> {
  const session = target.kind === 'http' ? await overHttp(target) : await overLines(target);
  const [caller] = await session.callers(1);
  if (caller === undefined) throw new Error('no caller');
  const deadline = performance.now() + LISTED_TIMEOUT_MS;
  const isListed = async (): Promise<boolean> => {
    const id = session.nextId();
    const { text } = await caller.call(id, request(id, 'tools/list', {}));
    return text.includes(`"name":"${tool}"`);
  };
  while (!(await isListed())) {
    if (performance.now() > deadline) throw new Error(`${tool} was not listed in time`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  caller.close();
  return session;
}

/** A request's text. */
export function request(id: number, method: string, params: unknown): string {
  return `{"jsonrpc":"2.0","id":${id},"method":"${method}","params":${JSON.stringify(params)}}`;
}

const INITIALIZE = {
  protocolVersion: PROTOCOL_VERSION,
  capabilities: {},
  clientInfo: { name: 'starling-bench', version: '1.0.0' },
};
const INITIALIZED = '{"jsonrpc":"2.0","method":"notifications/initialized"}';

function counter(): () => number {
  let last = 0;
  return () => (last += 1);
}

async function overHttp(target: Extract<Target, { kind: 'http' }>): Promise<BenchSession> {
  const url = new URL(target.url);
  const nextId = counter();
  const headers: Record<string, string> = {
    'content-type': 'application/json',
    accept: 'application/json, text/event-stream',
    ...target.headers,
  };
  const opening = await openHttpConnection(url, headers);
  const { status, head, body } = await opening.post(request(nextId(), 'initialize', INITIALIZE));
  const sessionId = /\r\nmcp-session-id: *([^\r\n]+)/i.exec(head)?.[1];
  if (status !== 200 || sessionId === undefined) throw new Error(`initialize: ${head}\n${body}`);
  opening.close();
  headers['mcp-session-id'] = sessionId;
  headers['mcp-protocol-version'] = PROTOCOL_VERSION;
  const connection = await openHttpConnection(url, headers);
  const accepted = await connection.post(INITIALIZED);
  if (accepted.status >= 300) throw new Error(`initialized: ${accepted.head}`);
  connection.close();
  return {
    pid: undefined,
    nextId,
    callers: (count) =>
      Promise.all(
        Array.from({ length: count }, async () =>
          httpCaller(await openHttpConnection(url, headers)),
        ),
      ),
  };
}

function httpCaller(connection: HttpConnection): Caller {
  return {
    async call(_id, message) {
      const { status, head, body, sizeBytes } = await connection.post(message);
      if (status !== 200) throw new Error(`${head}\n${body}`);
      return { text: body, sizeBytes };
    },
    close: () => connection.close(),
  };
}

/** What carries messages both ways. */
interface Carrier {
  readonly pid: number | undefined;
  readonly send: (message: string) => void;
}

type LineTarget = Exclude<Target, { kind: 'http' }>;

async function carrierTo(target: LineTarget, heard: (answer: Answer) => void): Promise<Carrier> {
  if (target.kind === 'nats') {
    const client = await askNats(target.port);
    return {
      pid: undefined,
      send: (message) => {
        if (message === INITIALIZED) client.tell(message);
        else {
          void client.request(message).then((text) => heard({ text, sizeBytes: text.length }));
        }
      },
    };
  }
  if (target.kind === 'libp2p') {
    const { openLibp2p } = await import('./floors/libp2p.ts');
    const send = await openLibp2p(target.address, (line) =>
      heard({ text: line.toString('utf8'), sizeBytes: line.length }),
    );
    return { pid: undefined, send: (message) => send(`${message}\n`) };
  }
  const streams = target.kind === 'socket' ? await openSocket(target.path) : startCommand(target);
  readLines(streams.input, heard);
  // Lines of one tick leave in one write, as any client that pipelines does it.
  const send = joinedWrites((text) => streams.output.write(text));
  return { pid: streams.pid, send: (message) => send(`${message}\n`) };
}

async function overLines(target: LineTarget): Promise<BenchSession> {
  const waiting = new Map<number, (answer: Answer) => void>();
  const { pid, send } = await carrierTo(target, (answer) => {
    const id = Number(/"id":(\d+)/.exec(answer.text.slice(0, ID_WITHIN))?.[1]);
    const resolve = waiting.get(id);
    waiting.delete(id);
    resolve?.(answer);
  });
  const nextId = counter();
  const caller: Caller = {
    call: (id, message) =>
      new Promise((resolve) => {
        waiting.set(id, resolve);
        send(message);
      }),
    close: () => undefined,
  };
  const id = nextId();
  await caller.call(id, request(id, 'initialize', INITIALIZE));
  send(INITIALIZED);
  const callers = (count: number): Promise<readonly Caller[]> =>
    Promise.resolve(Array.from({ length: count }, () => caller));
  return { pid, nextId, callers };
}

interface Streams {
  readonly input: Readable;
  readonly output: Writable;
  readonly pid: number | undefined;
}

async function openSocket(path: string): Promise<Streams> {
  const socket = connect(path);
  await once(socket, 'connect');
  return { input: socket, output: socket, pid: undefined };
}

function startCommand(target: Extract<Target, { kind: 'command' }>): Streams {
  const child = spawn(target.command, [...target.args], { stdio: ['pipe', 'pipe', 'inherit'] });
  return { input: child.stdout, output: child.stdin, pid: child.pid };
}

function readLines(input: Readable, line: (answer: Answer) => void): void {
  let kept: Buffer[] = [];
  let sizeBytes = 0;
  const hold = (part: Buffer): void => {
    if (sizeBytes < KEPT_BYTES_MAX && part.length > 0) kept.push(part.subarray(0, KEPT_BYTES_MAX));
    sizeBytes += part.length;
  };
  input.on('data', (chunk: Buffer) => {
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, start)) {
      hold(chunk.subarray(start, end));
      line({ text: Buffer.concat(kept).toString('utf8'), sizeBytes });
      kept = [];
      sizeBytes = 0;
      start = end + 1;
    }
    hold(chunk.subarray(start));
  });
}
