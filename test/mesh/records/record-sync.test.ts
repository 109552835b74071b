/** When the records of two are in step: who waits for that, how long, and what a cut does to it. */
import { describe, expect, it } from 'vitest';
import { silentLogger } from '../../../src/core/index.ts';
import type { PeerId } from '../../../src/core/index.ts';
import { createIdentity } from '../../../src/identity/index.ts';
import type { Taken } from '../../../src/mesh/records/record-intake.ts';
import {
  RECORDS_PER_MESSAGE_MAX,
  encodeRecordMessage,
} from '../../../src/mesh/records/record-messages.ts';
import type { Records } from '../../../src/mesh/records/records.ts';
import { prefixed } from '../../../sim/hostile/pubsub.ts';
import { calm, createHub } from '../../blackboard/hub.ts';
import type { Hub } from '../../blackboard/hub.ts';
import { createTestClock } from '../../core/test-clock.ts';
import { createRecordSync } from '../../../src/mesh/index.ts';
import type { RecordSync } from '../../../src/mesh/index.ts';

const [LOW, HIGH, HIGHEST] = [2, 3, 4]
  .map((seed) => createIdentity(Buffer.alloc(32, seed)).peerId)
  .toSorted() as [PeerId, PeerId, PeerId];

interface Side {
  readonly sync: RecordSync;
  readonly texts: Map<string, string>;
  /** What `inStep` says: `yes`, `waits`, or the code that it failed with. */
  step(peer: PeerId): Promise<string>;
}

interface Two {
  readonly hub: Hub;
  readonly clock: ReturnType<typeof createTestClock>;
  readonly low: Side;
  readonly high: Side;
  /** A third one, whom nobody has met. */
  readonly highest: Side;
}

function twoOf(slow: { disk?: Promise<void>; taken?: Taken } = {}): Two {
  const hub = createHub();
  const clock = createTestClock();
  const side = (self: PeerId): Side => {
    const texts = new Map<string, string>();
    const listeners = new Set<(jws: string) => void>();
    const records = {
      all: () => texts,
      digest: () => [...texts.keys()].toSorted().join(),
      addOfPeer: async (more: readonly string[]) => {
        await slow.disk;
        if (slow.taken !== undefined) return slow.taken;
        const before = texts.size;
        for (const text of more) {
          if (!texts.has(text)) listeners.forEach((listener) => listener(text));
          texts.set(text, text);
        }
        const news = texts.size - before;
        return { news, known: more.length - news, later: 0, ownLater: 0 };
      },
      add: async (text: string) => {
        const isNew = !texts.has(text);
        texts.set(text, text);
        return isNew;
      },
      onAdded: (listener: (jws: string) => void) => {
        listeners.add(listener);
        return () => listeners.delete(listener);
      },
      onSignsTooMuch: () => () => undefined,
    } satisfies Partial<Records> as unknown as Records;
    const network = hub.network(self);
    const sync = createRecordSync({ network, records, clock, logger: silentLogger });
    return {
      sync,
      texts,
      async step(peer) {
        const waiting = sync.inStep(peer);
        if (waiting === undefined) return 'yes';
        let outcome = 'waits';
        waiting.then(
          () => (outcome = 'yes'),
          (error: { code: string }) => (outcome = error.code),
        );
        await calm(5);
        return outcome;
      },
    };
  };
  return { hub, clock, low: side(LOW), high: side(HIGH), highest: side(HIGHEST) };
}

describe('two that meet', () => {
  it('are in step once each has what the other had, and not before', async () => {
    const { hub, low, high } = twoOf();
    low.sync.start();
    high.sync.start();
    low.texts.set('a', 'a');
    high.texts.set('b', 'b');
    expect(await low.step(HIGH)).toBe('waits');
    hub.connect(LOW, HIGH);
    const waiting = [low.sync.inStep(HIGH), high.sync.inStep(LOW)];
    expect(waiting).not.toContain(undefined);
    for (const inStep of waiting) await inStep;
    expect([...low.texts.keys()].toSorted()).toEqual(['a', 'b']);
    expect([...high.texts.keys()].toSorted()).toEqual(['a', 'b']);
    expect([await low.step(HIGH), await high.step(LOW)]).toEqual(['yes', 'yes']);
  });

  it('are in step by a frame each, and no stream, when they have the same', async () => {
    const { hub, low, high } = twoOf();
    low.sync.start();
    high.sync.start();
    for (const { texts } of [low, high]) texts.set('a', 'a');
    hub.connect(LOW, HIGH);
    await calm();
    expect([await low.step(HIGH), await high.step(LOW)]).toEqual(['yes', 'yes']);
    expect(hub.opened).toEqual([]);
  });

  it('believe only a sync on a second link: the first may carry what was said before a cut', async () => {
    const { hub, clock, low, high } = twoOf();
    low.sync.start();
    high.sync.start();
    hub.connect(LOW, HIGH);
    await calm();
    expect(hub.opened).toEqual([]);
    hub.connect(LOW, HIGH);
    await calm();
    expect(await high.step(LOW)).toBe('waits');
    clock.advance(2000);
    await calm();
    expect(await high.step(LOW)).toBe('yes');
    expect(hub.opened.length).toBeGreaterThan(0);
  });

  it('are not in step any more after a cut, until they have told each other the news', async () => {
    const { hub, low, high } = twoOf();
    low.sync.start();
    high.sync.start();
    hub.connect(LOW, HIGH);
    await calm();
    hub.cut(LOW, HIGH);
    low.texts.set('news', 'news');
    expect(await high.step(LOW)).toBe('waits');
    hub.connect(LOW, HIGH);
    await high.sync.inStep(LOW);
    expect(high.texts.has('news')).toBe(true);
  });

  it('are not by what was told before a cut and is still being written after it', async () => {
    const slow: { disk?: Promise<void> } = {};
    const { hub, low, high } = twoOf(slow);
    low.sync.start();
    high.sync.start();
    let written = (): void => undefined;
    slow.disk = new Promise((resolve) => {
      written = resolve;
    });
    high.texts.set('old', 'old');
    hub.connect(LOW, HIGH);
    await calm();
    hub.cut(LOW, HIGH);
    high.texts.set('news', 'news');
    hub.connect(LOW, HIGH);
    delete slow.disk;
    written();
    await low.sync.inStep(HIGH);
    expect(low.texts.has('news')).toBe(true);
  });

  it('are not by the old connection, when a new one comes before that is known to be lost', async () => {
    const { hub, low, high } = twoOf();
    low.sync.start();
    high.sync.start();
    hub.connect(LOW, HIGH);
    await calm();
    low.texts.set('news', 'news');
    hub.connect(LOW, HIGH);
    expect(high.sync.inStep(LOW)).toBeInstanceOf(Promise);
    await calm();
    expect(await high.step(LOW)).toBe('yes');
    expect(high.texts.has('news')).toBe(true);
  });
});

describe('who has synced', () => {
  it('tells the mesh nothing of what a newcomer has got, and all of what two parts have missed of each other', async () => {
    const { hub, clock, low, high, highest } = twoOf();
    for (const side of [low, high, highest]) side.sync.start();
    for (const text of ['a', 'b']) high.texts.set(text, text);
    hub.connect(LOW, HIGH);
    await calm();
    expect([...low.texts.keys()]).toEqual(['a', 'b']);
    clock.advance(1000);
    await calm();
    expect(hub.traffic.gossip).toBe(0);
    // Who comes now has been in another part, and both have news for those behind the other.
    for (const text of ['a', 'b', 'c']) highest.texts.set(text, text);
    hub.connect(LOW, HIGHEST);
    await calm();
    clock.advance(310);
    await calm();
    expect([...high.texts.keys()]).toEqual(['a', 'b', 'c']);
  });
});

describe('a peer that does not sync', () => {
  it('is asked by whoever waits, again and again, and is given up in the end', async () => {
    const { hub, clock, low, high } = twoOf();
    high.sync.start();
    hub.connect(LOW, HIGH);
    const waiting = high.sync.inStep(LOW);
    const ended = expect(waiting).rejects.toMatchObject({ code: 'STARLING_TIMEOUT' });
    for (let step = 0; step < 40; step += 1) {
      clock.advance(500);
      await calm(10);
    }
    await ended;
    // It comes late, and then it is fine.
    low.sync.start();
    await calm();
    expect(await high.step(LOW)).toBe('yes');
  });

  it('keeps nobody waiting who stops', async () => {
    const { high, hub } = twoOf();
    high.sync.start();
    hub.connect(LOW, HIGH);
    const waiting = high.sync.inStep(LOW);
    high.sync.stop();
    await expect(waiting).rejects.toMatchObject({ code: 'STARLING_STOPPED' });
    await expect(high.sync.inStep(LOW)).rejects.toMatchObject({ code: 'STARLING_STOPPED' });
  });
});

describe('a peer that asks for all records again and again', () => {
  it('is served some at once and one a second, and told of', async () => {
    const { hub, clock, low, high } = twoOf();
    low.sync.start();
    high.sync.start();
    hub.connect(LOW, HIGH);
    await calm();
    const ask = async (): Promise<boolean> => {
      const stream = await hub.network(LOW).open(HIGH, '/starling/records/1', {
        signal: new AbortController().signal,
      });
      let isRefused = false;
      stream.onEnd((error) => {
        isRefused = error !== undefined;
      });
      stream.onData(() => undefined);
      await calm(3);
      const wasRefused = isRefused;
      stream.abort(new Error('enough'));
      return wasRefused;
    };
    const refused: boolean[] = [];
    for (let count = 0; count < 40; count += 1) refused.push(await ask());
    expect(refused.slice(0, 25)).not.toContain(true);
    expect(refused.slice(-5)).not.toContain(false);
    const { by, peer, what } = hub.reported[0] ?? {};
    expect({ by, peer, what }).toEqual({ by: HIGH, peer: LOW, what: 'records' });
    clock.advance(1000);
    expect(await ask()).toBe(false);
    low.sync.stop();
    high.sync.stop();
  });
});

describe('a peer that sends records without end', () => {
  const open = (hub: Hub): ReturnType<ReturnType<Hub['network']>['open']> =>
    hub.network(LOW).open(HIGH, '/starling/records/1', { signal: new AbortController().signal });
  const texts = (count: number, length = 400): Uint8Array =>
    prefixed(
      encodeRecordMessage({
        t: 'records',
        jws: Array.from({ length: count }, (_, at) => String(at).padEnd(length, '.')),
      }),
    );

  async function meeting(slow: Parameters<typeof twoOf>[0]): Promise<Two> {
    const two = twoOf(slow);
    two.low.sync.start();
    two.high.sync.start();
    two.hub.connect(LOW, HIGH);
    await calm();
    return two;
  }

  it('is told of when these are of its own hand, is not blamed for those of others, and is in step', async () => {
    const slow = { taken: { news: 10, known: 0, later: 90, ownLater: 90 } };
    const { hub, high } = await meeting(slow);
    const stream = await open(hub);
    stream.onData(() => undefined);
    stream.write(texts(100));
    await calm();
    slow.taken = { news: 10, known: 0, later: 90, ownLater: 0 };
    stream.write(texts(100));
    void stream.close();
    await calm();
    expect(hub.reported).toEqual([{ by: HIGH, peer: LOW, what: 'signs' }]);
    expect(await high.step(LOW)).toBe('yes');
  });

  it('has four syncs served at a time, so that only so many of its messages are held', async () => {
    let written = (): void => undefined;
    const disk = new Promise<void>((resolve) => (written = resolve));
    const { hub } = await meeting({ disk });
    const ends: (Error | undefined)[] = [];
    for (let count = 0; count < 6; count += 1) {
      const stream = await open(hub);
      stream.onEnd((error) => ends.push(error));
      stream.onData(() => undefined);
      stream.write(texts(10));
      await calm(3);
    }
    expect(ends).toHaveLength(2);
    expect(hub.reported.map(({ what }) => what)).toEqual(['records', 'records']);
    written();
  });

  it('is cut off at a message of more bytes than any member sends', async () => {
    const { hub } = await meeting({});
    const stream = await open(hub);
    let why = '';
    stream.onEnd((error) => (why = error?.message ?? ''));
    stream.onData(() => undefined);
    stream.write(texts(RECORDS_PER_MESSAGE_MAX, 2000));
    await calm();
    expect(why).not.toBe('');
  });
});
