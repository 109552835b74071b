/** The history of a task whose owner is cut off while it has a result, and comes back when another one has one. */
import type { Seen } from '../../sim/task-history.ts';
import { doneOf, makeDurableMesh, rowOf } from './durable-world.ts';

/** Runs it; without fencing the first owner reads and sets registers as if nobody had come between. */
export async function runCutOff({ isFenced }: { readonly isFenced: boolean }): Promise<Seen[]> {
  const mesh = await makeDurableMesh('ann', 'bob', 'cyd');
  const seen: Seen[] = [];
  const [ann, bob, cyd] = ['ann', 'bob', 'cyd'].map((name) => mesh.at(name));
  if (ann === undefined || bob === undefined || cyd === undefined) throw new Error('three nodes');
  const row = rowOf('t1', 'ann');
  const look = async (): Promise<void> => {
    const result = (await bob.durable.result('t1')) ?? null;
    if (result !== null) seen.push({ t: 'ended', id: 't1', status: 'done', result });
  };
  const answer = (result: string): void =>
    void seen.push({ t: 'answered', id: 't1', token: 1, result });
  await ann.durable.add(row, 1);
  seen.push({ t: 'acked', id: 't1' });
  answer('of the first');
  mesh.boards.cutOff.add(ann.did);
  mesh.says('ann', 'dead');
  await ann.durable.putResult(doneOf(row), 'of the first').catch(() => undefined);
  await mesh.passes(10_000);
  const owner = bob.owned.has('t1') ? bob : cyd;
  answer('of the second');
  await owner.durable.putResult(doneOf(owner.owned.get('t1') ?? row), 'of the second');
  await look();
  mesh.boards.cutOff.delete(ann.did);
  if (!isFenced) mesh.boards.unfenced.add(ann.did);
  await ann.durable.putResult(doneOf(row), 'of the first').catch(() => undefined);
  await look();
  mesh.stop();
  return seen;
}
