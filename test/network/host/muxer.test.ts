/** yamux as it is used here: how many frames it takes to carry what is said. */
import '../../../src/core/system/node20.ts';
import { setImmediate } from 'node:timers/promises';
import { AbstractMessageStream, multiaddrConnectionPair } from '@libp2p/utils';
import type { MessageStream, Stream, StreamMuxer } from '@libp2p/interface';
import { describe, expect, it } from 'vitest';
import { READ_TURN_BYTES } from '../../../src/network/constants.ts';
import { steadyYamux } from '../../../src/network/host/muxer.ts';
import type { ConnectionMeters } from '../../../src/network/limits/connection-meter.ts';

interface Ends {
  readonly dialler: StreamMuxer;
  readonly streams: Stream[];
  /** Frames that came to whoever dialled. */
  readonly answers: () => number;
}

/** Two muxers over one connection; what comes on a stream of the second end is read by `read`. */
function ends(read: (bytes: number) => void): Ends {
  let frames = 0;
  const counting: ConnectionMeters = {
    meter: (direction) => ({
      frame: () => void (frames += direction === 'outbound' ? 1 : 0),
      stream: (serve) => serve(),
      admitted: () => undefined,
      ended: () => undefined,
    }),
  };
  const [out, into] = multiaddrConnectionPair();
  const factory = steadyYamux({ enableKeepAlive: false }, counting)();
  const streams: Stream[] = [];
  const other = factory.createStreamMuxer(into);
  other.addEventListener('stream', ({ detail }) => {
    streams.push(detail);
    detail.addEventListener('message', ({ data }) => read(data.byteLength));
  });
  return { dialler: factory.createStreamMuxer(out), streams, answers: () => frames };
}

describe('a stream', () => {
  it('grants window when half of it is used, and answers no message with a frame', async () => {
    let readBytes = 0;
    const { dialler, answers } = ends((bytes) => (readBytes += bytes));
    const stream = await dialler.createStream();
    for (let message = 1; message <= 100; message += 1) {
      stream.send(new Uint8Array(100));
      await expect.poll(() => readBytes).toBe(message * 100);
    }
    // The first one says that the stream is known.
    expect(answers()).toBeLessThan(5);
  });

  it('carries more than its window, whatever the size of what is sent', async () => {
    let readBytes = 0;
    const { dialler, answers } = ends((bytes) => (readBytes += bytes));
    const stream = await dialler.createStream();
    const chunk = new Uint8Array(60_000);
    for (let sent = 0; sent < 40; sent += 1) {
      if (!stream.send(chunk)) await stream.onDrain({ signal: AbortSignal.timeout(60_000) });
    }
    await expect.poll(() => readBytes, { timeout: 60_000 }).toBe(40 * chunk.length);
    expect(answers()).toBeGreaterThan(2);
    expect(answers()).toBeLessThan(40);
  });
});

describe('a connection', () => {
  it('reads so much in one turn of the event loop, the rest in the next ones, and loses nothing', async () => {
    const [out, into] = multiaddrConnectionPair();
    const factory = steadyYamux({ enableKeepAlive: false })();
    let readBytes = 0;
    factory.createStreamMuxer(into).addEventListener('stream', ({ detail }) => {
      detail.addEventListener('message', ({ data }) => (readBytes += data.byteLength));
    });
    const sent: Uint8Array[] = [];
    out.send = (data) => {
      sent.push(data.subarray());
      return true;
    };
    const stream = await factory.createStreamMuxer(out).createStream();
    const chunk = new Uint8Array(32 * 1024);
    for (let count = 0; count < 7; count += 1) stream.send(chunk);
    await expect
      .poll(() => sent.reduce((sum, { length }) => sum + length, 0))
      .toBeGreaterThan(7 * chunk.length);

    // All of it comes at once, as from a socket whose other end has sent much.
    for (const data of sent) deliver(into, data);
    expect(readBytes).toBeLessThanOrEqual(READ_TURN_BYTES + chunk.length);
    await expect.poll(() => readBytes).toBe(7 * chunk.length);
    // What comes afterwards is read as ever.
    sent.length = 0;
    stream.send(new Uint8Array(10));
    await expect.poll(() => sent.length).toBeGreaterThan(0);
    for (const data of sent) deliver(into, data);
    await expect.poll(() => readBytes).toBe(7 * chunk.length + 10);
  });
});

describe('a connection that closes', () => {
  it('ends nothing else by being read in turns', async () => {
    const [out, into] = multiaddrConnectionPair();
    const factory = steadyYamux({ enableKeepAlive: false })();
    factory.createStreamMuxer(into).addEventListener('stream', () => undefined);
    const closed = (): never => {
      throw new Error('Cannot pause or resume a stream that is closing/closed');
    };
    Object.assign(into, { pause: closed, resume: closed });
    const sent: Uint8Array[] = [];
    out.send = (data) => {
      sent.push(data.subarray());
      return true;
    };
    const stream = await factory.createStreamMuxer(out).createStream();
    for (let count = 0; count < 5; count += 1) stream.send(new Uint8Array(40 * 1024));
    await expect.poll(() => sent.length).toBeGreaterThan(3);
    for (const data of sent) deliver(into, data);
    // What is thrown in the next turn would end the process.
    await setImmediate();
    await setImmediate();
  });
});

/** Gives `connection` what its socket would give it. */
function deliver(connection: MessageStream, data: Uint8Array): void {
  if (!(connection instanceof AbstractMessageStream)) throw new Error('not a stream of libp2p');
  connection.onData(data);
}
