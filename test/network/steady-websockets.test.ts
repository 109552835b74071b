/** WebSocket dials that are given up, and connections that break the protocol, on real sockets of loopback. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { setImmediate as turn } from 'node:timers/promises';
import { afterEach, expect, it } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { systemClock } from '../../src/core/index.ts';
import { createBareHost } from '../../src/network/index.ts';
import type { BareHost } from '../../src/network/index.ts';
import { connectedTo, makeMembers, soon, stopAll } from './support.ts';

/** What a test has opened. */
const open: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of open.splice(0)) await close();
  await stopAll();
});

/** A frame of a reserved kind (RFC 6455 §5.2), not masked. */
const BROKEN = Buffer.from([0x83, 0]);

async function makeHost(): Promise<BareHost> {
  const host = await createBareHost({ clock: systemClock });
  open.push(() => host.stop());
  return host;
}

/** A server that does nothing of itself; each upgrade goes to `onUpgrade`, which may `accept` it. */
async function makeServer(
  onUpgrade: (accept: () => Promise<WebSocket>, socket: Duplex) => void,
): Promise<string> {
  const server = createServer();
  const upgrades = new WebSocketServer({ noServer: true });
  server.on('upgrade', (request, socket, head) => {
    onUpgrade(
      () => new Promise((resolve) => upgrades.handleUpgrade(request, socket, head, resolve)),
      socket,
    );
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  open.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return `/ip4/127.0.0.1/tcp/${(server.address() as AddressInfo).port}/ws`;
}

it('a dial to a port where nobody listens may be given up at any moment', async () => {
  const host = await makeHost();
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  for (let turns = 0; turns < 40; turns += 1) {
    const stop = new AbortController();
    const dialled = host.dial(`/ip4/127.0.0.1/tcp/${port}/ws`, { signal: stop.signal });
    const failed = expect(dialled).rejects.toThrow();
    for (let one = 0; one < turns; one += 1) await turn();
    stop.abort();
    await failed;
  }
});

it('a host that stops while it dials ends without an error of its own', async () => {
  for (let turns = 0; turns < 12; turns += 1) {
    const host = await createBareHost({ clock: systemClock });
    const dialled = host.dial('/ip4/127.0.0.1/tcp/9/ws', soon());
    const failed = expect(dialled).rejects.toThrow();
    for (let one = 0; one < turns; one += 1) await turn();
    await host.stop();
    await failed;
  }
});

it('a dial that was given up leaves no socket at a server that answers late', async () => {
  const host = await makeHost();
  const upgrades: (() => Promise<WebSocket>)[] = [];
  const stop = new AbortController();
  const address = await makeServer((accept) => {
    upgrades.push(accept);
    stop.abort();
  });
  await expect(host.dial(address, { signal: stop.signal })).rejects.toThrow();
  const socket = await upgrades[0]?.();
  if (socket === undefined) throw new Error('the host has not dialled');
  await once(socket, 'close', soon());
});

it('a dial that is given up in the handshake leaves no socket', async () => {
  const host = await makeHost();
  const stop = new AbortController();
  const closed = new Promise<void>((resolve, reject) => {
    void makeServer((accept) => {
      accept()
        .then((socket) => {
          socket.once('close', () => resolve());
          socket.once('message', () => stop.abort());
        })
        .catch(reject);
    }).then((address) => {
      host.dial(address, { signal: stop.signal }).catch(() => undefined);
    });
  });
  await closed;
});

it('a server that breaks the protocol ends the dial and nothing else', async () => {
  const host = await makeHost();
  const address = await makeServer((accept, socket) => {
    void accept().then(() => socket.write(BROKEN));
  });
  await expect(host.dial(address, soon())).rejects.toThrow();
});

it('a client that breaks the protocol ends its connection and nothing else', async () => {
  const [a, b] = await makeMembers(['a', 'b'], { listen: ['/ip4/127.0.0.1/tcp/0/ws'] });
  if (a === undefined || b === undefined) throw new Error('two members');
  const port = /tcp\/(\d+)/.exec(a.address())?.[1];
  const client = new WebSocket(`ws://127.0.0.1:${port}`);
  const upgraded = once(client, 'upgrade', soon());
  client.on('error', () => undefined);
  const closed = once(client, 'close', soon());
  const socket = Reflect.get((await upgraded)[0] as object, 'socket') as Duplex;
  socket.write(BROKEN);
  await closed;
  await b.network.dial(a.address(), soon());
  await connectedTo(a.network, b.id);
});
