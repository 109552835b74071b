/**
 * What libp2p 3 needs and Node 20 lacks: `Promise.withResolvers` and a global `WebSocket`.
 * Every entry point imports this module first. On Node 22 and later it changes nothing.
 */
import { WebSocket } from 'ws';

interface Resolvers<T> {
  promise: Promise<T>;
  resolve: (value: T | PromiseLike<T>) => void;
  reject: (reason?: unknown) => void;
}

function withResolvers<T>(): Resolvers<T> {
  let resolve!: Resolvers<T>['resolve'];
  let reject!: Resolvers<T>['reject'];
  const promise = new Promise<T>((onResolve, onReject) => {
    resolve = onResolve;
    reject = onReject;
  });
  return { promise, resolve, reject };
}

function define(target: object, name: string, value: unknown): void {
  if (name in target) return;
  Object.defineProperty(target, name, { value, configurable: true, writable: true });
}

/** After so long a server that says nothing to the upgrade is given up: a web socket of later Nodes ends too. */
const HANDSHAKE_TIMEOUT_MS = 30_000;

/** As the standard has it: an error that nobody listens for ends nothing (an emitter's would end the process). */
class StandardWebSocket extends WebSocket {
  constructor(address: string | URL, protocols: string | string[] = []) {
    super(address, protocols, { handshakeTimeout: HANDSHAKE_TIMEOUT_MS });
    this.on('error', () => undefined);
  }
}

define(Promise, 'withResolvers', withResolvers);
define(globalThis, 'WebSocket', StandardWebSocket);
