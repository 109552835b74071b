/** What is exported while not all of it is here, and while nobody sees how far it is. */
import { expect, it } from 'vitest';
import { serving } from './fake-node.ts';
import { fakeNode, run } from './support.ts';

const ENTRIES = [{ key: 'a', value: 1, by: 'did:key:z6Mk', at: 1_700_000_000_000 }];
const INFO = { name: 'plan', keys: 1, bytes: 10, open: true, vector_clock: {} };

it('board export says that the board is not whole here yet, beside what it prints', async () => {
  const coming = [{ from: 'bob', changes: 1000, of: 4000 }];
  const node = await fakeNode({
    answer: serving({
      board_list: { entries: ENTRIES },
      board_info: { ...INFO, coming },
    }),
  });
  const { stdout, stderr } = await run('board', 'export', 'plan', '--state', node.stateDir);
  expect(stdout.trim().split('\n')).toEqual(ENTRIES.map((entry) => JSON.stringify(entry)));
  expect(stderr).toBe(
    '! the board is not whole here yet: 25 % of 4000 changes from bob are here, and can be read\n  → see how far it is: starling board info plan; then export it again\n',
  );
});

it('board export says nothing of a board that is whole, nor where the node does not tell', async () => {
  for (const more of [{ board_info: INFO }, {}]) {
    const node = await fakeNode({
      answer: serving({ board_list: { entries: ENTRIES }, ...more }),
    });
    const { stdout, stderr } = await run('board', 'export', 'plan', '--state', node.stateDir);
    expect([JSON.parse(stdout), stderr]).toEqual([ENTRIES[0], '']);
  }
});
