/**
 * A client of a node at one of its doors, with a key of that node: by HTTP, WebSocket or TCP. It opens its connection with
 * the first call, and a new one after the last was lost.
 */
import { StarlingError, createScope, systemClock } from '../../core/index.ts';
import type { Clock, JsonObject, Random } from '../../core/index.ts';
import { withRetries } from '../session/call/retries.ts';
import type { DoorCallOptions, DoorCaller } from './caller.ts';
import { httpCaller } from './http-calls.ts';
import { sessionCaller } from './session-calls.ts';
import { tcpPipe, webSocketPipe } from './pipes.ts';

/** How a client calls. */
export interface DoorInit {
  /** Of `starling key create`. */
  readonly key: string;
  /** Default: the system's. */
  readonly clock?: Clock;
  readonly random?: Random;
}

/** A client of a node. */
export interface DoorClient {
  /**
   * Calls a tool by the name that lists show, or one of the node's own by its bare name; gives the result of MCP. Over HTTP
   * nobody hears of progress.
   * @throws what the node answers, STARLING_NODE_UNREACHABLE, STARLING_TIMEOUT, STARLING_STOPPED when it was cancelled
   */
  call(name: string, args: JsonObject, options?: DoorCallOptions): Promise<JsonObject>;
  /** Ends the connection, and with it what is under way. */
  close(): Promise<void>;
}

const TIMEOUT_MS = 60_000;

/**
 * Makes a client of the node at `address`: `http://host:port` or `https:`, `ws:` or `wss:`, `tcp://host:port`. A key is sent
 * to that address alone.
 * @throws STARLING_USAGE for an address that is none
 */
export function connectDoor(address: string, init: DoorInit): DoorClient {
  const { clock = systemClock, random = Math.random } = init;
  const caller = callerOf(address, init);
  const scope = createScope(clock);
  return {
    call: (name, args, { onProgress, retries, signal, timeoutMs = TIMEOUT_MS } = {}) =>
      withRetries({ clock, random }, { retries, signal }, async () => {
        const limit = new AbortController();
        const giveUp = (why: StarlingError) => (): void => limit.abort(why);
        const cancelled = giveUp(new StarlingError('STARLING_STOPPED', `${name}: given up`));
        const late = new StarlingError('STARLING_TIMEOUT', `${name}: no answer in ${timeoutMs} ms`);
        if (signal?.aborted === true || scope.closed) cancelled();
        const cancelTimer = clock.schedule(timeoutMs, giveUp(late));
        signal?.addEventListener('abort', cancelled, { once: true });
        scope.signal.addEventListener('abort', cancelled, { once: true });
        try {
          limit.signal.throwIfAborted();
          return await caller.call({ name, args, signal: limit.signal, onProgress });
        } finally {
          cancelTimer();
          signal?.removeEventListener('abort', cancelled);
          scope.signal.removeEventListener('abort', cancelled);
        }
      }),
    async close() {
      scope.close();
      caller.close();
    },
  };
}

function callerOf(address: string, { key }: DoorInit): DoorCaller {
  const url = URL.canParse(address) ? new URL(address) : undefined;
  switch (url?.protocol) {
    case 'http:':
    case 'https:':
      return httpCaller(url, key);
    case 'ws:':
    case 'wss:':
      return sessionCaller(() => webSocketPipe(url, key), {});
    case 'tcp:':
      return sessionCaller(() => tcpPipe(url), { token: key });
    default:
      throw new StarlingError('STARLING_USAGE', `'${address.slice(0, 200)}' is no door of a node`, {
        hint: 'http://host:port, ws://host:port, or tcp://host:port, as starling status shows them',
      });
  }
}
