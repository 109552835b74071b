/** What somebody gets who reaches the port but is not let in: nothing. */
import { noise } from '@libp2p/noise';
import { tcp } from '@libp2p/tcp';
import { tls } from '@libp2p/tls';
import { yamux } from '@libp2p/yamux';
import { multiaddr } from '@multiformats/multiaddr';
import { createLibp2p } from 'libp2p';
import type { Connection, Libp2p } from '@libp2p/interface';
import { afterEach, describe, expect, it } from 'vitest';
import { HELLO_TIMEOUT_MS } from '../../../src/network/constants.ts';
import { createTestClock } from '../../core/test-clock.ts';
import {
  MESH,
  echo,
  fastClock,
  makeMember,
  makeMembers,
  soon,
  stopAll,
  until,
} from '../support.ts';

const strangers: Libp2p[] = [];

afterEach(async () => {
  for (const node of strangers.splice(0)) await node.stop();
  await stopAll();
});

async function stranger(address: string): Promise<Connection> {
  const node = await createLibp2p({
    addresses: { listen: [] },
    transports: [tcp()],
    connectionEncrypters: [tls(), noise()],
    streamMuxers: [yamux()],
  });
  strangers.push(node);
  return node.dial(multiaddr(address));
}

/** Resolves when a ping, which strangers may send, has come back. */
async function pinged(connection: Connection): Promise<void> {
  const stream = await connection.newStream('/ipfs/ping/1.0.0', soon());
  const answered = new Promise<void>((resolve) => {
    stream.addEventListener('message', () => resolve(), { once: true });
  });
  stream.send(new Uint8Array(32));
  await answered;
  stream.abort(new Error('enough'));
}

/** What comes back on a stream for `bytes`, by the time that two pings sent later are answered. */
async function answerTo(connection: Connection, protocol: string, bytes: Uint8Array) {
  const stream = await connection.newStream(protocol, soon());
  let received = 0;
  stream.addEventListener('message', (event) => {
    received += event.data.byteLength;
  });
  stream.send(bytes);
  await pinged(connection);
  await pinged(connection);
  const { status } = stream;
  stream.abort(new Error('enough'));
  return { received, status };
}

describe('a connection without a hello', () => {
  it('serves nothing but ping: no DHT, gossip, relay, and none of our protocols', async () => {
    const [a, b] = await makeMembers(['a', 'b']);
    if (a === undefined || b === undefined) throw new Error('two members');
    let served = 0;
    a.network.handle('/starling/mcp/1', (stream) => {
      served++;
      echo(stream);
    });
    const address = a.address();
    await b.network.dial(address, soon());
    await until(() => a.network.routingTableSize() === 1, 'a full table');

    const protocols = [
      `/starling/${MESH}/kad/1.0.0`,
      '/meshsub/1.2.0',
      '/libp2p/circuit/relay/0.2.0/hop',
      '/starling/mcp/1',
    ];
    // FIND_NODE of kad-dht: type 4, any key; the others answer to less.
    const bytes = Uint8Array.of(4, 0x08, 4, 0x12, 0);
    for (const protocol of protocols) {
      // A stranger's connection may carry a handful of streams, so that each has one of its own.
      const { received } = await answerTo(await stranger(address), protocol, bytes);
      expect({ protocol, received }).toEqual({ protocol, received: 0 });
    }
    const ping = await answerTo(await stranger(address), '/ipfs/ping/1.0.0', new Uint8Array(32));
    expect(ping).toMatchObject({ received: 32 });
    expect(served).toBe(0);
    expect(a.network.connected()).toEqual([b.id]);
  });

  it.each([
    ['ping', '/ipfs/ping/1.0.0'],
    ['hello', '/starling/hello/1'],
    ['a protocol that nobody speaks', '/nobody/1'],
  ])('is cut off when it opens more than a handful of streams of %s', async (_what, protocol) => {
    const [a, b] = await makeMembers(['a', 'b']);
    if (a === undefined || b === undefined) throw new Error('two members');
    await b.network.dial(a.address(), soon());
    const connection = await stranger(a.address());
    const opened = Array.from({ length: 20 }, () => connection.newStream(protocol, soon()));
    await Promise.allSettled(opened);
    await until(() => connection.status !== 'open', 'the end of the connection');
    expect(a.network.connected()).toEqual([b.id]);
    expect(await b.network.ping(a.id, soon())).toBeGreaterThan(0);
  });

  it('is cut off when it sends more than a hello is long, on whatever stream', async () => {
    const a = await makeMember('a');
    await a.network.start();
    const connection = await stranger(a.address());
    const stream = await connection.newStream('/ipfs/ping/1.0.0', soon());
    stream.send(new Uint8Array(128 * 1024));
    await until(() => connection.status !== 'open', 'the end of the connection');
    const [knocking] = a.network.strangers();
    expect(knocking).toMatchObject({ address: '127.0.0.1', failures: 1 });
  });

  it('is closed after ten seconds', async () => {
    const clock = createTestClock();
    const a = await makeMember('a', {}, { clock });
    await a.network.start();
    const connection = await stranger(a.address());
    // Who answers this knows of the connection, and waits for a hello.
    await pinged(connection);
    clock.advance(HELLO_TIMEOUT_MS - 1);
    await pinged(connection);
    clock.advance(1);
    await until(() => connection.status !== 'open', 'the end of the connection');
  });

  it.each([
    ['nothing', new Uint8Array(0)],
    ['no CBOR', Uint8Array.of(3, 0xff, 0xff, 0xff)],
    ['a hello over 64 KiB', Uint8Array.of(0xff, 0xff, 0x7f, 1, 2, 3)],
    ['deeply nested CBOR', Uint8Array.from([0x80, 0x80, 0x02, ...Buffer.alloc(32_768, 0x81)])],
    ['another version', Uint8Array.of(10, 0xa1, 0x67, 118, 101, 114, 115, 105, 111, 110, 2)],
  ])('survives %s as a hello, and lets nobody in', async (_what, bytes) => {
    const [a, b] = await makeMembers(['a', 'b'], {}, { clock: fastClock() });
    if (a === undefined || b === undefined) throw new Error('two members');
    const connection = await stranger(a.address());
    const stream = await connection.newStream('/starling/hello/1', soon());
    if (bytes.length > 0) stream.send(bytes);
    await stream.close();
    await until(() => connection.status !== 'open', 'the end of the connection');
    // The stranger's address has one turn at a time.
    const isIn = (): Promise<boolean> =>
      b.network.dial(a.address(), soon()).then(
        () => true,
        () => false,
      );
    await expect.poll(isIn, { timeout: 60_000 }).toBe(true);
    expect(a.network.connected()).toEqual([b.id]);
  });
});

describe('a member dialling something else', () => {
  it('says that no Starling node answers there', async () => {
    const a = await makeMember('a');
    await a.network.start();
    const other = await createLibp2p({
      addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
      transports: [tcp()],
      connectionEncrypters: [tls()],
      streamMuxers: [yamux()],
    });
    strangers.push(other);
    const address = String(other.getMultiaddrs()[0]);
    await expect(a.network.dial(address, soon())).rejects.toMatchObject({
      code: 'STARLING_VERSION_UNSUPPORTED',
    });
  });

  it('says that a port is closed', async () => {
    const a = await makeMember('a');
    await a.network.start();
    await expect(a.network.dial('/ip4/127.0.0.1/tcp/1', soon())).rejects.toMatchObject({
      code: 'STARLING_PEER_UNREACHABLE',
      message: expect.stringContaining('nothing listens at'),
    });
    await expect(a.network.dial('nonsense', soon())).rejects.toMatchObject({
      code: 'STARLING_ID_MALFORMED',
    });
    await expect(a.network.dial('/nonsense', soon())).rejects.toMatchObject({
      code: 'STARLING_ID_MALFORMED',
    });
    await expect(a.network.dial(a.address(), soon())).rejects.toMatchObject({
      code: 'STARLING_USAGE',
    });
  });
});

describe('yamux and identify', () => {
  it('end with the connection for a stranger who grants windows of one byte without end', async () => {
    const [alice] = await makeMembers(['alice']);
    if (alice === undefined) throw new Error('nobody');
    const connection = await stranger(alice.address());
    const stream = await connection.newStream('/ipfs/ping/1.0.0', soon());
    const sendFrame = Reflect.get(stream, 'sendFrame') as (header: object) => unknown;
    const streamID: unknown = Reflect.get(stream, 'streamId');
    const WINDOW_UPDATE = 1;
    for (let count = 0; count < 300; count += 1) {
      sendFrame({ type: WINDOW_UPDATE, flag: 0, streamID, length: 1 });
    }
    await until(() => connection.status !== 'open', 'the end of the connection');
    expect(alice.network.strangers().length).toBeLessThanOrEqual(1);
  });

  it('have no way by which a member could push a description of itself, of whatever length', async () => {
    const [alice, mallory] = await makeMembers(['alice', 'mallory']);
    if (alice === undefined || mallory === undefined) throw new Error('two');
    await mallory.network.dial(alice.address(), soon());
    await expect(
      mallory.network.open(alice.id, '/ipfs/id/push/1.0.0', soon()),
    ).rejects.toMatchObject({ code: 'STARLING_PEER_UNREACHABLE' });
  });
});
