/**
 * libp2p's WebSocket transport, mended in what can end a node or leave a socket behind. A dial that is given
 * up before it is connected keeps no one who hears of its error, and its socket stays; a connection hears no
 * error either (a frame against RFC 6455 is one), and its reset does nothing: 1006 is no code that may be sent
 * (RFC 6455 §7.4.1).
 */
import type { MultiaddrConnection, Transport, Upgrader } from '@libp2p/interface';
import { abortReason, raceAbort } from '../abort.ts';
import { overlay } from '../admission/gated-services.ts';

/** The transport that `factory` makes, whose dials may be given up at any moment. */
export function steadyWebSockets<Components>(
  factory: (components: Components) => Transport,
): (components: Components) => Transport {
  return (components) => {
    const transport = factory(components);
    const dial = transport.dial.bind(transport);
    transport.dial = async (address, options) => {
      const { signal, upgrader } = options;
      if (signal.aborted) throw abortReason(signal);
      // Nothing ends the dial before its socket is open or has failed: libp2p would leave the socket to itself.
      const { signal: never } = new AbortController();
      const whole = { ...options, upgrader: steadyUpgrader(upgrader, signal), signal: never };
      return raceAbort(dial(address, whole), signal);
    };
    const createListener = transport.createListener.bind(transport);
    transport.createListener = (options) =>
      createListener({ ...options, upgrader: steadyUpgrader(options.upgrader, undefined) });
    return transport;
  };
}

/** Mends each connection before libp2p's upgrader has it; an outbound one ends where `signal` is aborted. */
function steadyUpgrader(upgrader: Upgrader, signal: AbortSignal | undefined): Upgrader {
  return overlay(upgrader, {
    upgradeInbound: (connection, options) => {
      mend(connection);
      return upgrader.upgradeInbound(connection, options);
    },
    upgradeOutbound: async (connection, options) => {
      mend(connection);
      try {
        if (signal?.aborted === true) throw abortReason(signal);
        return await upgrader.upgradeOutbound(connection, {
          ...options,
          ...(signal === undefined ? {} : { signal }),
        });
      } catch (error) {
        // libp2p's own transport leaves the connection of a handshake that failed open.
        connection.abort(error instanceof Error ? error : new Error(String(error)));
        throw error;
      }
    },
  } satisfies Partial<Upgrader>);
}

/** An error of the socket and a reset of the connection each end both. */
function mend(connection: MultiaddrConnection): void {
  const socket: unknown = Reflect.get(connection, 'websocket');
  if (!isSocket(socket)) return;
  socket.addEventListener('error', () =>
    connection.abort(new Error('the WebSocket connection failed')),
  );
  Object.assign(connection, {
    sendReset(): void {
      if (socket.terminate === undefined) socket.close();
      else socket.terminate();
    },
  });
}

interface Socket {
  addEventListener(type: 'error', listener: () => void): void;
  close(): void;
  /** The one of `ws` has this, and no other. */
  terminate?(): void;
}

function isSocket(value: unknown): value is Socket {
  return typeof value === 'object' && value !== null && 'addEventListener' in value;
}
