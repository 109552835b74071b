/** Which records are told to all, and when: what a sync has brought is mostly news to nobody else. */
import { expect, it } from 'vitest';
import { createScope, silentLogger } from '../../../src/core/index.ts';
import type { PeerId } from '../../../src/core/index.ts';
import { createIdentity } from '../../../src/identity/index.ts';
import { RecordGossip } from '../../../src/mesh/records/record-gossip.ts';
import {
  decodeRecordMessage,
  encodeRecordMessage,
} from '../../../src/mesh/records/record-messages.ts';
import { calm, createHub } from '../../blackboard/hub.ts';
import { createTestClock } from '../../core/test-clock.ts';

const [SELF, OTHER] = [2, 3].map((seed) => createIdentity(Buffer.alloc(32, seed)).peerId) as [
  PeerId,
  PeerId,
];

interface Teller {
  readonly gossip: RecordGossip;
  /** What the other has heard of this one. */
  readonly told: string[][];
  /** Records of a sync; `isNews` where they may be news to others. */
  readonly synced: (texts: readonly string[], isNews: boolean) => Promise<void>;
  readonly added: (jws: string) => void;
  readonly pass: (ms: number) => Promise<void>;
  /** The other tells records. */
  readonly otherTells: (jws: readonly string[]) => Promise<void>;
}

function teller(): Teller {
  const hub = createHub();
  const clock = createTestClock();
  const listeners = new Set<(jws: string) => void>();
  const added = (jws: string): void => listeners.forEach((listener) => listener(jws));
  const gossip = new RecordGossip({
    network: hub.network(SELF),
    records: {
      onAdded: (listener) => {
        listeners.add(listener);
        return () => listeners.delete(listener);
      },
    },
    clock,
    logger: silentLogger,
    take: async () => undefined,
  });
  gossip.start(createScope(clock));
  hub.connect(SELF, OTHER);
  const told: string[][] = [];
  const topic = hub.network(OTHER).topic('event');
  topic.subscribe((bytes) => {
    const message = decodeRecordMessage(bytes);
    if (message?.t === 'records') told.push([...message.jws]);
  });
  return {
    gossip,
    told,
    added,
    synced: (texts, isNews) =>
      gossip.takeSynced(texts, isNews, async () => {
        for (const jws of texts) added(jws);
      }),
    pass: async (ms) => {
      clock.advance(ms);
      await calm();
    },
    otherTells: async (jws) => {
      await topic.publish(encodeRecordMessage({ t: 'records', jws: [...jws] }));
      await calm();
    },
  };
}

it('tells what is new here at once, and many in one message', async () => {
  const { added, pass, told } = teller();
  added('a');
  added('b');
  await pass(10);
  expect(told).toEqual([['a', 'b']]);
});

it('tells nothing of a sync that is news to nobody, and tells the same text when it comes by another way', async () => {
  const { added, pass, synced, told } = teller();
  await synced(['a', 'b'], false);
  await pass(1000);
  expect(told).toEqual([]);
  added('a');
  await pass(10);
  expect(told).toEqual([['a']]);
});

it('tells what a sync has brought that may be news, but for what somebody else has told meanwhile', async () => {
  const { otherTells, pass, synced, told } = teller();
  await synced(['a', 'b'], true);
  await pass(200);
  expect(told).toEqual([]);
  await otherTells(['a']);
  await pass(100);
  await pass(10);
  expect(told).toEqual([['b']]);
});

it('says at a stop what waits to be told', async () => {
  const { gossip, pass, synced, told } = teller();
  await synced(['a'], true);
  gossip.tellNow();
  gossip.stop();
  await pass(1000);
  expect(told).toEqual([['a']]);
});

it('tells what comes by a sync that fails in the end no longer as one of it', async () => {
  const { added, gossip, pass, told } = teller();
  const failed = gossip.takeSynced(['a'], false, () => Promise.reject(new Error('no')));
  await expect(failed).rejects.toThrow('no');
  added('a');
  await pass(10);
  expect(told).toEqual([['a']]);
});
