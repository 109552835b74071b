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

/** The transport that `factory` makes; `refuses` is asked of the IP address of each new socket. */
export function refusingEarly<Components>(
  factory: (components: Components) => Transport,
  refuses: (ip: string) => boolean,
): (components: Components) => Transport {
  return (components) => {
    const transport = factory(components);
    const createListener = transport.createListener.bind(transport);
    transport.createListener = (options) => {
      const listener = createListener(options);
      guard(listener, refuses);
      return listener;
    };
    return transport;
  };
}

function guard(listener: Listener, refuses: (ip: string) => boolean): void {
  const server: unknown = Reflect.get(listener, 'server');
  if (!(server instanceof Server)) return;
  // A server that listens anew has a new handle.
  server.on('listening', () => {
    const handle: unknown = Reflect.get(server, '_handle');
    if (!isObject(handle)) return;
    const accept: unknown = Reflect.get(handle, 'onconnection');
    if (typeof accept !== 'function') return;
    Object.assign(handle, {
      onconnection(this: unknown, ...args: readonly unknown[]) {
        const client = args[1];
        // A reset leaves nothing behind in the system either.
        if (isObject(client) && refuses(addressOf(client))) call(client, 'reset', () => undefined);
        else Reflect.apply(accept, this, args);
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

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}
