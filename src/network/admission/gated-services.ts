/**
 * Keeps libp2p's own services (kad-dht, gossipsub, relay) to admitted connections: they are
 * given a registrar and a connection manager that wait for the admission. `libp2p.use` would be the
 * official place for this, but libp2p 3.3.11 appends the handler to the registered middleware on every
 * inbound stream, so that the middleware runs once more each time.
 */
import type { KadDHTComponents } from '@libp2p/kad-dht';
import type { StreamPace } from '../limits/service-pace.ts';
import type { AdmissionStates } from './admission-states.ts';

type Registrar = KadDHTComponents['registrar'];
type ConnectionManager = KadDHTComponents['connectionManager'];

/** A registrar whose handlers get streams of admitted connections only. */
export function gateRegistrar(registrar: Registrar, gate: AdmissionStates): Registrar {
  return overlay(registrar, {
    handle: (protocol, handler, options) =>
      registrar.handle(protocol, gate.guard(handler), options),
  });
}

/** A registrar whose handlers get streams that are read no faster than a peer's allowance. */
export function paceRegistrar(registrar: Registrar, pace: StreamPace): Registrar {
  return overlay(registrar, {
    handle: (protocol, handler, options) =>
      registrar.handle(protocol, pace.paced(handler), options),
  });
}

/** A connection manager whose connections are admitted, or the call fails. */
export function gateConnectionManager(
  manager: ConnectionManager,
  gate: AdmissionStates,
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
