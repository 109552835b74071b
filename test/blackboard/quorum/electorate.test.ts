/** Who is told of a strong board by which set of replicas it goes. */
import { expect, it } from 'vitest';
import { Electorate } from '../../../src/blackboard/quorum/electorate.ts';
import type { ElectorateComponents } from '../../../src/blackboard/quorum/electorate.ts';
import type { ReplicaSet } from '../../../src/blackboard/quorum/replica-set.ts';
import type { Did, PeerId } from '../../../src/core/index.ts';

const did = (name: string): Did => `did:key:${name}` as Did;
const voters = (...names: readonly string[]) =>
  names.map((name) => ({ did: did(name), disk: `disk of ${name}`, since: 0 }));

/** Of a board that ann, bob and cyd kept at first, then ann, bob and dan, and now ann, bob and eli. */
const SET: ReplicaSet = { number: 4, voters: voters('ann', 'bob', 'eli'), count: 0, record: 'r' };
const CHANGE = {
  by: did('ann'),
  number: 3,
  voters: SET.voters,
  before: voters('ann', 'bob', 'dan'),
};

function electorate(readers: readonly string[]): Electorate {
  const parts = {
    replica: { setOf: async () => SET },
    isSameNode: (one: Did, other: Did) => one === other,
    find: () => ({
      first: ['ann', 'bob', 'cyd'].map(did),
      // Of whom a record says so that has come, before this node goes by it.
      lastChange: { ...CHANGE, number: 5, voters: voters('ann', 'bob', 'fay') },
      mayRead: (one: Did) => readers.map(did).includes(one),
      readChange: () => CHANGE,
    }),
  };
  return new Electorate(parts as unknown as ElectorateComponents);
}

it('tells of the replicas of now those who keep the board, did before, will, or may read it, and nobody else', async () => {
  const board = electorate(['ray']);
  const told = async (name: string, set: number): Promise<unknown> => {
    const by = { peer: name as PeerId, did: did(name), spend: () => true };
    const ask = { t: 'look', to: { set, disk: '' } } as const;
    return (await board.answer(by, { board: 'b', key: 'k' }, ask))?.t;
  };
  for (const name of ['ann', 'eli', 'dan', 'cyd', 'fay', 'ray']) {
    expect([await told(name, 2), await told(name, 99)]).toEqual(['moved', 'behind']);
  }
  // Nor whether there is such a board, and how often its replicas have changed.
  expect([await told('mallory', 2), await told('mallory', 99)]).toEqual([undefined, undefined]);
});
