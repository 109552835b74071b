/**
 * The least that counts as a strong board, without a board, in a process of its own: a bare libp2p host with encrypted streams to
 * the others, and a disk. A change is a row on the disks of more than half of all, and a reading an answer of as many, as
 * those of a strong board are; what comes in one turn goes in one chunk, and onto the disk in one sync. Nothing is compared, promised,
 * remembered or shown to anybody, and nobody may do anything or not: `node bench-board-strong-floor.js <name> <folder>`.
 */
// What libp2p needs and Node 20 lacks comes with the product.
import '../../../src/index.ts';
import { multiaddr } from '@multiformats/multiaddr';
import { tls } from '@libp2p/tls';
import { tcp } from '@libp2p/tcp';
import { yamux } from '@libp2p/yamux';
import type { Stream } from '@libp2p/interface';
import { createLibp2p } from 'libp2p';
import { createStore, silentLogger } from '../../../src/testing.ts';
import { runLoops } from './strong-loops.ts';
import type { StrongClient } from './strong-loops.ts';
import type { StrongNews, StrongOrder } from './strong-process.ts';

const PROTOCOL = '/bench/strong/1';
/** As much as a step of a strong key has, about. */
const BODY = Buffer.alloc(400, 'x');
const HEAD_BYTES = 9;
const KINDS = { cas: 1, get: 2, answer: 3 } as const;

const [name = '', stateDir = ''] = process.argv.slice(2);
const store = createStore({ logger: silentLogger }, { dir: stateDir });
await store.start();
const table = store.table('floor');
const host = await createLibp2p({
  addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
  transports: [tcp()],
  connectionEncrypters: [tls()],
  streamMuxers: [yamux()],
});
const others: Sender[] = [];
const waiting = new Map<number, () => void>();
let asked = 0;
await host.handle(PROTOCOL, (stream) => serve(stream));
say({ t: 'up', did: String(host.getMultiaddrs()[0]), address: '' });
process.on('message', (order: StrongOrder) => {
  obey(order).catch((error: unknown) => say({ t: 'failed', text: String(error) }));
});
process.on('disconnect', () => process.exit());

/** Sends what comes in one turn in one chunk. */
interface Sender {
  send(kind: number, number: number, body?: Uint8Array): void;
}

async function obey(order: StrongOrder): Promise<void> {
  if (order.t === 'run') {
    say({ t: 'ran', times: await runLoops([CLIENT], order) });
    return;
  }
  const own = host.getMultiaddrs().map(String);
  for (const address of order.dids.filter((one) => !own.includes(one))) {
    const stream = await host.dialProtocol(multiaddr(address), PROTOCOL);
    others.push(senderTo(stream));
    readFrames(stream, (_kind, number) => waiting.get(number)?.());
  }
  say({ t: 'created' });
}

const CLIENT: StrongClient = {
  async cas(key, version, value) {
    const rows = [...others, undefined].map((other) =>
      other === undefined
        ? table.put(`${name}-${key}`, Buffer.from(`${version} ${value}`.padEnd(BODY.length)))
        : ask(other, KINDS.cas),
    );
    await most(rows, Math.floor(rows.length / 2) + 1);
    return true;
  },
  async get() {
    const few = others.slice(0, Math.floor((others.length + 1) / 2));
    await Promise.all(few.map((other) => ask(other, KINDS.get)));
  },
};

function ask(other: Sender, kind: number): Promise<void> {
  asked += 1;
  const number = asked;
  return new Promise((resolve) => {
    waiting.set(number, () => {
      // Each of the others answers under a number of its own.
      waiting.delete(number);
      resolve();
    });
    other.send(kind, number, BODY);
  });
}

/** Resolves once so many have. */
function most(all: readonly Promise<void>[], count: number): Promise<void> {
  let left = count;
  return new Promise((resolve, reject) => {
    for (const one of all) {
      one.then(() => {
        left -= 1;
        if (left === 0) resolve();
      }, reject);
    }
  });
}

function serve(stream: Stream): void {
  const back = senderTo(stream);
  let rows = 0;
  readFrames(stream, (kind, number, body) => {
    const answer = (): void => back.send(KINDS.answer, number);
    if (kind === KINDS.get) {
      answer();
      return;
    }
    rows += 1;
    // As many keys as callers have, each written again and again. A disk that refuses ends the benchmark.
    table.put(`${stream.id}-${rows % 64}`, body).then(answer, fail);
  });
}

function fail(error: unknown): void {
  say({ t: 'failed', text: String(error) });
}

function senderTo(stream: Stream): Sender {
  let frames: Buffer[] = [];
  const flush = (): void => {
    const chunk = Buffer.concat(frames);
    frames = [];
    stream.send(chunk);
  };
  return {
    send(kind, number, body = new Uint8Array(0)) {
      if (frames.length === 0) setImmediate(flush);
      const frame = Buffer.alloc(HEAD_BYTES + body.length);
      frame.writeUInt32BE(body.length);
      frame.writeUInt8(kind, 4);
      frame.writeUInt32BE(number, 5);
      frame.set(body, HEAD_BYTES);
      frames.push(frame);
    },
  };
}

function readFrames(
  stream: Stream,
  heard: (kind: number, number: number, body: Uint8Array) => void,
): void {
  let rest = Buffer.alloc(0);
  stream.addEventListener('message', ({ data }) => {
    rest = Buffer.concat([rest, data.subarray()]);
    while (rest.length >= HEAD_BYTES) {
      const end = HEAD_BYTES + rest.readUInt32BE();
      if (rest.length < end) return;
      heard(
        rest.readUInt8(4),
        rest.readUInt32BE(5),
        Uint8Array.from(rest.subarray(HEAD_BYTES, end)),
      );
      rest = rest.subarray(end);
    }
  });
}

function say(news: StrongNews): void {
  process.send?.(news);
}
