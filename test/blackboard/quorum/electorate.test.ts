/** Who is told that a strong board has other replicas by now. */
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
      mayRead: (one: Did) => readers.map(did).includes(one),
      readChange: () => CHANGE,
    }),
  };
  return new Electorate(parts as unknown as ElectorateComponents);
}

it('tells of the replicas of now those who keep the board, did before, or may read it, and nobody else', async () => {
  const board = electorate(['ray']);
  const told = async (name: string): Promise<unknown> => {
    const by = { peer: name as PeerId, did: did(name) };
    const ask = { t: 'look', to: { set: 2, disk: '' } } as const;
    return (await board.answer(by, { board: 'b', key: 'k' }, ask))?.t;
  };
  for (const name of ['ann', 'eli', 'dan', 'cyd', 'ray']) expect(await told(name)).toBe('moved');
  expect(await told('mallory')).toBeUndefined();
});
