/** A small MCP client on the node's own socket: what every command but `up` talks to the node with. */
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { socketPath } from '../config/paths.ts';
import { StarlingError } from '../core/errors.ts';
import type { ErrorCode } from '../core/errors.ts';
import { ERRORS } from '../core/errors.ts';
import type { Json, JsonObject } from '../core/json.ts';
import { createLineDecoder } from '../core/lines.ts';

const CONNECT_TIMEOUT_MS = 5000;
const MESSAGE_BYTES_MAX = 128 * 1024 * 1024;
const CALL_TIMEOUT_MS = 60_000;

/** How a call is made. */
export interface CallOptions {
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
  readonly progress?: (params: JsonObject) => void;
}

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
  close(): void;
}

interface Waiting {
  resolve(result: JsonObject): void;
  reject(error: Error): void;
  readonly progress: CallOptions['progress'];
}

/** Attaches to the node of `stateDir`. @throws STARLING_NODE_UNREACHABLE when none runs */
export async function attach(stateDir: string): Promise<NodeClient> {
  const socket = await open(stateDir);
  const client = new SocketClient(socket);
  await client.request('initialize', {
    protocolVersion: '2025-11-25',
    capabilities: {},
    clientInfo: { name: 'starling-cli', version: '1' },
  });
  client.notify('notifications/initialized', {});
  return client;
}

/** The error that says that no node runs. */
export function noNode(stateDir: string, cause?: unknown): StarlingError {
  return new StarlingError(
    'STARLING_NODE_UNREACHABLE',
    `no node runs with the state folder ${stateDir}`,
    {
      hint: 'start one with: starling up (or name its folder with --state)',
      ...(cause === undefined ? {} : { cause }),
    },
  );
}

/** Connects to the node's socket. @throws STARLING_NODE_UNREACHABLE */
export function open(stateDir: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ path: socketPath(stateDir), allowHalfOpen: true });
    socket.setTimeout(CONNECT_TIMEOUT_MS, () => socket.destroy(new Error('no answer')));
    socket.once('error', (error) => reject(noNode(stateDir, error)));
    socket.once('connect', () => {
      socket.setTimeout(0);
      resolve(socket);
    });
  });
}

class SocketClient implements NodeClient {
  readonly #socket: Socket;
  readonly #waiting = new Map<number, Waiting>();
  #nextId = 1;

  constructor(socket: Socket) {
    this.#socket = socket;
    const decoder = createLineDecoder(MESSAGE_BYTES_MAX, {
      line: (bytes) => this.#received(JSON.parse(bytes.toString('utf8')) as JsonObject),
      oversize: () => socket.destroy(new Error('the node sent too large a message')),
    });
    socket.on('data', (chunk) => decoder.push(chunk));
    socket.on('error', () => this.#ended());
    socket.on('close', () => this.#ended());
  }

  async request(
    method: string,
    params: JsonObject,
    options: CallOptions = {},
  ): Promise<JsonObject> {
    const id = this.#nextId;
    this.#nextId += 1;
    const timeoutMs = options.timeoutMs ?? CALL_TIMEOUT_MS;
    const meta = options.progress === undefined ? {} : { _meta: { progressToken: id } };
    return new Promise((resolve, reject) => {
      const finish = (): void => {
        clearTimeout(timer);
        options.signal?.removeEventListener('abort', cancelled);
        this.#waiting.delete(id);
      };
      const cancel = (error: Error): void => {
        finish();
        this.notify('notifications/cancelled', { requestId: id, reason: error.message });
        reject(error);
      };
      const cancelled = (): void => cancel(new Error('cancelled'));
      const timer = setTimeout(
        () =>
          cancel(
            new StarlingError(
              'STARLING_TIMEOUT',
              `no answer to ${method} within ${timeoutMs / 1000} s`,
              {
                hint: 'give it longer with --timeout',
              },
            ),
          ),
        timeoutMs,
      );
      options.signal?.addEventListener('abort', cancelled, { once: true });
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
    do {
      const page = await this.request('tools/list', cursor === undefined ? {} : { cursor });
      tools.push(...((page['tools'] ?? []) as readonly ToolInfo[]));
      cursor = page['nextCursor'];
    } while (cursor !== undefined);
    return tools;
  }

  call(name: string, args: JsonObject, options: CallOptions = {}): Promise<JsonObject> {
    return this.request('tools/call', { name, arguments: args }, options);
  }

  async builtin<T>(name: string, args: JsonObject = {}, options: CallOptions = {}): Promise<T> {
    const result = await this.call(`starling__${name}`, args, options);
    return result['structuredContent'] as unknown as T;
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

  #received(message: JsonObject): void {
    const { id, method, params, result, error } = message;
    if (method === 'notifications/progress') {
      const fields = (params ?? {}) as JsonObject;
      this.#waiting.get(Number(fields['progressToken']))?.progress?.(fields);
    } else if (method === 'ping' && id !== undefined) {
      this.#send({ jsonrpc: '2.0', id, result: {} });
    } else if (typeof id === 'number') {
      const waiting = this.#waiting.get(id);
      if (error === undefined) waiting?.resolve((result ?? {}) as JsonObject);
      else waiting?.reject(errorFrom(error as JsonObject));
    }
  }

  #ended(): void {
    const error = new StarlingError(
      'STARLING_NODE_UNREACHABLE',
      'the node has closed the connection',
      {
        hint: 'see whether it still runs: starling status',
      },
    );
    for (const waiting of this.#waiting.values()) waiting.reject(error);
  }
}

function errorFrom(error: JsonObject): StarlingError {
  const data = (error['data'] ?? {}) as JsonObject;
  const { code, reason, hint } = data;
  const known = typeof code === 'string' && Object.hasOwn(ERRORS, code);
  return new StarlingError(
    known ? (code as ErrorCode) : 'STARLING_UPSTREAM_UNAVAILABLE',
    known && typeof reason === 'string' ? reason : String(error['message']),
    { ...(typeof hint === 'string' ? { hint } : {}), data: { rpc: error['code'] } },
  );
}
