/**
 * What a scenario says to a node as its operator: MCP as lines of JSON over the node's own socket, which also
 * reaches a process in another network namespace.
 */
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { createInterface } from 'node:readline';

const OPEN_TIMEOUT_MS = 30_000;

/** What the caller of a tool has in hand at last. */
export type CallEnd =
  | { readonly kind: 'answer'; readonly text: string; readonly structured: unknown }
  /** The node or the server has refused, or told of a failure. */
  | { readonly kind: 'error'; readonly text: string }
  /** The connection to the node is gone. */
  | { readonly kind: 'gone' }
  /** Nothing came in time. */
  | { readonly kind: 'silence' };

/** An attached client. */
export interface Control {
  call(tool: string, args: object, timeoutMs: number): Promise<CallEnd>;
  /** The structured result of a tool of the node itself. Rejects with what went wrong. */
  builtin<T>(tool: string, args?: object): Promise<T>;
  /** Answers that came for no call, or a second time. */
  readonly strays: number;
  close(): void;
}

interface Message {
  readonly id?: number | string;
  readonly method?: string;
  readonly error?: { readonly message?: string };
  readonly result?: {
    readonly isError?: boolean;
    readonly structuredContent?: unknown;
    readonly content?: readonly { readonly text?: string }[];
  };
}

const BUILTIN_TIMEOUT_MS = 60_000;

/** Attaches to the node that listens at `path`. */
export async function attachControl(path: string): Promise<Control> {
  const control = new SocketControl(connect(path));
  const opened = await control.request(
    'initialize',
    { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'sim', version: '1' } },
    OPEN_TIMEOUT_MS,
    { first: { method: 'starling/attach', params: { as: 'operator' } } },
  );
  if (opened.kind !== 'answer')
    throw new Error(`the node at ${path} does not answer: ${opened.kind}`);
  control.notify('notifications/initialized');
  return control;
}

class SocketControl implements Control {
  readonly #socket: Socket;
  readonly #waiting = new Map<number | string, (end: CallEnd) => void>();
  #ids = 0;
  #isOver = false;
  strays = 0;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('error', () => undefined);
    socket.once('close', () => this.#end());
    createInterface({ input: socket })
      .on('line', (line) => this.#heard(JSON.parse(line) as Message))
      .on('error', () => undefined);
  }

  call(tool: string, args: object, timeoutMs: number): Promise<CallEnd> {
    return this.request('tools/call', { name: tool, arguments: args }, timeoutMs);
  }

  async builtin<T>(tool: string, args: object = {}): Promise<T> {
    const end = await this.call(`starling__${tool}`, args, BUILTIN_TIMEOUT_MS);
    if (end.kind === 'answer') return end.structured as T;
    throw new Error(`${tool}: ${end.kind === 'error' ? end.text : end.kind}`);
  }

  notify(method: string): void {
    this.#send({ method });
  }

  request(
    method: string,
    params: object,
    timeoutMs: number,
    { first }: { readonly first?: object } = {},
  ): Promise<CallEnd> {
    if (this.#isOver) return Promise.resolve({ kind: 'gone' });
    if (first !== undefined) {
      this.#waiting.set('attach', () => undefined);
      this.#send({ id: 'attach', ...first });
    }
    this.#ids += 1;
    const id = this.#ids;
    return new Promise((resolve) => {
      const timer = setTimeout(() => end({ kind: 'silence' }), timeoutMs);
      const end = (how: CallEnd): void => {
        clearTimeout(timer);
        this.#waiting.delete(id);
        resolve(how);
      };
      this.#waiting.set(id, end);
      this.#send({ id, method, params });
    });
  }

  close(): void {
    this.#socket.destroy();
  }

  #send(message: object): void {
    this.#socket.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`);
  }

  #heard({ id, method, error, result }: Message): void {
    if (method !== undefined) {
      if (id !== undefined) this.#send({ id, result: {} });
      return;
    }
    const end = id === undefined ? undefined : this.#waiting.get(id);
    if (id === undefined || end === undefined) {
      this.strays += 1;
      return;
    }
    this.#waiting.delete(id);
    const text = (result?.content ?? []).map((part) => part.text ?? '').join('\n');
    if (error !== undefined) end({ kind: 'error', text: error.message ?? '' });
    else if (result?.isError === true) end({ kind: 'error', text });
    else end({ kind: 'answer', text, structured: result?.structuredContent });
  }

  #end(): void {
    this.#isOver = true;
    for (const end of this.#waiting.values()) end({ kind: 'gone' });
  }
}
