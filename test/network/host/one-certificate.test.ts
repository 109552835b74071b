/** TLS as libp2p specifies, with one certificate for all connections of a host. */
import '../../../src/core/system/node20.ts';
import { noise } from '@libp2p/noise';
import { tcp } from '@libp2p/tcp';
import { tls } from '@libp2p/tls';
import { peerIdFromString } from '@libp2p/peer-id';
import { createLibp2p } from 'libp2p';
import type { Libp2pOptions } from 'libp2p';
import type { Connection, Libp2p } from '@libp2p/interface';
import { multiaddr } from '@multiformats/multiaddr';
import type { Multiaddr } from '@multiformats/multiaddr';
import { Socket, connect, createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { createIdentity } from '../../../src/identity/index.ts';
import { tlsOfOneCertificate } from '../../../src/network/host/one-certificate.ts';
import { takeSocket } from '../../../src/network/host/taken-socket.ts';
import { steadyYamux } from '../../../src/network/host/muxer.ts';
import { soon } from '../support.ts';

const nodes: Libp2p[] = [];
afterEach(async () => {
  for (const node of nodes.splice(0)) await node.stop();
});

async function host(
  connectionEncrypters: Libp2pOptions['connectionEncrypters'] = [tlsOfOneCertificate()],
): Promise<Libp2p> {
  const node = await createLibp2p({
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    transports: [tcp()],
    ...(connectionEncrypters === undefined ? {} : { connectionEncrypters }),
    streamMuxers: [steadyYamux({})],
  });
  nodes.push(node);
  return node;
}

const place = (node: Libp2p): Multiaddr => node.getMultiaddrs()[0] as Multiaddr;

/** What comes back of `text` on a stream. */
async function echoed(connection: Connection, text: string): Promise<string> {
  const stream = await connection.newStream('/echo', soon());
  const back = new Promise<string>((resolve) =>
    stream.addEventListener(
      'message',
      ({ data }) => resolve(Buffer.from(data.subarray()).toString()),
      {
        once: true,
      },
    ),
  );
  stream.send(Buffer.from(text));
  return back;
}

async function serve(node: Libp2p): Promise<void> {
  await node.handle('/echo', (stream) => {
    stream.addEventListener('message', ({ data }) => stream.send(data));
  });
}

/** Passes bytes on to `port`, and counts the TLS records of data in each direction (RFC 8446, section 5.1). */
async function recordCounter(port: number): Promise<{
  readonly port: number;
  readonly records: { out: number; back: number };
  close(): Promise<void>;
}> {
  const records = { out: 0, back: 0 };
  const counted = (direction: keyof typeof records): ((chunk: Buffer) => void) => {
    let rest = Buffer.alloc(0);
    return (chunk) => {
      rest = Buffer.concat([rest, chunk]);
      // Before the handshake the two ends agree on TLS in lines of text.
      while (rest.length > 0 && (rest[0] as number) < 20) {
        const line = 1 + (rest[0] as number);
        if (rest.length < line) return;
        rest = rest.subarray(line);
      }
      while (rest.length >= 5 && rest.length >= 5 + rest.readUInt16BE(3)) {
        if (rest[0] === 23) records[direction] += 1;
        rest = rest.subarray(5 + rest.readUInt16BE(3));
      }
    };
  };
  const server = createServer((near) => {
    const far = connect(port, '127.0.0.1');
    near
      .on('data', counted('out'))
      .pipe(far)
      .on('error', () => near.destroy());
    far
      .on('data', counted('back'))
      .pipe(near)
      .on('error', () => far.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    records,
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
}

describe('a host of one certificate', () => {
  it('speaks with one of libp2p’s own TLS, either of them dialling', async () => {
    const ours = await host();
    const theirs = await host([tls(), noise()]);
    await serve(ours);
    await serve(theirs);
    const out = await ours.dial(place(theirs), soon());
    expect([out.encryption, out.multiplexer]).toEqual(['/tls/1.0.0', '/yamux/1.0.0']);
    expect(await echoed(out, 'out')).toBe('out');
    await out.close();
    const into = await theirs.dial(place(ours), { ...soon(), force: true });
    expect(into.remotePeer.equals(ours.peerId)).toBe(true);
    expect(await echoed(into, 'in')).toBe('in');
  });

  it('shows every peer the same certificate, and proves its key to each', async () => {
    const [a, b, c] = [await host(), await host(), await host()];
    await serve(a);
    for (const node of [b, c]) {
      const connection = await node.dial(place(a), soon());
      expect(connection.remotePeer.equals(a.peerId)).toBe(true);
      expect(await echoed(connection, 'x')).toBe('x');
    }
    expect(a.getPeers().map(String).toSorted()).toEqual(
      [b, c].map(({ peerId }) => String(peerId)).toSorted(),
    );
  });

  it('refuses whoever is another than was dialled', async () => {
    const [a, b] = [await host(), await host()];
    const other = peerIdFromString(createIdentity(Buffer.alloc(32, 9)).peerId);
    const [address = ''] = String(place(b)).split('/p2p/');
    await expect(a.dial(multiaddr(`${address}/p2p/${String(other)}`), soon())).rejects.toThrow(
      /peer/i,
    );
    expect(a.getConnections()).toEqual([]);
  });

  it('sends a message as one TLS record, and not its header by itself', async () => {
    const [a, b] = [await host(), await host()];
    await serve(b);
    const between = await recordCounter(Number(String(place(b)).split('/')[4]));
    const connection = await a.dial(multiaddr(`/ip4/127.0.0.1/tcp/${between.port}`), soon());
    const stream = await connection.newStream('/echo', soon());
    const echo = async (text: string): Promise<string> => {
      const back = new Promise<string>((resolve) =>
        stream.addEventListener(
          'message',
          ({ data }) => resolve(Buffer.from(data.subarray()).toString()),
          { once: true },
        ),
      );
      stream.send(Buffer.from(text));
      return back;
    };
    await echo('what opening the stream leaves to be sent');
    const before = { ...between.records };
    for (const text of ['one', 'two', 'three']) expect(await echo(text)).toBe(text);
    expect(between.records.out - before.out).toBe(3);
    expect(between.records.back - before.back).toBe(3);
    await connection.close();
    await between.close();
  });

  it('is not held up by one who leaves in the middle of the handshake', async () => {
    const [a, b] = [await host(), await host()];
    const { address, port } = {
      address: '127.0.0.1',
      port: Number(String(place(b)).split('/')[4]),
    };
    const socket = connect(port, address);
    await new Promise((resolve) => socket.once('connect', resolve));
    socket.write(Buffer.from('\x13/multistream/1.0.0\n\x0b/tls/1.0.0\n', 'latin1'));
    await new Promise((resolve) => socket.once('data', resolve));
    socket.destroy();
    await serve(b);
    expect(await echoed(await a.dial(place(b), soon()), 'still there')).toBe('still there');
  });

  it('reads and writes the socket itself, whoever dials, and sees its end, its reset and what came before', async () => {
    const [ours, other] = [await host(), await host()];
    await serve(other);
    const far: Connection[] = [];
    other.addEventListener('connection:open', ({ detail }) => far.push(detail));
    for (const end of ['close', 'abort'] as const) {
      for (const isOurs of [true, false]) {
        const out = await ours.dial(place(other), { ...soon(), force: true });
        expect(await echoed(out, 'x'.repeat(300_000))).not.toBe('');
        const into = far.at(-1) as Connection;
        const [ending, left] = isOurs ? [out, into] : [into, out];
        // Much is on its way when the connection ends.
        const stream = await out.newStream('/echo', soon());
        for (let at = 0; at < 50; at += 1) stream.send(Buffer.alloc(10_000));
        const closed = new Promise((resolve) =>
          left.addEventListener('close', resolve, { once: true }),
        );
        if (end === 'close') await ending.close(soon());
        else ending.abort(new Error('it is over'));
        await closed;
        expect([out.status, into.status]).not.toContain('open');
      }
    }
  });

  it('takes no socket where there is none, where it is gone, or where something waits to be sent', async () => {
    const empty = { byteLength: 0, subarray: () => new Uint8Array(), consume: () => undefined };
    const full = { ...empty, byteLength: 1 };
    const socket = new Socket();
    const take = (connection: object): Promise<unknown> => takeSocket(connection as never);
    expect(await take({ readBuffer: empty, writeBuffer: empty })).toBeUndefined();
    expect(await take({ socket: {}, readBuffer: empty, writeBuffer: empty })).toBeUndefined();
    expect(await take({ socket, readBuffer: empty, writeBuffer: full })).toBeUndefined();
    expect(await take({ socket, readBuffer: [], writeBuffer: empty })).toBeUndefined();
    expect(await take({ socket, readBuffer: empty, writeBuffer: empty })).toBe(socket);
    socket.destroy();
    expect(await take({ socket, readBuffer: empty, writeBuffer: empty })).toBeUndefined();
  });
});
