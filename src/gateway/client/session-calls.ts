/** Calls by a session of MCP: one connection for all, with progress, and told to the node when they are cancelled. */
import { StarlingError, VERSION, isObject } from '../../core/index.ts';
import type { Json, JsonObject } from '../../core/index.ts';
import { RPC } from '../wire/frame.ts';
import { answeredError, notReached } from './answered-error.ts';
import type { DoorCall, DoorCaller } from './caller.ts';
import type { Pipe, PipeOpener } from './pipes.ts';

/** The newest version with sessions. */
const PROTOCOL = '2025-11-25';

/** A request that waits for its answer. */
interface Waiting {
  readonly onProgress: DoorCall['onProgress'];
  resolve(result: JsonObject): void;
  reject(error: unknown): void;
}

/** Calls tools by a session over what `open` gives; after its end the next call opens another one. */
export function sessionCaller(
  open: () => PipeOpener,
  greeting: { readonly token?: string },
): DoorCaller {
  let current: Promise<DoorSession> | undefined;
  return {
    async call(call) {
      current ??= DoorSession.open(open(), greeting);
      const opening = current;
      const forget = (): void => {
        if (current === opening) current = undefined;
      };
      let opened: DoorSession | undefined;
      opening.then((session) => {
        opened = session;
        return session.over.then(forget);
      }, forget);
      try {
        return (await abortable(opening, call.signal)).call(call);
      } catch (error) {
        // Who has given up a node that does not greet is not to find it so again.
        if (call.signal.aborted && opened === undefined) {
          forget();
          opening.then((late) => late.close()).catch(() => undefined);
        }
        throw error;
      }
    },
    close() {
      const last = current;
      current = undefined;
      last?.then((session) => session.close()).catch(() => undefined);
    },
  };
}

class DoorSession {
  readonly #pipe: Pipe;
  readonly #where: string;
  readonly #waiting = new Map<number, Waiting>();
  #lastId = 0;
  #end: () => void = () => undefined;
  #isOver = false;
  /** Resolves once the connection has ended. */
  readonly over: Promise<void> = new Promise((resolve) => {
    this.#end = resolve;
  });

  private constructor(pipe: Pipe, where: string) {
    this.#pipe = pipe;
    this.#where = where;
  }

  /** @throws STARLING_NODE_UNREACHABLE, or what the node answers whoever comes with such a key */
  static async open(
    opener: PipeOpener,
    { token }: { readonly token?: string },
  ): Promise<DoorSession> {
    let session: DoorSession | undefined;
    const early: string[] = [];
    const pipe = await opener
      .open({
        message: (text) => (session === undefined ? early.push(text) : session.#heard(text)),
        ended: (error) => {
          if (session !== undefined) session.#ended(error);
        },
      })
      .catch((error: unknown) => {
        throw notReachedOr(error, opener.where);
      });
    session = new DoorSession(pipe, opener.where);
    for (const text of early) session.#heard(text);
    try {
      await session.#request('initialize', {
        protocolVersion: PROTOCOL,
        capabilities: {},
        clientInfo: { name: 'library', version: VERSION },
        ...(token === undefined ? {} : { _meta: { 'starling/token': token } }),
      }).answer;
    } catch (error) {
      session.close();
      throw error;
    }
    session.#send({ jsonrpc: '2.0', method: 'notifications/initialized', params: {} });
    return session;
  }

  async call({ name, args, signal, onProgress }: DoorCall): Promise<JsonObject> {
    signal.throwIfAborted();
    const { id, answer } = this.#request('tools/call', { name, arguments: args }, onProgress);
    const cancelled = (): void => {
      const params = { requestId: id, reason: 'the program gave it up' };
      this.#send({ jsonrpc: '2.0', method: 'notifications/cancelled', params });
      this.#take(id)?.reject(signal.reason);
    };
    signal.addEventListener('abort', cancelled, { once: true });
    try {
      return await answer;
    } finally {
      signal.removeEventListener('abort', cancelled);
    }
  }

  close(): void {
    this.#pipe.close();
    this.#ended();
  }

  #request(
    method: string,
    params: JsonObject,
    onProgress?: DoorCall['onProgress'],
  ): { readonly id: number; readonly answer: Promise<JsonObject> } {
    const id = (this.#lastId += 1);
    const said = isObject(params['_meta']) ? params['_meta'] : {};
    const _meta = onProgress === undefined ? said : { ...said, progressToken: id };
    const answer = new Promise<JsonObject>((resolve, reject) => {
      if (this.#isOver) return reject(notReached(this.#where, undefined));
      this.#waiting.set(id, { onProgress, resolve, reject });
      return this.#send({ jsonrpc: '2.0', id, method, params: { ...params, _meta } });
    });
    return { id, answer };
  }

  #send(message: JsonObject): void {
    if (!this.#isOver) this.#pipe.send(JSON.stringify(message));
  }

  #take(id: unknown): Waiting | undefined {
    const waiting = this.#waiting.get(Number(id));
    this.#waiting.delete(Number(id));
    return waiting;
  }

  #heard(text: string): void {
    const message = parsed(text);
    if (!isObject(message)) return this.#ended(new Error('it does not speak JSON-RPC'));
    const { id, method, params, result, error } = message;
    const fields = isObject(params) ? params : {};
    if (method === 'notifications/progress') this.#progress(fields);
    else if (typeof method === 'string') {
      if (id !== undefined) this.#asked(id, method);
    } else if (isObject(error)) {
      // An error without an id is about the connection: the node takes nothing of this client.
      if (id === undefined || id === null) this.#ended(answeredError(error));
      else this.#take(id)?.reject(answeredError(error));
    } else if (isObject(result)) this.#take(id)?.resolve(result);
    return undefined;
  }

  #progress({ progressToken, progress, total, message }: JsonObject): void {
    if (typeof progress !== 'number') return;
    this.#waiting.get(Number(progressToken))?.onProgress?.({
      progress,
      ...(typeof total === 'number' ? { total } : {}),
      ...(typeof message === 'string' ? { message } : {}),
    });
  }

  /** Nothing but whether it lives is asked of this client: it has said that it can do nothing else. */
  #asked(id: Json, method: string): void {
    if (method === 'ping') return this.#send({ jsonrpc: '2.0', id, result: {} });
    const error = { code: RPC.methodNotFound, message: `this client does not serve ${method}` };
    return this.#send({ jsonrpc: '2.0', id, error });
  }

  #ended(error?: Error): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#pipe.close();
    for (const waiting of this.#waiting.values()) waiting.reject(notReachedOr(error, this.#where));
    this.#waiting.clear();
    this.#end();
  }
}

/** What the node itself has said, else that it is gone. */
function notReachedOr(error: unknown, where: string): StarlingError {
  return error instanceof StarlingError ? error : notReached(where, error);
}

/** Gives what `promise` gives, unless `signal` is aborted first: then nobody waits any more. */
function abortable<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const gone = (): void => reject(signal.reason as Error);
    if (signal.aborted) return gone();
    signal.addEventListener('abort', gone, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', gone));
    return undefined;
  });
}

function parsed(text: string): Json | undefined {
  try {
    return JSON.parse(text) as Json;
  } catch {
    // What is no JSON is no message.
    return undefined;
  }
}
