/** Readings of a strong key: as few replicas as are needed say that they have the same, or else all tell what they have. */
import { describe, expect, it } from 'vitest';
import type { Shown } from '../../../src/blackboard/quorum/acceptor.ts';
import { SameQuestions, createReader } from '../../../src/blackboard/quorum/reader.ts';
import type { Reader, ReaderComponents } from '../../../src/blackboard/quorum/reader.ts';
import type { Reply } from '../../../src/blackboard/quorum/format.ts';
import type { ReplicaSet } from '../../../src/blackboard/quorum/replica-set.ts';
import type { Did } from '../../../src/core/index.ts';
import { createTestClock } from '../../core/test-clock.ts';
import { calm } from '../hub.ts';

const SELF = 'did:key:z6MkAnn' as Did;
const FIVE: ReplicaSet = {
  number: 0,
  voters: ['d1', 'd2', 'd3', 'd4', 'd5'].map((disk) => ({ did: SELF, disk, since: 0 })),
  count: 0,
};
const [, OWN] = FIVE.voters;
const CELL = { board: 'jobs@z6MkAnn', key: 'k' };
const BALLOT = [3, 1, SELF] as const;
const ACCEPTED = { ballot: BALLOT, state: { value: 7, count: 3, ops: [] } };
const SHOWN: Shown = { t: 'shown', promised: BALLOT, accepted: ACCEPTED };

interface Asked {
  readonly reader: Reader;
  readonly asked: unknown[];
}

/** Who asks is the second of five replicas, which all have the same. */
function makeReader(over: Partial<ReaderComponents> = {}): Asked {
  const asked: unknown[] = [];
  const parts: ReaderComponents = {
    clock: createTestClock(),
    setOf: async () => FIVE,
    ownVoter: async () => OWN,
    isThere: () => true,
    look: async () => SHOWN,
    isSame: async () => true,
    ...over,
  };
  const reader = createReader({
    ...parts,
    look: (voter, set, one) => {
      asked.push(['look', voter.disk, one.known]);
      return parts.look(voter, set, one);
    },
    isSame: (voter, set, one) => {
      asked.push(['same', voter.disk, one.known]);
      return parts.isSame(voter, set, one);
    },
  });
  return { reader, asked };
}

describe('a reading', () => {
  it('asks as many others as make a majority, and no more, whether they have the same', async () => {
    const { reader, asked } = makeReader();
    expect(await reader.look(CELL)).toEqual(ACCEPTED.state);
    expect(asked).toEqual([
      ['look', 'd2', undefined],
      ['same', 'd3', BALLOT],
      ['same', 'd4', BALLOT],
    ]);
  });

  it('ends where a board has no replicas', async () => {
    const none = { ...FIVE, voters: [] };
    const { reader } = makeReader({ setOf: async () => none, ownVoter: async () => undefined });
    expect(await reader.look(CELL)).toBeUndefined();
  });

  it('asks those that are connected', async () => {
    const { reader, asked } = makeReader({ isThere: ({ disk }) => disk !== 'd3' });
    expect(await reader.look(CELL)).toEqual(ACCEPTED.state);
    expect(asked.slice(1)).toEqual([
      ['same', 'd4', BALLOT],
      ['same', 'd5', BALLOT],
    ]);
  });

  it('asks all for what they have where one of the few has something else', async () => {
    const later = { ballot: [4, 1, SELF] as const, state: { value: 8, count: 4, ops: [] } };
    const { reader, asked } = makeReader({
      isSame: async ({ disk }) => disk !== 'd4',
      look: async ({ disk }) =>
        disk === 'd2' || disk === 'd3' ? SHOWN : { t: 'shown', accepted: later },
    });
    expect(await reader.look(CELL)).toEqual(later.state);
    expect(asked.slice(3).map((one) => (one as unknown[]).slice(0, 2))).toEqual(
      ['d1', 'd3', 'd4', 'd5'].map((disk) => ['look', disk]),
    );
  });

  it('waits for few replicas that hang no longer than it must', async () => {
    const clock = createTestClock();
    const { reader } = makeReader({
      clock,
      isSame: () => new Promise(() => undefined),
      look: async ({ disk }) => (disk === 'd3' ? new Promise<Shown>(() => undefined) : SHOWN),
    });
    const read = reader.look(CELL);
    await calm();
    clock.advance(100);
    expect(await read).toEqual(ACCEPTED.state);
  });

  it('reads that nothing was ever set where a majority has nothing', async () => {
    const { reader } = makeReader({ look: async () => ({ t: 'shown' }) });
    expect(await reader.look(CELL)).toMatchObject({ count: 0 });
  });

  it('reads what the others have accepted where its own disk is behind, or hangs', async () => {
    const clock = createTestClock();
    const shown: (Shown | Promise<Shown>)[] = [{ t: 'shown' }, new Promise<Shown>(() => undefined)];
    for (const one of shown) {
      const { reader } = makeReader({
        clock,
        isSame: async () => false,
        look: async (voter) => (voter === OWN ? one : SHOWN),
      });
      const read = reader.look(CELL);
      await calm();
      clock.advance(100);
      expect(await read).toEqual(ACCEPTED.state);
    }
  });

  it('takes nobody at their word who says that they have the same, and was not told the same as what', async () => {
    const { reader } = makeReader({
      ownVoter: async () => undefined,
      look: async () => ({ t: 'shown', promised: BALLOT, isSame: true }),
    });
    expect(await reader.look(CELL)).toBeUndefined();
  });

  it('that breaks ends', async () => {
    const { reader } = makeReader({
      look: async () => {
        throw new Error('the disk is gone');
      },
    });
    await expect(reader.look(CELL)).rejects.toThrow('the disk is gone');
  });
});

describe('questions whether replicas have the same', () => {
  it('of one turn go together, and each hears of its own key', async () => {
    const asked: unknown[] = [];
    const [one, other] = FIVE.voters;
    if (one === undefined || other === undefined) throw new Error('no voters');
    const same = new SameQuestions(async (voter, _set, { of }): Promise<Reply> => {
      asked.push([voter.disk, of]);
      return { t: 'same', others: [1] };
    });
    const about = (key: string) => ({ cell: { board: CELL.board, key }, known: BALLOT });
    const heard = await Promise.all([
      same.isSame(one, FIVE, about('a')),
      same.isSame(one, FIVE, about('b')),
      same.isSame(other, FIVE, about('a')),
    ]);
    expect(heard).toEqual([true, false, true]);
    expect(asked).toEqual([
      [
        'd1',
        [
          ['a', BALLOT],
          ['b', BALLOT],
        ],
      ],
      ['d2', [['a', BALLOT]]],
    ]);
  });

  it('without an answer, or with another one, say no', async () => {
    const [voter] = FIVE.voters;
    if (voter === undefined) throw new Error('no voters');
    const replies: readonly (Reply | undefined)[] = [undefined, { t: 'behind' }];
    for (const reply of replies) {
      const same = new SameQuestions(async () => reply);
      expect(await same.isSame(voter, FIVE, { cell: CELL, known: BALLOT })).toBe(false);
    }
  });

  it('are as many as a message bears', async () => {
    const sizes: number[] = [];
    const [voter] = FIVE.voters;
    if (voter === undefined) throw new Error('no voters');
    const same = new SameQuestions(async (_voter, _set, { of }) => {
      sizes.push(of.length);
      return { t: 'same', others: [] };
    });
    const ask = (key: string) => same.isSame(voter, FIVE, { cell: { board: CELL.board, key } });
    await Promise.all(Array.from({ length: 300 }, (_, at) => ask(`k${at}`)));
    await Promise.all(Array.from({ length: 300 }, (_, at) => ask(`${at}`.padEnd(512, 'k'))));
    expect(sizes).toEqual([256, 44, 192, 108]);
  });
});
