/**
 * A flood of questions about a strong board, by a member without a right and by one who may write: what others get done
 * meanwhile is counted, in turns of the event loop and in time that the test moves.
 */
import { afterEach, expect, it } from 'vitest';
import { QUORUM_PROTOCOL, encodeAsk } from '../../../src/blackboard/quorum/format.ts';
import type { Ask, KeyBallot } from '../../../src/blackboard/quorum/format.ts';
import type { Did, PeerId } from '../../../src/core/index.ts';
import { createMessageStream } from '../../../src/network/index.ts';
import type { MessageStream } from '../../../src/network/index.ts';
import { upTo } from '../../long/extent.ts';
import { calm } from '../hub.ts';
import { StrongMesh } from './strong-support.ts';

const REPLICAS = ['ann', 'bob', 'cyd'];
const TURNS = 120;
/** Messages of a flood in a turn: more than a node answers in that time. */
const IN_A_TURN = 8;
const STREAMS = 4;
const MESSAGE_BYTES_MAX = 1024 * 1024;

let strong: StrongMesh;
afterEach(() => strong.stop());

/** Questions that replicas ask one another, by a set: many keys in one, and a change that is put on top of another. */
function floodOf(by: Did, set: number): readonly Ask[] {
  const to = { set, disk: '' };
  const of = Array.from({ length: 256 }, (__, at): KeyBallot => [`k${at}`, [at + 1, 1, by]]);
  return [
    { t: 'same', of, to },
    { t: 'look', to },
    { t: 'step', ballot: [9, 9, by], next: [10, 9, by], from: [8, 9, by], to },
  ];
}

/** Answers that one who is no replica gets of three of them in that time: a thousand each at once, and five hundred a second. */
const ANSWERS_MAX = 3 * (1000 + 500 * ((TURNS * 10) / 1000)) * 1.1;
let answers = 0;

/** How many writes dan gets done one after the other, while `flooder` floods all replicas. */
async function writesDone(asks: readonly Ask[], flooder?: string): Promise<number> {
  const jobs = await strong.board('dan');
  const streams: MessageStream[] = [];
  const { signal } = new AbortController();
  const flooded = flooder === undefined ? [] : REPLICAS.filter((one) => one !== flooder);
  for (const replica of flooded) {
    // A replica has streams of its own beside these.
    const count = REPLICAS.includes(flooder ?? '') ? STREAMS - 2 : STREAMS;
    for (let at = 0; at < count; at += 1) {
      const { network } = strong.member(flooder ?? '');
      const stream = await network.open(strong.member(replica).id, QUORUM_PROTOCOL, { signal });
      streams.push(createMessageStream(stream, { maxBytes: MESSAGE_BYTES_MAX }));
    }
  }
  for (const stream of streams) {
    stream.onMessage(() => {
      answers += 1;
    });
  }
  const messages = asks.map((ask, i) => encodeAsk({ i: i + 1, board: jobs.id, key: 'k', ask }));
  const state = { done: 0, isOver: false };
  const work = async (): Promise<void> => {
    while (!state.isOver) {
      await jobs.strong(`k${state.done % 8}`, { request: { t: 'set', value: state.done } });
      state.done += 1;
    }
  };
  const working = work().catch(() => undefined);
  for (let turn = 0; turn < TURNS; turn += 1) {
    for (const stream of streams) {
      for (let at = 0; at < IN_A_TURN; at += 1) {
        stream.send(messages[(turn + at) % messages.length] ?? new Uint8Array(0));
      }
    }
    await calm(3);
    strong.mesh.clock.advance(10);
  }
  state.isOver = true;
  await strong.driven(working);
  for (const stream of streams) await stream.close().catch(() => undefined);
  return state.done;
}

/** Who floods, what that one may, and by which set. */
const FLOODS = [
  ['eve', 'without a right, by a set that is none', 99],
  ['fay', 'who may write', 0],
  ['eve', 'without a right', 0],
  ['fay', 'who may write, by a set that is none', 99],
] as const;

it.each(FLOODS.slice(0, upTo(2, FLOODS.length)))(
  'writes of others go on while %s, %s, floods the replicas',
  async (flooder, _, set) => {
    strong = await StrongMesh.make([...REPLICAS, 'dan', 'eve', 'fay'], REPLICAS);
    const jobs = await strong.board('ann');
    for (const name of ['dan', 'fay']) {
      await jobs.grant({ to: strong.didOf(name), ability: 'write' });
    }
    await strong.settle();
    const quiet = await writesDone([]);
    answers = 0;
    const flooded = await writesDone(floodOf(strong.didOf(flooder), set), flooder);
    expect(quiet).toBeGreaterThan(20);
    expect(answers).toBeLessThan(ANSWERS_MAX);
    expect(flooded / quiet).toBeGreaterThanOrEqual(0.8);
    // What nobody but a replica may ask is told of, and nobody else is.
    const { reported } = strong.mesh.hub;
    expect(new Set(reported.map(({ peer, what }) => `${peer} ${what}`))).toEqual(
      new Set([
        ...(set === 0 ? [`${flooder} unpermitted`] : []),
        // Who may read the board hears that the replicas are others, or are not yet.
        ...(set === 0 || flooder === 'eve' ? [`${flooder} boards`] : []),
      ]),
    );
  },
);

/** Keys of one question, none of which is in memory. */
const COLD_KEYS = 256;
/** Readings of the disk that one peer gets in that time: as many at once as its share is worth, so many a second, and those under way. */
const READINGS_MAX = 131_072 / 8 + 8000 * ((TURNS * 10) / 1000) + STREAMS * 64;

it('a replica that floods others with questions whose answers are not in memory gets its share of their disks, and is told of', async () => {
  strong = await StrongMesh.make([...REPLICAS, 'dan'], REPLICAS);
  const jobs = await strong.board('ann');
  await jobs.grant({ to: strong.didOf('dan'), ability: 'write' });
  await strong.settle();
  const quiet = await writesDone([]);
  const readings = new Map<string, number>();
  for (const name of ['ann', 'bob']) {
    const { strong: table } = strong.member(name);
    const get = table.get.bind(table);
    table.get = (key) => {
      readings.set(name, (readings.get(name) ?? 0) + 1);
      return get(key);
    };
  }
  const to = { set: 0, disk: '' };
  const asks = Array.from({ length: 16 }, (_, at): Ask => {
    const of = Array.from({ length: COLD_KEYS }, (__, key): KeyBallot => [
      `cold-${at}-${key}`,
      undefined,
    ]);
    return { t: 'same', of, to };
  });
  const flooded = await writesDone(asks, 'cyd');
  expect(quiet).toBeGreaterThan(20);
  expect(flooded / quiet).toBeGreaterThanOrEqual(0.8);
  for (const name of ['ann', 'bob']) {
    expect(readings.get(name)).toBeGreaterThan(131_072 / 8);
    // Those of the writes that were done meanwhile beside them.
    expect(readings.get(name)).toBeLessThan(READINGS_MAX + 20 * flooded);
  }
  const told = strong.mesh.hub.reported.filter(({ peer }) => peer === ('cyd' as PeerId));
  expect(new Set(told.map(({ by, what }) => `${by} ${what}`))).toEqual(
    new Set(['ann boards', 'bob boards']),
  );
});
