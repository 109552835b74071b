/** A node that comes to a large board: it reads what has come, and a person sees how much that is. */
import { expect, it } from 'vitest';
import type { BoardComing, HistoryLine } from '../../../src/blackboard/index.ts';
import { calm } from '../hub.ts';
import { makeMesh } from '../support.ts';
import type { Mesh } from '../support.ts';

/** So many that a fast machine takes them in by more than one slice of 8 ms. */
const ENTRIES = 12_000;

async function filled({ members: [first] }: Mesh, entries: number): Promise<void> {
  if (first === undefined) throw new Error('nobody is there');
  const board = await first.blackboard.board('plan');
  await Promise.all(Array.from({ length: entries }, (_, i) => board.set(`key-${i}`, i)));
}

it('a newcomer reads what has come of a large board, and is told how much of how much that is', async () => {
  const mesh = await makeMesh(['A', 'B']);
  const [a, b] = mesh.members;
  await filled(mesh, ENTRIES);
  const board = await b?.blackboard.board('plan');
  mesh.connectAll();
  const seen: BoardComing[] = [];
  let readable = 0;
  for (let turn = 0; turn < 3000 && (board?.info().keys ?? 0) < ENTRIES; turn += 1) {
    await calm(1);
    const [coming] = b?.blackboard.coming() ?? [];
    if (coming === undefined) continue;
    expect(coming).toMatchObject({ board: 'plan', from: a?.id, of: ENTRIES + 1 });
    expect(board?.info().coming).toEqual([{ from: a?.id, changes: coming.changes, of: coming.of }]);
    if (seen.at(-1)?.changes !== coming.changes) seen.push(coming);
    if (board?.get('key-0') !== undefined) readable += 1;
  }
  await calm();
  expect(board?.info().keys).toBe(ENTRIES);
  // How often it can be looked hangs on the machine: what comes is taken in slices of time.
  expect(seen.length).toBeGreaterThan(1);
  expect(readable).toBeGreaterThan(0);
  const rising = seen.map(({ changes }) => changes);
  expect(rising).toEqual(rising.toSorted((x, y) => x - y));
  expect([b?.blackboard.coming(), board?.info().coming]).toEqual([[], undefined]);
  await mesh.stop();
});

it('the history of what came in bulk is what was written, and takes no more of the disk than what was sent', async () => {
  const mesh = await makeMesh(['A', 'B']);
  const [a, b] = mesh.members;
  await filled(mesh, ENTRIES);
  mesh.connectAll();
  const board = await b?.blackboard.board('plan');
  for (let turn = 0; turn < 3000 && (board?.info().keys ?? 0) < ENTRIES; turn += 1) await calm(1);
  const query = { limit: 2 * ENTRIES };
  const theirs = await (await a?.blackboard.board('plan'))?.history(query);
  const ours = await board?.history(query);
  const said = (lines: readonly HistoryLine[] = []): unknown[] =>
    lines
      .map(({ key, value, by, at }) => ({ key, value, by, at }))
      .toSorted((x, y) => (x.key < y.key ? -1 : 1));
  expect(said(ours?.lines)).toEqual(said(theirs?.lines));
  expect(ours?.lines).toHaveLength(ENTRIES);
  const bytes = [...(b?.history.rows.values() ?? [])].reduce((sum, row) => sum + row.length, 0);
  // As lines of JSON these were about 80 bytes each, of a short did.
  expect(bytes / ENTRIES).toBeLessThan(50);
  await mesh.stop();
});

it('of a sync that breaks off nothing seems to come any more, and of a small one nothing is said', async () => {
  const mesh = await makeMesh(['A', 'B']);
  const [a, b] = mesh.members;
  await filled(mesh, ENTRIES);
  mesh.connectAll();
  for (let turn = 0; turn < 3000 && b?.blackboard.coming().length === 0; turn += 1) await calm(1);
  expect(b?.blackboard.coming()).toHaveLength(1);
  mesh.hub.cut(a?.id ?? ('' as never), b?.id ?? ('' as never));
  await calm();
  expect(b?.blackboard.coming()).toEqual([]);
  await mesh.stop();
  const small = await makeMesh(['A', 'B']);
  await filled(small, 100);
  small.connectAll();
  for (let turn = 0; turn < 300; turn += 1) {
    await calm(1);
    expect(small.members[1]?.blackboard.coming()).toEqual([]);
  }
  expect((await small.members[1]?.blackboard.board('plan'))?.info().keys).toBe(100);
  await small.stop();
});
