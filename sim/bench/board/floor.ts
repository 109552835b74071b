/**
 * The least that counts as a board, without a board: Yjs documents of bare libp2p hosts in this process, with one encrypted stream
 * from the writer to each other one. What is written is a row on the disk of its writer before it leaves, and a row on the
 * disk of whoever gets it before anybody reads it; what comes in one tick is one row. Nothing is checked, signed, judged or repaired,
 * and nobody may do anything or not.
 */
// What libp2p needs and Node 20 lacks comes with the product.
import '../../../src/index.ts';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { tls } from '@libp2p/tls';
import { tcp } from '@libp2p/tcp';
import { yamux } from '@libp2p/yamux';
import type { Libp2p, Stream } from '@libp2p/interface';
import { createLibp2p } from 'libp2p';
import * as Y from 'yjs';
import { createStore, silentLogger } from '../../../src/testing.ts';
import type { Replica } from './replica.ts';

/** Documents of which the first is written, and the bytes of all that was sent, without what encrypts it. */
export interface Floor {
  readonly replicas: readonly Replica[];
  bytes(): number;
}

const PROTOCOL = '/bench/board/1';
const LENGTH_BYTES = 4;
const MAP = 'entries';

/** Runs `work` with so many documents. */
export async function withFloor<T>(count: number, work: (floor: Floor) => Promise<T>): Promise<T> {
  const root = await mkdtemp(join(tmpdir(), 'starling-board-floor-'));
  const ends: (() => unknown)[] = [];
  let bytes = 0;
  try {
    const streams: Stream[] = [];
    const writer = await replicaOn(join(root, 'writer'), ends, (update) => {
      const frame = framed(update);
      for (const stream of streams) {
        bytes += frame.length;
        stream.send(frame);
      }
    });
    const host = await hostOf([], ends);
    const others: FloorReplica[] = [];
    for (let at = 1; at < count; at += 1) {
      const other = await replicaOn(join(root, `reader-${at}`), ends, () => undefined);
      others.push(other);
      const listening = await hostOf(['/ip4/127.0.0.1/tcp/0'], ends);
      await listening.handle(PROTOCOL, (stream) =>
        readFrames(stream, (update) => other.take(update)),
      );
      streams.push(await host.dialProtocol(listening.getMultiaddrs(), PROTOCOL));
    }
    return await work({ replicas: [writer, ...others], bytes: () => bytes });
  } finally {
    for (const end of ends.toReversed()) await end();
    await rm(root, { recursive: true, force: true });
  }
}

interface FloorReplica extends Replica {
  take(update: Uint8Array): void;
}

/** A document whose rows are on a disk before anybody reads it; `written` hears of own updates then. */
async function replicaOn(
  dir: string,
  ends: (() => unknown)[],
  written: (update: Uint8Array) => void,
): Promise<FloorReplica> {
  const store = createStore({ logger: silentLogger }, { dir });
  await store.start();
  ends.push(() => store.stop());
  const table = store.table('floor');
  // What is written, and what of that anybody reads.
  const draft = new Y.Doc();
  const doc = new Y.Doc();
  const map = doc.getMap<number>(MAP);
  let queue: Uint8Array[] = [];
  let waiting: { resolve(): void; reject(error: unknown): void }[] = [];
  let isWriting = false;
  let rows = 0;
  const writeAll = async (): Promise<void> => {
    await new Promise((resolve) => setImmediate(resolve));
    while (queue.length > 0) {
      const [updates, done] = [queue, waiting];
      [queue, waiting] = [[], []];
      rows += 1;
      const row = Y.mergeUpdatesV2(updates);
      try {
        await table.put(String(rows).padStart(12, '0'), row);
      } catch (error) {
        for (const one of done) one.reject(error);
        throw error;
      }
      Y.applyUpdateV2(doc, row);
      for (const one of done) one.resolve();
      if (done.length > 0) written(row);
    }
  };
  const put = (update: Uint8Array): void => {
    queue.push(update);
    if (isWriting) return;
    isWriting = true;
    // A reader whose disk refuses sees nothing any more, and the benchmark ends as whoever waits for that gives up.
    writeAll().then(
      () => (isWriting = false),
      () => undefined,
    );
  };
  draft.on('updateV2', put);
  return {
    take: put,
    set: (key, value) =>
      new Promise<void>((resolve, reject) => {
        waiting.push({ resolve, reject });
        draft.getMap<number>(MAP).set(key, value);
      }),
    get: (key) => map.get(key),
    size: () => map.size,
    onChange(listener) {
      const heard = (event: Y.YMapEvent<number>): void => listener(event.keysChanged);
      map.observe(heard);
      return () => map.unobserve(heard);
    },
  };
}

async function hostOf(listen: string[], ends: (() => unknown)[]): Promise<Libp2p> {
  const host = await createLibp2p({
    addresses: { listen },
    transports: [tcp()],
    connectionEncrypters: [tls()],
    streamMuxers: [yamux()],
  });
  ends.push(() => host.stop());
  return host;
}

function framed(update: Uint8Array): Uint8Array {
  const frame = Buffer.alloc(LENGTH_BYTES + update.length);
  frame.writeUInt32BE(update.length);
  frame.set(update, LENGTH_BYTES);
  return frame;
}

function readFrames(stream: Stream, heard: (update: Uint8Array) => void): void {
  let rest = Buffer.alloc(0);
  stream.addEventListener('message', ({ data }) => {
    rest = Buffer.concat([rest, data.subarray()]);
    while (rest.length >= LENGTH_BYTES) {
      const end = LENGTH_BYTES + rest.readUInt32BE();
      if (rest.length < end) return;
      heard(Uint8Array.from(rest.subarray(LENGTH_BYTES, end)));
      rest = rest.subarray(end);
    }
  });
}
