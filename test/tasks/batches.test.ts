/** Durable tasks that are given together, where the node that gives them is gone in the middle: all of them count, or none. */
import { describe, expect, it } from 'vitest';
import type { StarlingError } from '../../src/core/index.ts';
import type { AddedTask } from '../../src/tasks/rows.ts';
import { doneOf, makeDurableMesh, rowOf } from './durable-world.ts';
import type { DurableMesh } from './durable-world.ts';

const IDS = ['t1', 't2', 't3', 't4'];
const all: readonly AddedTask[] = IDS.map((id) => ({ row: rowOf(id, 'ann'), input: id }));

/** Registers of tasks that are on the boards. */
const onBoards = (mesh: DurableMesh): number =>
  [...mesh.boards.entries.values()].flatMap((board) => [...board.keys()].filter(isTask)).length;
const isTask = (key: string): boolean => IDS.includes(key);
const owned = (mesh: DurableMesh): readonly string[] =>
  ['bob', 'cyd'].flatMap((name) => [...mesh.at(name).owned.keys()]).toSorted();

/** From its change number `from` on, this node reaches nobody. */
function cutFrom(mesh: DurableMesh, name: string, from: number): void {
  const { cutOff, writes } = mesh.boards;
  const { did } = mesh.at(name);
  const isCut = cutOff.has.bind(cutOff);
  cutOff.has = (one) => isCut(one) || (one === did && writes.count >= from);
}

describe('durable tasks that are given together', () => {
  it.each([1, 2, 3, 4, 5])(
    'are all gone where their node is gone after %i changes, before it had given them',
    async (changes) => {
      const mesh = await makeDurableMesh('ann', 'bob', 'cyd');
      cutFrom(mesh, 'ann', changes);
      const giving = mesh
        .at('ann')
        .durable.addAll(all)
        .catch(() => 'refused');
      await mesh.passes(500);
      expect(onBoards(mesh)).toBe(Math.min(changes - 1, IDS.length));
      expect(mesh.at('bob').seen.size + mesh.at('cyd').seen.size).toBe(0);
      mesh.at('ann').durable.stop();
      mesh.says('ann', 'dead');
      await mesh.passes(15_000);
      expect(owned(mesh)).toEqual([]);
      expect(mesh.at('bob').seen.size + mesh.at('cyd').seen.size).toBe(0);
      // The node of the board clears it when it is back.
      mesh.boards.cutOff.has = () => false;
      await mesh.at('ann').durable.start();
      await mesh.passes(15_000);
      expect(onBoards(mesh)).toBe(0);
      expect(mesh.at('ann').owned.size).toBe(0);
      expect(await giving).toBe('refused');
      mesh.stop();
    },
  );

  it('are all gone on with where they were given, however much of that others have heard', async () => {
    const mesh = await makeDurableMesh('ann', 'bob', 'cyd');
    await mesh.at('ann').durable.addAll(all);
    mesh.at('ann').durable.stop();
    mesh.says('ann', 'dead');
    await mesh.passes(15_000);
    expect(owned(mesh)).toEqual(IDS);
    mesh.stop();
  });

  it('are gone on with by their own node after a start, or gone', async () => {
    const mesh = await makeDurableMesh('ann');
    await mesh.at('ann').durable.addAll(all);
    mesh.at('ann').durable.stop();
    await mesh.at('ann').durable.start();
    await mesh.passes(2000);
    expect([...mesh.at('ann').owned.keys()].toSorted()).toEqual(IDS);
    mesh.stop();
  });

  it('are refused where another node has ended them while they were written', async () => {
    const mesh = await makeDurableMesh('ann', 'bob', 'cyd');
    cutFrom(mesh, 'ann', IDS.length + 1);
    const giving = mesh
      .at('ann')
      .durable.addAll(all)
      .catch((error: unknown) => (error as StarlingError).data['reason']);
    await mesh.passes(500);
    // It is there, and the others believe that it is not.
    mesh.says('ann', 'dead');
    await mesh.passes(7000);
    mesh.boards.cutOff.has = () => false;
    await mesh.passes(2000);
    expect(await giving).toBe('ended');
    await mesh.passes(2000);
    expect(onBoards(mesh)).toBe(0);
    expect(owned(mesh)).toEqual([]);
    mesh.stop();
  });

  it('stay refused for an hour, by whatever clock, and leave nothing after it', async () => {
    const mesh = await makeDurableMesh('ann', 'bob', 'cyd');
    const registers = (): readonly string[] =>
      [...mesh.boards.entries.values()].flatMap((board) => [...board.keys()]);
    cutFrom(mesh, 'ann', 3);
    const giving = mesh
      .at('ann')
      .durable.addAll(all)
      .catch(() => 'refused');
    await mesh.passes(500);
    await mesh.passes(15_000);
    expect(await giving).toBe('refused');
    mesh.boards.cutOff.has = () => false;
    await mesh.passes(2000);
    const [batch = ''] = registers().filter((key) => key.startsWith('batch_'));
    mesh.clock.sleep(365 * 86_400_000);
    await mesh.at('ann').durable.addAll(all);
    expect(registers()).toContain(batch);
    mesh.clock.advance(3_600_000);
    await mesh.passes(500);
    expect(registers()).not.toContain(batch);
    mesh.stop();
  });

  it('end as any other, and cost two changes more, all together', async () => {
    const mesh = await makeDurableMesh('ann', 'bob', 'cyd');
    const { durable } = mesh.at('ann');
    await durable.addAll(all);
    expect(mesh.boards.writes.count).toBe(IDS.length + 3);
    for (const { row } of all) await durable.putResult(doneOf(row), 'dug');
    expect([...mesh.at('bob').seen.values()].map(({ row }) => row.state)).toEqual(
      IDS.map(() => 'done'),
    );
    mesh.stop();
  });
});
