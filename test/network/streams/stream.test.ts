/** Streams between members: order, back-pressure, bounds, ends. */
import { randomBytes } from 'node:crypto';
import { afterEach, describe, expect, it } from 'vitest';
import { createMessageStream } from '../../../src/network/index.ts';
import type { PeerStream } from '../../../src/network/index.ts';
import { deferred, echo, makeMembers, read, soon, stopAll, until } from '../support.ts';
import type { Member } from '../support.ts';

afterEach(stopAll);

const ECHO = '/starling/echo/1';
const MIB = 1024 * 1024;

async function pair(handler: (stream: PeerStream) => void): Promise<[Member, Member]> {
  const [a, b] = await makeMembers(['a', 'b']);
  if (a === undefined || b === undefined) throw new Error('two members');
  a.network.handle(ECHO, handler);
  await b.network.dial(a.address(), soon());
  return [a, b];
}

function ended(stream: PeerStream): Promise<Error | undefined> {
  return new Promise((resolve) => stream.onEnd(resolve));
}

describe('a stream', () => {
  it('carries 8 MiB there and back unchanged, with small calls beside it', async () => {
    const [a, b] = await pair(echo);
    const big = await b.network.open(a.id, ECHO, soon());
    const small = await b.network.open(a.id, ECHO, soon());
    const sent = randomBytes(8 * MIB);
    const back = read(big, sent.length);
    big.write(sent);

    let answer = deferred<void>();
    small.onData(() => answer.resolve());
    for (let call = 0; call < 20; call++) {
      small.write(new Uint8Array(100));
      await answer.promise;
      answer = deferred<void>();
    }
    expect((await back).equals(sent)).toBe(true);
  });

  it('that is busy without end leaves room for the others of its connection', async () => {
    const [a, b] = await pair(echo);
    const big = await b.network.open(a.id, ECHO, soon());
    const small = await b.network.open(a.id, ECHO, soon());
    big.onData((chunk) => void big.write(chunk));
    big.write(randomBytes(8 * 1024 * 1024));
    for (let call = 0; call < 10; call += 1) {
      const answer = deferred<void>();
      small.onData(() => answer.resolve());
      small.write(new Uint8Array(100));
      await answer.promise;
    }
    big.abort(new Error('enough'));
  });

  it('says false over its high-water mark and resolves drained below its low one', async () => {
    const reader = deferred<PeerStream>();
    const [a, b] = await pair((stream) => reader.resolve(stream));
    const stream = await b.network.open(a.id, ECHO, soon());
    expect(stream.write(new Uint8Array(1000))).toBe(true);
    let accepted = true;
    let written = 1000;
    while (accepted) {
      accepted = stream.write(new Uint8Array(MIB / 4));
      written += MIB / 4;
    }
    expect(stream.queuedBytes).toBeGreaterThan(MIB);
    const drained = stream.drained();
    const all = read(await reader.promise, written);
    await drained;
    expect(stream.queuedBytes).toBeLessThanOrEqual(MIB / 4);
    expect((await all).length).toBe(written);
  });

  it('has little waiting beside others of a peer that never opens its windows, what libp2p holds included', async () => {
    const [a, b] = await pair(() => undefined);
    const streams: PeerStream[] = [];
    for (let count = 0; count < 40; count += 1) {
      const stream = await b.network.open(a.id, ECHO, soon());
      streams.push(stream);
      // The first window of each is the peer's, whatever it reads.
      for (let tick = 0; tick < 100 && stream.write(new Uint8Array(64 * 1024)); tick += 1) {
        await new Promise((resolve) => setImmediate(resolve));
      }
    }
    const waiting = streams.reduce((sum, { queuedBytes }) => sum + queuedBytes, 0);
    // A dozen at their high-water mark; of the others one write and what makes it full.
    expect(waiting).toBeGreaterThan(12 * MIB);
    expect(waiting).toBeLessThan(13 * MIB + 28 * 2 * 64 * 1024);
    for (const stream of streams) stream.abort(new Error('enough'));
  });

  it('is aborted when far too much waits for a peer that does not read', async () => {
    const [a, b] = await pair(() => undefined);
    const stream = await b.network.open(a.id, ECHO, soon());
    const end = ended(stream);
    for (let count = 0; count < 40; count++) stream.write(new Uint8Array(MIB));
    expect(await end).toMatchObject({ code: 'STARLING_LIMIT_EXCEEDED' });
    expect(stream.write(new Uint8Array(1))).toBe(false);
    await expect(stream.drained()).rejects.toMatchObject({ code: 'STARLING_LIMIT_EXCEEDED' });
  });

  it('stops giving data while paused, and loses none', async () => {
    const [a, b] = await pair(echo);
    const stream = await b.network.open(a.id, ECHO, soon());
    const heard: number[] = [];
    stream.onData((chunk) => void heard.push(...chunk));
    stream.write(Uint8Array.of(1));
    await until(() => heard.length === 1, 'the first byte');
    stream.pause();
    stream.write(Uint8Array.of(2));
    // On the same connection, and later: when this is back, the byte is there too.
    const other = await b.network.open(a.id, ECHO, soon());
    const back = read(other, 1);
    other.write(Uint8Array.of(3));
    await back;
    expect(heard).toEqual([1]);
    stream.resume();
    await until(() => heard.length === 2, 'the second byte');
    expect(heard).toEqual([1, 2]);
  });

  it('ends cleanly on both sides when one closes, after what was written', async () => {
    const reader = deferred<PeerStream>();
    const [a, b] = await pair((stream) => reader.resolve(stream));
    const stream = await b.network.open(a.id, ECHO, soon());
    stream.write(new Uint8Array(300_000));
    const closed = stream.close();
    const remote = await reader.promise;
    const remoteEnd = ended(remote);
    let size = 0;
    remote.onData((chunk) => (size += chunk.length));
    await closed;
    expect(await ended(stream)).toBeUndefined();
    expect(await remoteEnd).toBeUndefined();
    expect(size).toBe(300_000);
  });

  it('ends with an error when the other side aborts or goes away', async () => {
    const streams: PeerStream[] = [];
    const [a, b] = await pair((stream) => void streams.push(stream));
    const aborted = await b.network.open(a.id, ECHO, soon());
    const lost = await b.network.open(a.id, ECHO, soon());
    for (const stream of [aborted, lost]) stream.write(Uint8Array.of(1));
    await until(() => streams.length === 2, 'both streams');
    streams[0]?.abort(new Error('no'));
    expect(await ended(aborted)).toMatchObject({ code: 'STARLING_PEER_UNREACHABLE' });
    await a.network.stop();
    expect(await ended(lost)).toBeInstanceOf(Error);
  });

  it('outlives a reader that throws: only the stream is aborted', async () => {
    const [a, b] = await pair(echo);
    const stream = await b.network.open(a.id, ECHO, soon());
    stream.onData(() => {
      throw new Error('bad data');
    });
    stream.write(Uint8Array.of(1));
    expect(await ended(stream)).toMatchObject({ message: expect.stringContaining('bad data') });
    await read(await openAndWrite(b, a), 1);
  });

  it('is refused for a protocol that nobody serves, and for a peer that is not there', async () => {
    const [a, b] = await pair(echo);
    await expect(b.network.open(a.id, '/starling/none/1', soon())).rejects.toMatchObject({
      code: 'STARLING_PEER_UNREACHABLE',
    });
    await a.network.stop();
    await expect(b.network.open(a.id, ECHO, soon())).rejects.toMatchObject({
      code: 'STARLING_PEER_UNREACHABLE',
    });
    await expect(a.network.open(b.id, ECHO, soon())).rejects.toMatchObject({
      code: 'STARLING_STOPPED',
    });
  });

  it('comes in hundreds on one connection', async () => {
    const [a, b] = await pair(echo);
    const streams = await Promise.all(
      Array.from({ length: 300 }, () => b.network.open(a.id, ECHO, soon())),
    );
    const answers = streams.map((stream) => read(stream, 10));
    for (const stream of streams) stream.write(new Uint8Array(10));
    expect((await Promise.all(answers)).length).toBe(300);
  });
});

describe('a message channel', () => {
  it('carries messages of any size in order', async () => {
    const [a, b] = await pair((stream) => {
      const channel = createMessageStream(stream, { maxBytes: MIB });
      channel.onMessage((message) => void channel.send(message));
    });
    const channel = createMessageStream(await b.network.open(a.id, ECHO, soon()), {
      maxBytes: MIB,
    });
    const sizes = [0, 1, 127, 128, 4096, 4097, 100_000, MIB];
    const heard: number[] = [];
    channel.onMessage((message) => void heard.push(message.length));
    for (const size of sizes) channel.send(new Uint8Array(size));
    await until(() => heard.length === sizes.length, 'all messages');
    expect(heard).toEqual(sizes);
    expect(() => channel.send(new Uint8Array(MIB + 1))).toThrow(/limit/);
  });

  it('ends the stream of a peer that announces too long a message', async () => {
    const end = deferred<Error | undefined>();
    const [a, b] = await pair((stream) => {
      const channel = createMessageStream(stream, { maxBytes: 1000 });
      channel.onEnd(end.resolve);
      channel.onMessage(() => undefined);
    });
    const stream = await b.network.open(a.id, ECHO, soon());
    stream.write(Uint8Array.of(0xe9, 0x07));
    expect(await end.promise).toMatchObject({ code: 'STARLING_LIMIT_EXCEEDED' });
  });
});

async function openAndWrite(from: Member, to: Member): Promise<PeerStream> {
  const stream = await from.network.open(to.id, ECHO, soon());
  stream.write(Uint8Array.of(1));
  return stream;
}
