/** A hostile peer at `/starling/models/1`: thousands of streams, garbage, half questions. All is bounded before it costs work. */
import { EventEmitter } from 'node:events';
import { beforeEach, expect, it } from 'vitest';
import { silentLogger } from '../../src/core/index.ts';
import type { JsonObject } from '../../src/core/index.ts';
import {
  FRAME,
  MODELS_PROTOCOL,
  dataFrame,
  jsonFrame,
  jsonIn,
} from '../../src/models/mesh/frames.ts';
import { servePeers } from '../../src/models/index.ts';
import type { PeerServingComponents } from '../../src/models/index.ts';
import type { ModelAnswer, ReadCall } from '../../src/models/types.ts';
import { createFrameDecoder, encodeLength } from '../../src/network/streams/framing.ts';
import { createTestClock } from '../core/test-clock.ts';
import { fakeNetwork, fakeStream } from '../wire/fake-stream.ts';
import type { FakeStream } from '../wire/fake-stream.ts';
import { founder, newcomer } from '../wire/world.ts';

const MESSAGE_BYTES = 64 * 1024;
const ASK = jsonFrame(FRAME.ask, {
  op: 'ask',
  form: 'chat',
  model: 'gpu/qwen',
  headers: {},
  grants: ['a.b.c'],
});
const BODY = dataFrame(FRAME.body, Buffer.from('{"model":"gpu/qwen"}'));

let clock: ReturnType<typeof createTestClock>;
let accept: (stream: FakeStream) => void;
let asked: ReadCall[];
let reported: string[];
let presented: number;
let stop: () => void;
/** Lets the answers that are under way end. */
let finish: (() => void)[];

beforeEach(() => {
  clock = createTestClock();
  [asked, reported, finish, presented] = [[], [], [], 0];
  const network = fakeNetwork(founder.peerId, [newcomer.peerId]);
  const book = {
    events: new EventEmitter(),
    get verified() {
      return presented;
    },
    present: (_: string, shown: readonly string[]) => (presented += shown.length),
  };
  const models = {
    async askOwn(call: ReadCall): Promise<ModelAnswer> {
      asked.push(call);
      await new Promise<void>((resolve) => finish.push(resolve));
      return { isStream: false, headers: {}, body: (async function* none() {})() };
    },
    own: async () => ({ models: [], failures: [] }),
  };
  const components = {
    models,
    network: Object.assign(network, {
      report: (_: string, what: string) => void reported.push(what),
    }),
    membership: { inStep: async () => undefined, peer: () => undefined },
    grants: book,
    callerOf: () => undefined,
    self: { did: founder.did },
    guard: () => ({ decide: () => ({ allow: true }) }),
    clock,
    logger: silentLogger,
  } as unknown as PeerServingComponents;
  stop = servePeers(components, { messageBytes: MESSAGE_BYTES });
  const handler = network.handlers.get(MODELS_PROTOCOL);
  accept = (stream) => handler?.(stream);
});

function open(...frames: readonly Uint8Array[]): FakeStream & { isEnded: boolean } {
  const stream = Object.assign(fakeStream(newcomer.peerId), { isEnded: false });
  stream.onEnd(() => (stream.isEnded = true));
  accept(stream);
  for (const frame of frames) stream.push(framed(frame));
  return stream;
}

const framed = (frame: Uint8Array): Buffer => Buffer.concat([encodeLength(frame.length), frame]);

function framesOf(stream: FakeStream): Uint8Array[] {
  const frames: Uint8Array[] = [];
  createFrameDecoder(1 << 20, (frame) => frames.push(frame)).push(stream.written());
  return frames;
}

const errorOf = (stream: FakeStream): JsonObject | undefined => {
  const frame = framesOf(stream).find(([kind]) => kind === FRAME.error);
  return frame === undefined ? undefined : jsonIn(frame);
};

const turn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

it('takes no more than a few of thousands of questions, and tells the rest to wait', async () => {
  const streams = Array.from({ length: 5000 }, () => open(ASK, BODY));
  await turn();
  expect(asked.length).toBe(128);
  const refused = streams.filter((stream) => errorOf(stream)?.['code'] === 'STARLING_RATE_LIMITED');
  expect(refused.length).toBe(5000 - 128);
  expect(refused.every(({ isEnded }) => isEnded)).toBe(true);
  // What is over makes room, but no faster than calls may begin.
  for (const go of finish.splice(0)) go();
  await turn();
  await turn();
  Array.from({ length: 5000 }, () => open(ASK, BODY));
  await turn();
  expect(asked.length).toBeLessThanOrEqual(200 + 2);
  expect(reported).toEqual([]);
});

it('verifies no more grants than it may, however many are shown', async () => {
  const grants = Array.from({ length: 256 }, (_, at) => `a.b.${at}`);
  const ask = jsonFrame(FRAME.ask, { op: 'list', grants });
  for (let at = 0; at < 100; at += 1) open(ask);
  await turn();
  expect(presented).toBeLessThanOrEqual(512 + 256);
});

it.each([
  ['no JSON', Buffer.from('Q{{{{')],
  ['a body first', BODY],
  ['an unknown byte', Buffer.from('Z{}')],
  ['an unknown question', jsonFrame(FRAME.ask, { op: 'all' })],
  ['no model', jsonFrame(FRAME.ask, { op: 'ask', form: 'chat', model: '' })],
  ['a name without end', jsonFrame(FRAME.ask, { op: 'ask', form: 'chat', model: 'x'.repeat(301) })],
  ['grants without end', jsonFrame(FRAME.ask, { op: 'list', grants: Array(257).fill('a.b.c') })],
  ['nothing', Buffer.alloc(0)],
])('ends a stream of %s, and holds it against the peer', async (_, frame) => {
  const streams = Array.from({ length: 50 }, () => open(frame, BODY));
  await turn();
  expect(streams.every(({ isEnded }) => isEnded)).toBe(true);
  expect(reported).toEqual(Array(50).fill('malformed'));
  expect([asked.length, presented]).toEqual([0, 0]);
});

it('ends what says too much, says more than was asked for, or says nothing', async () => {
  const large = open(ASK);
  expect(() => large.push(encodeLength(MESSAGE_BYTES + 2))).toThrow('at most 65537 are allowed');
  const more = open(ASK, BODY, BODY);
  await turn();
  expect(more.isEnded).toBe(true);
  const before = asked.length;
  const silent = Array.from({ length: 100 }, (_, at) => (at % 2 === 0 ? open() : open(ASK)));
  clock.advance(30_000);
  expect(silent.every(({ isEnded }) => isEnded)).toBe(true);
  expect(asked.length).toBe(before);
});

it('tells a newer version which forms it does not know, and holds that against nobody', async () => {
  const stream = open(jsonFrame(FRAME.ask, { op: 'ask', form: 'dreams', model: 'gpu/qwen' }), BODY);
  await turn();
  expect(errorOf(stream)?.['code']).toBe('STARLING_MODEL_UNSUPPORTED');
  expect([reported, asked]).toEqual([[], []]);
});

it('leaves nothing behind when it stops', async () => {
  const streams = Array.from({ length: 20 }, () => open(ASK, BODY));
  await turn();
  stop();
  for (const go of finish.splice(0)) go();
  await turn();
  await turn();
  expect(streams.every(({ isEnded }) => isEnded)).toBe(true);
});
