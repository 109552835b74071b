/** A small MCP client on the node's own socket: what every command but `up` talks to the node with. */
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { ATTACH_OPERATOR, ATTACH_WATCHING, CALL_FORMS_ONLY } from '../../config/client-names.ts';
import { socketPath } from '../../config/paths.ts';
import { systemClock } from '../../core/time/clock.ts';
import { StarlingError, messageOf } from '../../core/errors.ts';
import type { Json, JsonObject } from '../../core/json/json.ts';
import { createLineDecoder } from '../../core/lines.ts';
import { isObject } from '../../core/json/value-checks.ts';
import { VERSION } from '../../core/version.ts';
import { errorFrom } from './answered-error.ts';
import { attachAs } from './attach-as.ts';
import { startWords, stateWords } from './start-words.ts';

const CONNECT_TIMEOUT_MS = 5000;
/** A node that takes longer to say hello hangs. */
const HELLO_TIMEOUT_MS = 10_000;
const MESSAGE_BYTES_MAX = 128 * 1024 * 1024;
const CALL_TIMEOUT_MS = 60_000;
const PAGES_MAX = 1000;
/** JSON-RPC 2.0 §5.1. */
const METHOD_NOT_FOUND = -32601;
/** What a client declares that shows the forms of its own calls (MCP 2025-11-25 `client/elicitation`). */
const FORMS: JsonObject = { elicitation: { form: {} }, experimental: { [CALL_FORMS_ONLY]: {} } };

/** How long a request may take, what cancels it, who hears of its progress, and what its `_meta` says besides. */
export interface CallOptions {
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
  readonly progress?: (params: JsonObject) => void;
  readonly meta?: JsonObject;
}

/** Answers what the server of a called tool asks the person (`elicitation/create`); `signal` takes that back. */
export type FormAnswerer = (params: JsonObject, signal: AbortSignal) => Promise<JsonObject>;

/** A tool as the node lists it. */
export interface ToolInfo extends JsonObject {
  readonly name: string;
  readonly description?: string;
  readonly inputSchema?: JsonObject;
}

/** An attached client. */
export interface NodeClient {
  /** @throws the error that the node answered, STARLING_TIMEOUT, STARLING_NODE_UNREACHABLE */
  request(method: string, params: JsonObject, options?: CallOptions): Promise<JsonObject>;
  tools(): Promise<readonly ToolInfo[]>;
  /** Calls a tool; the result may have `isError`. */
  call(name: string, args: JsonObject, options?: CallOptions): Promise<JsonObject>;
  /** Calls a tool of the built-in server; gives its structured content. */
  builtin<T>(name: string, args?: JsonObject, options?: CallOptions): Promise<T>;
  /** Aborted with the error of every further request once the connection has ended, whoever ended it. */
  readonly over: AbortSignal;
  close(): void;
}

interface Waiting {
  resolve(result: JsonObject): void;
  reject(error: Error): void;
  readonly progress: CallOptions['progress'];
}

/** How a client is attached. */
export interface AttachInit {
  /** Gives up what is under way: attaching itself, and each request that has no signal of its own. */
  readonly signal?: AbortSignal | undefined;
  /** Shows the forms of the tools that the client calls: a server then has an instance for this client alone. */
  readonly answer?: FormAnswerer | undefined;
  /** The client only looks, again and again: the node counts none of that, and records each thing that is looked at once an hour, but for figures and peers. */
  readonly watching?: boolean;
  /** Hears that a request is under way, and of what; what it gives is called when that is over. */
  readonly waiting?: ((method: string, params: JsonObject) => () => void) | undefined;
}

/** Attaches to the node of `stateDir` as its operator. @throws STARLING_NODE_UNREACHABLE when none runs */
export async function attach(
  stateDir: string,
  { signal, answer, watching = false, waiting }: AttachInit = {},
): Promise<NodeClient> {
  const socket = await open(stateDir);
  const giveUp = (): void => {
    socket.destroy();
  };
  signal?.addEventListener('abort', giveUp);
  try {
    signal?.throwIfAborted();
    await attachAs(socket, watching ? ATTACH_WATCHING : ATTACH_OPERATOR);
    const client = await greeted(socket, answer);
    client.signal = signal;
    client.waiting = waiting;
    return client;
  } finally {
    signal?.removeEventListener('abort', giveUp);
  }
}

/** A client of the node, once both have said hello: MCP lets nobody cancel that. */
async function greeted(socket: Socket, answer?: FormAnswerer): Promise<SocketClient> {
  const client = new SocketClient(socket, answer);
  try {
    await client.request(
      'initialize',
      {
        protocolVersion: '2025-11-25',
        capabilities: answer === undefined ? {} : FORMS,
        clientInfo: { name: 'starling-cli', version: VERSION },
        // People and scripts want the whole list, whatever models are shown.
        _meta: { 'starling/tools': 'all' },
      },
      { timeoutMs: HELLO_TIMEOUT_MS },
    );
  } catch (error) {
    client.close();
    throw error;
  }
  client.notify('notifications/initialized', {});
  return client;
}

/** Connects to the node's socket. @throws STARLING_NODE_UNREACHABLE */
export function open(stateDir: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ path: socketPath(stateDir), allowHalfOpen: true });
    const failed = (error: Error): void => {
      noNode(stateDir, error).then(reject, reject);
    };
    socket.setTimeout(CONNECT_TIMEOUT_MS, () => socket.destroy(new Error('it does not answer')));
    socket.once('error', failed);
    socket.once('connect', () => {
      socket.setTimeout(0);
      socket.off('error', failed);
      resolve(socket);
    });
  });
}

async function noNode(stateDir: string, cause: Error): Promise<StarlingError> {
  const code = 'code' in cause ? cause.code : undefined;
  const isAbsent = code === 'ENOENT' || code === 'ECONNREFUSED';
  return new StarlingError(
    'STARLING_NODE_UNREACHABLE',
    isAbsent
      ? `no node runs with the state folder ${stateDir}`
      : `the node with the state folder ${stateDir} can't be reached: ${messageOf(cause)}`,
    { hint: await hintOfStart(stateDir), cause },
  );
}

async function hintOfStart(stateDir: string): Promise<string> {
  const words = await startWords(stateDir);
  if (stateWords(stateDir) === '')
    return `start one with: starling up${words} (or name its folder with --state)`;
  return `start it with: starling up${words}; those that run: starling nodes`;
}

class SocketClient implements NodeClient {
  readonly #socket: Socket;
  readonly #waiting = new Map<number, Waiting>();
  #nextId = 1;
  /** The error of every request from now on, once the connection has ended. */
  #over: StarlingError | undefined;
  readonly #end = new AbortController();
  readonly #answer: FormAnswerer | undefined;
  /** What the node has asked and was not answered yet, by the id of its request. */
  readonly #asked = new Map<Json, AbortController>();
  /** The person reads one form after the other. */
  #answered: Promise<unknown> = Promise.resolve();
  /** Cancels requests that have no signal of their own. */
  signal: AbortSignal | undefined;
  /** Hears of each request. */
  waiting: AttachInit['waiting'];

  constructor(socket: Socket, answer?: FormAnswerer) {
    this.#socket = socket;
    this.#answer = answer;
    const decoder = createLineDecoder(MESSAGE_BYTES_MAX, {
      line: (bytes) => this.#line(bytes),
      oversize: (sizeBytes) => this.#broken(`a message of ${sizeBytes} bytes`),
    });
    socket.on('data', (chunk) => decoder.push(chunk)).resume();
    // The socket may be half open: when the node has said its last word, no answer comes any more.
    socket.on('end', () => this.#ended());
    socket.on('error', (error) => this.#ended(error));
    socket.on('close', () => this.#ended());
  }

  get over(): AbortSignal {
    return this.#end.signal;
  }

  async request(
    method: string,
    params: JsonObject,
    options: CallOptions = {},
  ): Promise<JsonObject> {
    if (this.#over !== undefined) throw this.#over;
    const { timeoutMs = CALL_TIMEOUT_MS, signal = this.signal } = options;
    signal?.throwIfAborted();
    const id = this.#nextId;
    this.#nextId += 1;
    const token = options.progress === undefined ? {} : { progressToken: id };
    const said = { ...options.meta, ...token };
    const meta = Object.keys(said).length === 0 ? {} : { _meta: said };
    return new Promise((resolve, reject) => {
      const over = this.waiting?.(method, params);
      const finish = (): void => {
        over?.();
        stopTimer();
        signal?.removeEventListener('abort', cancelled);
        this.#waiting.delete(id);
      };
      const cancel = (error: Error): void => {
        finish();
        this.notify('notifications/cancelled', { requestId: id, reason: error.message });
        reject(error);
      };
      const cancelled = (): void => cancel(new Error('cancelled'));
      const stopTimer = systemClock.schedule(timeoutMs, () =>
        cancel(late(method, params, timeoutMs)),
      );
      signal?.addEventListener('abort', cancelled, { once: true });
      this.#waiting.set(id, {
        resolve: (result) => {
          finish();
          resolve(result);
        },
        reject: (error) => {
          finish();
          reject(error);
        },
        progress: options.progress,
      });
      this.#send({ jsonrpc: '2.0', id, method, params: { ...params, ...meta } });
    });
  }

  async tools(): Promise<readonly ToolInfo[]> {
    const tools: ToolInfo[] = [];
    let cursor: Json | undefined;
    for (let pages = 0; pages < PAGES_MAX; pages += 1) {
      const page = await this.request('tools/list', cursor === undefined ? {} : { cursor });
      const listed = page['tools'];
      if (!Array.isArray(listed)) throw violation('a list of tools that is none');
      tools.push(...(listed as readonly ToolInfo[]));
      cursor = page['nextCursor'];
      if (cursor === undefined) return tools;
    }
    throw violation(`a list of tools of over ${PAGES_MAX} pages`);
  }

  call(name: string, args: JsonObject, options: CallOptions = {}): Promise<JsonObject> {
    return this.request('tools/call', { name, arguments: args }, options);
  }

  async builtin<T>(name: string, args: JsonObject = {}, options: CallOptions = {}): Promise<T> {
    const result = await this.#callOfOne(`starling__${name}`, args, options);
    const content = result['structuredContent'];
    if (!isObject(content)) throw violation(`no structured answer to ${name}`);
    return content as T;
  }

  /** Calls a tool; where a name in `args` is that of several peers, a person is asked which is meant. */
  async #callOfOne(name: string, args: JsonObject, options: CallOptions): Promise<JsonObject> {
    try {
      return await this.call(name, args, options);
    } catch (error) {
      const isSeveral = error instanceof StarlingError && error.code === 'STARLING_PEER_AMBIGUOUS';
      if (!isSeveral || typeof args['peer'] !== 'string') throw error;
      const { choosePeer } = await import('../terminal/questions/choose-peer.ts');
      const peer = await choosePeer(error);
      if (peer === undefined) throw error;
      return this.call(name, { ...args, peer }, options);
    }
  }

  notify(method: string, params: JsonObject): void {
    this.#send({ jsonrpc: '2.0', method, params });
  }

  close(): void {
    this.#socket.end();
    this.#socket.destroySoon();
  }

  #send(message: JsonObject): void {
    if (this.#socket.writable) this.#socket.write(`${JSON.stringify(message)}\n`);
  }

  #line(bytes: Buffer): void {
    let message: Json;
    try {
      message = JSON.parse(bytes.toString('utf8')) as Json;
    } catch (error) {
      return this.#broken(`what is not JSON (${messageOf(error)})`);
    }
    return isObject(message) ? this.#received(message) : this.#broken('what is no JSON-RPC');
  }

  #received(message: JsonObject): void {
    const { id, method, params, result, error } = message;
    if (method === 'notifications/progress') {
      const fields = isObject(params) ? params : {};
      this.#waiting.get(Number(fields['progressToken']))?.progress?.(fields);
    } else if (method === 'notifications/cancelled') {
      const fields = isObject(params) ? params : {};
      this.#asked.get(fields['requestId'] ?? null)?.abort(new Error('it is not asked any more'));
    } else if (typeof method === 'string') {
      if (id !== undefined) this.#requested(id, method, isObject(params) ? params : {});
    } else if (id === null && isObject(error)) {
      // An error without an id is about no single request: the node takes none of ours.
      this.#ended(errorFrom(error));
    } else if (typeof id === 'number') {
      const waiting = this.#waiting.get(id);
      if (isObject(error)) waiting?.reject(errorFrom(error));
      else waiting?.resolve(isObject(result) ? result : {});
    }
  }

  /** A request of the node, or of a server behind it. */
  #requested(id: Json, method: string, params: JsonObject): void {
    const answer = this.#answer;
    if (method === 'ping') return this.#send({ jsonrpc: '2.0', id, result: {} });
    if (method !== 'elicitation/create' || answer === undefined) {
      const message = `this client does not serve ${method}`;
      return this.#send({ jsonrpc: '2.0', id, error: { code: METHOD_NOT_FOUND, message } });
    }
    const question = new AbortController();
    this.#asked.set(id, question);
    const signal = AbortSignal.any([question.signal, this.#end.signal]);
    this.#answered = this.#answered
      .then(() => (signal.aborted ? CANCELLED : answer(params, signal)))
      .catch(() => CANCELLED)
      .then((result) => {
        this.#asked.delete(id);
        if (!signal.aborted) this.#send({ jsonrpc: '2.0', id, result });
      });
  }

  #broken(what: string): void {
    this.#ended(violation(what));
  }

  #ended(why?: Error): void {
    this.#over ??=
      why instanceof StarlingError
        ? why
        : new StarlingError('STARLING_NODE_UNREACHABLE', 'the node has closed the connection', {
            hint: 'see whether it still runs: starling status',
            ...(why === undefined ? {} : { cause: why }),
          });
    this.#socket.destroy();
    this.#end.abort(this.#over);
    for (const waiting of this.#waiting.values()) waiting.reject(this.#over);
  }
}

/** The person has not answered. */
const CANCELLED: JsonObject = { action: 'cancel' };

function late(method: string, { name }: JsonObject, timeoutMs: number): StarlingError {
  const hint =
    method === 'tools/call'
      ? 'wait longer with: starling call <tool> --timeout 10m'
      : 'see what is wrong: starling doctor';
  // People know the tool, not the method by which it is called.
  const asked = method === 'tools/call' && typeof name === 'string' ? `of ${name}` : `to ${method}`;
  const what = `no answer ${asked} within ${timeoutMs / 1000} s`;
  return new StarlingError('STARLING_TIMEOUT', what, { hint });
}

function violation(what: string): StarlingError {
  return new StarlingError('STARLING_PROTOCOL_VIOLATION', `the node answered with ${what}`, {
    hint: 'see that starling and the node are of one version: starling --version, starling status',
  });
}
