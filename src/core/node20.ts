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

define(Promise, 'withResolvers', withResolvers);
define(globalThis, 'WebSocket', WebSocket);
