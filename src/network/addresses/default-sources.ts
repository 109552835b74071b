/** Which addresses of this machine its default routes use. Nothing is sent. */
import { createSocket } from 'node:dgram';
import type { SocketType } from 'node:dgram';
import { isIP } from 'node:net';

/** Far places by whose route the system chooses an address of ours: TEST-NET-1 and the 6bone's old block. */
const FAR: readonly (readonly [SocketType, string])[] = [
  ['udp4', '192.0.2.1'],
  ['udp6', '3ffe::1'],
];
/** Any port does: connecting a datagram socket sends nothing. */
const PORT = 9;

/** The addresses that connections into the wide network start from; empty where there is no default route. */
export async function defaultSources(): Promise<ReadonlySet<string>> {
  const found = await Promise.all(FAR.map(([type, far]) => sourceTo(type, far)));
  return new Set(found.filter((address) => isIP(address) !== 0));
}

function sourceTo(type: SocketType, far: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = createSocket(type);
    const done = (address: string): void => {
      socket.close();
      resolve(address);
    };
    socket.once('error', () => done(''));
    socket.connect(PORT, far, () => done(socket.address().address));
  });
}
