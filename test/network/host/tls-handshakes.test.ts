/**
 * Handshakes of TLS that never end well, each over a real TCP socket that TLS reads by itself: garbage, what stops in the
 * middle, what comes a byte at a time. The host is rid of each within its time, and serves everybody else meanwhile.
 */
import '../../../src/core/system/node20.ts';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { Socket, connect } from 'node:net';
import { Duplex } from 'node:stream';
import { connect as connectTls } from 'node:tls';
import { serviceCapabilities } from '@libp2p/interface';
import type { ConnectionEncrypter, Libp2p, MessageStream } from '@libp2p/interface';
import { tcp } from '@libp2p/tcp';
import { createLibp2p } from 'libp2p';
import type { Multiaddr } from '@multiformats/multiaddr';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { steadyYamux } from '../../../src/network/host/muxer.ts';
import { tlsOfOneCertificate } from '../../../src/network/host/one-certificate.ts';
import type { CertificateComponents } from '../../../src/network/host/one-certificate.ts';
import { upTo } from '../../long/extent.ts';
import { soon } from '../support.ts';

/** What a host gives a handshake here: it must be rid of whoever takes longer. */
const PATIENCE_MS = 1000;
const PENDING_MAX = 32;
/** How often an honest client dials anew. */
const TRIES = 20;
/** The two ends agree on TLS (multistream-select 1.0). */
const AGREES = Buffer.from('\x13/multistream/1.0.0\n\x0b/tls/1.0.0\n', 'latin1');
/** A handshake record that is as long as TLS lets one be (RFC 8446, section 5.1), and never comes whole. */
const ENDLESS = Buffer.from([22, 3, 1, 0x40, 0x00]);

/** Sockets below connections that were encrypted, of both ends. */
const below: Socket[] = [];
let host: Libp2p;
let friend: Libp2p;
/** What an honest client says first. */
let hello: Buffer;

/** `tls()` of the host; the sockets below what it has made are kept for a look. */
function seenTls(components: CertificateComponents): ConnectionEncrypter {
  const tls = tlsOfOneCertificate()(components);
  const seen = <T>(connection: MessageStream, secured: Promise<T>): Promise<T> =>
    secured.finally(() => {
      const socket: unknown = Reflect.get(connection, 'socket');
      if (socket instanceof Socket) below.push(socket);
    });
  const capable = { [serviceCapabilities]: ['@libp2p/connection-encryption'] };
  return {
    ...capable,
    protocol: tls.protocol,
    secureInbound: (connection, options) =>
      seen(connection, tls.secureInbound(connection, options)),
    secureOutbound: (connection, options) =>
      seen(connection, tls.secureOutbound(connection, options)),
  };
}

async function makeHost(): Promise<Libp2p> {
  const node = await createLibp2p({
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    transports: [tcp()],
    connectionEncrypters: [seenTls],
    streamMuxers: [steadyYamux({})],
    connectionManager: {
      inboundUpgradeTimeout: PATIENCE_MS,
      inboundConnectionThreshold: 1_000_000,
      maxIncomingPendingConnections: PENDING_MAX,
    },
  });
  await node.handle('/echo', (stream) => {
    stream.addEventListener('message', ({ data }) => stream.send(data));
  });
  return node;
}

const placeOf = (node: Libp2p): Multiaddr => node.getMultiaddrs()[0] as Multiaddr;

/** The ClientHello of a client of ours. */
function helloOf(): Promise<Buffer> {
  return new Promise((resolve) => {
    const wire = new Duplex({
      read: () => undefined,
      write: (chunk: Buffer, _, done) => {
        resolve(chunk);
        done();
      },
    });
    const socket = connectTls({ socket: wire, rejectUnauthorized: false, minVersion: 'TLSv1.3' });
    socket.on('error', () => undefined);
  });
}

beforeAll(async () => {
  [host, friend, hello] = await Promise.all([makeHost(), makeHost(), helloOf()]);
});
afterAll(async () => {
  for (const node of [host, friend]) await node.stop();
});

/** A client of a bare socket, which says `first` at once. */
async function knock(
  first: Buffer,
): Promise<{ readonly socket: Socket; readonly over: Promise<unknown> }> {
  const port = Number(String(placeOf(host)).split('/')[4]);
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  socket
    .on('error', () => undefined)
    .on('end', () => socket.end())
    .resume();
  const over = new Promise((resolve) => socket.once('close', resolve));
  await once(socket, 'connect');
  socket.write(first);
  return { socket, over };
}

/** The same, once the host has agreed to go on by TLS. */
async function agreed(): ReturnType<typeof knock> {
  const client = await knock(AGREES);
  let heard = 0;
  await new Promise<void>((resolve) => {
    client.socket.on('data', (chunk: Buffer) => {
      heard += chunk.length;
      if (heard >= AGREES.length) resolve();
    });
    client.socket.once('close', () => resolve());
  });
  return client;
}

/** Serves an honest client; one whose handshake a busy machine has made too long for the host dials again, as a node does. */
async function serves(): Promise<void> {
  for (let tries = 0; ; tries += 1) {
    try {
      return await echoes();
    } catch (error) {
      if (tries === TRIES) throw error;
    }
  }
}

async function echoes(): Promise<void> {
  const connection = await friend.dial(placeOf(host), { ...soon(), force: true });
  const stream = await connection.newStream('/echo', soon());
  const back = new Promise<string>((resolve) =>
    stream.addEventListener(
      'message',
      ({ data }) => resolve(Buffer.from(data.subarray()).toString()),
      { once: true },
    ),
  );
  stream.send(Buffer.from('still there'));
  expect(await back).toBe('still there');
  await connection.close(soon());
}

/** The host is rid of all but those that were let in. */
async function isFree(): Promise<void> {
  await serves();
  await expect.poll(() => host.getConnections().length, { timeout: 60_000 }).toBe(0);
}

it('a real handshake has the socket itself, at both ends: no byte goes through libp2p’s connection', async () => {
  below.length = 0;
  await serves();
  await expect.poll(() => below.length, { timeout: 60_000 }).toBeGreaterThanOrEqual(2);
  for (const socket of below.slice(-2)) {
    // Where the connection still read the socket, its listener would be there.
    expect(socket.listenerCount('data')).toBe(0);
    expect(socket.bytesRead).toBeGreaterThan(AGREES.length);
  }
});

it('whatever comes in place of a handshake is the end of its socket alone', async () => {
  const come = async ([bytes, isAtOnce]: readonly [Uint8Array, boolean]): Promise<void> => {
    const client = isAtOnce ? await knock(Buffer.concat([AGREES, bytes])) : await agreed();
    if (!isAtOnce) client.socket.write(bytes);
    await client.over;
  };
  const garbage = fc.tuple(fc.uint8Array({ minLength: 1, maxLength: 3000 }), fc.boolean());
  await fc.assert(
    // What looks like the begin of something long is waited for: several wait together.
    fc.asyncProperty(fc.array(garbage, { minLength: 8, maxLength: 8 }), async (all) => {
      await Promise.all(all.map(come));
    }),
    { numRuns: upTo(2, 40) },
  );
  await isFree();
});

it('a handshake with a byte that is another, or that ends at any byte, is the end of its socket alone', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.nat(hello.length - 1),
      fc.integer({ min: 1, max: 255 }),
      fc.constantFrom('changed', 'cut', 'doubled'),
      async (at, by, how) => {
        const client = await agreed();
        const bytes = Buffer.from(hello);
        if (how === 'changed') {
          bytes[at] = (bytes[at] ?? 0) ^ by;
          client.socket.write(bytes);
          // Some changes are none that TLS could mind: then what comes next is wrong.
          client.socket.end(randomBytes(64));
        } else if (how === 'doubled') client.socket.end(Buffer.concat([bytes, bytes]));
        else {
          client.socket.write(bytes.subarray(0, at));
          client.socket.destroy();
        }
        await client.over;
      },
    ),
    { numRuns: upTo(15, 300) },
  );
  await isFree();
});

it('who says nothing more, and who says a byte now and then, is sent away in time, and others are served meanwhile', async () => {
  const firsts = [
    Buffer.alloc(0),
    hello.subarray(0, 1),
    hello.subarray(0, hello.length - 1),
    hello,
    ENDLESS,
  ];
  const clients = await Promise.all(firsts.map(() => agreed()));
  for (const [at, { socket }] of clients.entries()) socket.write(firsts[at] ?? '');
  const drip = await agreed();
  drip.socket.write(ENDLESS);
  // A byte follows each honest client that was served meanwhile.
  const dripping = (async () => {
    while (!drip.socket.destroyed) {
      drip.socket.write(Buffer.of(0));
      await serves();
    }
  })();
  await Promise.all([...clients, drip].map(({ over }) => over));
  await dripping;
  await isFree();
});

it('as many handshakes as there are places wait at one time, and no more', async () => {
  const clients = await Promise.all(Array.from({ length: PENDING_MAX * 4 }, () => knock(AGREES)));
  for (const { socket } of clients) socket.write(hello.subarray(0, 40));
  // All are gone in the end: those beyond the places at once, the others when their time is over.
  await Promise.all(clients.map(({ over }) => over));
  await isFree();
});

it('who has no certificate is refused', async () => {
  const client = await agreed();
  client.socket.removeAllListeners('data');
  const tls = connectTls({
    socket: client.socket,
    rejectUnauthorized: false,
    minVersion: 'TLSv1.3',
  });
  tls
    .on('error', () => undefined)
    .on('end', () => tls.end())
    .resume();
  await new Promise((resolve) => tls.once('close', resolve));
  await isFree();
});
