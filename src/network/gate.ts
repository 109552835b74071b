/**
 * Which connections are admitted, and how libp2p's own services are kept off the others.
 *
 * The services (identify, kad-dht, gossipsub, relay) are given a registrar and a connection manager
 * that wait for a connection's admission: inbound streams before it are held, not handled, and end
 * with the connection; outbound ones are not opened. `libp2p.use` would be the official place for
 * this, but libp2p 3.3.11 appends the handler to the registered middleware on every inbound stream,
 * so that it runs once more each time.
 */
import type { IdentifyPushComponents } from '@libp2p/identify';
import type { Connection, StreamHandler } from '@libp2p/interface';
import { StarlingError } from '../core/index.ts';

type Registrar = IdentifyPushComponents['registrar'];
type ConnectionManager = IdentifyPushComponents['connectionManager'];

interface Entry {
  state: 'pending' | 'admitted' | 'closed';
  readonly settled: Promise<void>;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/** The state of every connection. */
export interface Gate {
  isAdmitted(connection: Connection): boolean;
  /** Lets a connection in. A no-op when it is closed already; then false is returned. */
  admit(connection: Connection): boolean;
  /** Fails everybody who waits for the connection. A no-op when it is refused already. */
  refuse(connection: Connection, error: Error): void;
  /** Resolves once the connection is admitted; rejects with the refusal or when `signal` fires. */
  admitted(connection: Connection, signal?: AbortSignal): Promise<void>;
  /** A handler that serves admitted connections and holds the streams of others. */
  guard(handler: StreamHandler): StreamHandler;
}

/** Makes a gate; connections unknown to it are pending. */
export function createGate(): Gate {
  const entries = new WeakMap<Connection, Entry>();

  const entryOf = (connection: Connection): Entry => {
    const known = entries.get(connection);
    if (known !== undefined) return known;
    const entry = createEntry();
    entries.set(connection, entry);
    return entry;
  };

  const gate: Gate = {
    isAdmitted: (connection) => entries.get(connection)?.state === 'admitted',
    admit(connection) {
      const entry = entryOf(connection);
      if (entry.state === 'closed') return false;
      entry.state = 'admitted';
      entry.resolve();
      return true;
    },
    refuse(connection, error) {
      const entry = entryOf(connection);
      entry.state = 'closed';
      entry.reject(error);
    },
    admitted(connection, signal) {
      const { settled, state } = entryOf(connection);
      if (state === 'admitted') return Promise.resolve();
      return signal === undefined ? settled : raceAbort(settled, signal);
    },
    guard: (handler) => async (stream, connection) => {
      try {
        await gate.admitted(connection);
      } catch {
        stream.abort(new StarlingError('STARLING_JOIN_REFUSED', 'The connection is not admitted'));
        return;
      }
      if (stream.status === 'open') await handler(stream, connection);
    },
  };
  return gate;
}

function createEntry(): Entry {
  let resolve: Entry['resolve'] = () => undefined;
  let reject: Entry['reject'] = () => undefined;
  const settled = new Promise<void>((onResolve, onReject) => {
    resolve = onResolve;
    reject = onReject;
  });
  // Nobody may be waiting: the reason of a refusal is logged where it is decided.
  settled.catch(() => undefined);
  return { state: 'pending', settled, resolve, reject };
}

/** A registrar that holds inbound streams until their connection is admitted. */
export function gateRegistrar(registrar: Registrar, gate: Gate): Registrar {
  return overlay(registrar, {
    handle: (protocol, handler, options) =>
      registrar.handle(protocol, gate.guard(handler), options),
  });
}

/** A connection manager whose connections are admitted, or the call fails. */
export function gateConnectionManager(
  manager: ConnectionManager,
  gate: Gate,
  overrides: Partial<ConnectionManager> = {},
): ConnectionManager {
  const openConnection: ConnectionManager['openConnection'] = async (peer, options) => {
    const connection = await manager.openConnection(peer, options);
    await gate.admitted(connection, options?.signal);
    return connection;
  };
  return overlay(manager, {
    openConnection,
    async openStream(peer, protocol, options) {
      const connection = await openConnection(peer, options);
      return connection.newStream(protocol, options);
    },
    ...overrides,
  });
}

/** `target` with some of its members replaced; methods keep their `this`. */
export function overlay<T extends object>(target: T, overrides: Partial<T>): T {
  return new Proxy(target, {
    get(original, key): unknown {
      if (Object.hasOwn(overrides, key)) return Reflect.get(overrides, key);
      const value: unknown = Reflect.get(original, key);
      return typeof value === 'function' ? value.bind(original) : value;
    },
  });
}

/** `promise`, or the reason of `signal` when that comes first. */
export function raceAbort<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  if (signal.aborted) {
    // Its own outcome comes too late to matter, but must not end the process.
    promise.catch(() => undefined);
    return Promise.reject(abortReason(signal));
  }
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(abortReason(signal));
    signal.addEventListener('abort', onAbort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}

/** Why `signal` fired, as an error with a code. */
export function abortReason(signal: AbortSignal): Error {
  const reason: unknown = signal.reason;
  if (reason instanceof StarlingError) return reason;
  const timedOut = reason instanceof Error && reason.name === 'TimeoutError';
  return new StarlingError('STARLING_TIMEOUT', timedOut ? 'The time was over' : 'Given up', {
    cause: reason,
  });
}
