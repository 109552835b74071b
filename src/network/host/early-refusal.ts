/**
 * Sockets of addresses that have no turn coming are dropped as soon as the system has accepted them:
 * before Node makes a socket of them, and libp2p a connection, which together cost thirty times as much. A
 * flood of connections that say nothing ends here.
 *
 * Node has no public place for that: `server.maxConnections` knows no addresses, and `blockList` came
 * with Node 22 and knows no time. The server's handle calls `onconnection` with the client's; where a
 * later Node does it otherwise, nothing is refused here, and the connection gater refuses a little later.
 */
import type { Listener, Transport } from '@libp2p/interface';
import { Server } from 'node:net';
import { isObject } from '../../core/index.ts';
import type { AcceptBrake } from '../limits/accept-brake.ts';

/** Who says which sockets are dropped. */
export interface EarlyRefusal {
  /** Whether a new socket of this IP address is dropped. */
  refuses(ip: string): boolean;
  /** Makes the brake of one listener; `apply` hears whether its queue is to be short. */
  brake(apply: (isShort: boolean) => void): AcceptBrake;
}

/** Connections that the system keeps for a listener until they are accepted: what Node has by itself. */
const BACKLOG = 511;
/** The same under the brake: as good as none, so that a flood waits in its own system. */
const BACKLOG_SHORT = 1;

/** The transport that `factory` makes; its listeners ask `refusal`. */
export function refusingEarly<Components>(
  factory: (components: Components) => Transport,
  refusal: EarlyRefusal,
): (components: Components) => Transport {
  return (components) => {
    const transport = factory(components);
    const createListener = transport.createListener.bind(transport);
    transport.createListener = (options) => {
      const listener = createListener(options);
      guard(listener, refusal);
      return listener;
    };
    return transport;
  };
}

function guard(listener: Listener, refusal: EarlyRefusal): void {
  const server: unknown = Reflect.get(listener, 'server');
  if (!(server instanceof Server)) return;
  // A server that listens anew has a new handle.
  server.on('listening', () => {
    const handle: unknown = Reflect.get(server, '_handle');
    if (!isObject(handle)) return;
    const accept: unknown = Reflect.get(handle, 'onconnection');
    if (typeof accept !== 'function') return;
    const brake = refusal.brake((isShort) => {
      // A handle that is closed would make itself a new socket.
      if (Reflect.get(server, '_handle') !== handle) return;
      // listen(2) on a socket that listens changes the length of its queue, and nothing else.
      call(handle, 'listen', isShort ? BACKLOG_SHORT : BACKLOG);
    });
    server.once('close', () => brake.stop());
    Object.assign(handle, {
      onconnection(this: unknown, ...args: readonly unknown[]) {
        const client = args[1];
        if (isObject(client) && refusal.refuses(addressOf(client))) {
          // A reset leaves nothing behind in the system either.
          call(client, 'reset', () => undefined);
          brake.refused();
        } else Reflect.apply(accept, this, args);
      },
    });
  });
}

function addressOf(client: object): string {
  const peer = { address: '' };
  call(client, 'getpeername', peer);
  return peer.address;
}

function call(target: object, name: string, ...args: readonly unknown[]): void {
  const method: unknown = Reflect.get(target, name);
  if (typeof method === 'function') Reflect.apply(method, target, args);
}
