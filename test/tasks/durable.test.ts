/** Durable tasks over registers that several nodes share: who owns a task, and what counts. */
import { describe, expect, it } from 'vitest';
import type { Json, StarlingError } from '../../src/core/index.ts';
import { readRegister, registerValue } from '../../src/tasks/durable/format.ts';
import { nextRow } from '../../src/tasks/life/machine.ts';
import type { TaskRow } from '../../src/tasks/types.ts';
import { didOf, doneOf, makeDurableMesh, rowOf } from './durable-world.ts';

const reasonOf = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => 'done',
    (error: unknown) => (error as StarlingError).data['reason'] ?? (error as StarlingError).code,
  );

describe('a durable task', () => {
  it('costs two writes, one when it is submitted and one when it ends', async () => {
    const mesh = await makeDurableMesh('ann', 'bob', 'cyd', 'dan');
    const { durable } = mesh.at('ann');
    const row = rowOf('t1', 'ann');
    await durable.add(row, { hole: 1 });
    expect(durable.copies('t1')).toBe(3);
    // Who has it is the owner's alone.
    for (const state of ['leased', 'running'] as const) await durable.put({ ...row, state });
    await durable.putResult(doneOf(row), 'dug');
    expect(mesh.boards.writes.count).toBe(2);
    const { durable: other } = mesh.at('cyd');
    await other.refresh('t1');
    expect(await other.result('t1')).toBe('dug');
    // What is done stays so: to see it costs nothing.
    expect(mesh.boards.reads.count).toBe(0);
    mesh.stop();
  });

  it('is owned by one other node once its owner is gone, with higher tokens', async () => {
    const mesh = await makeDurableMesh('ann', 'bob', 'cyd');
    const ids = Array.from({ length: 40 }, (_, at) => `t${at}`);
    for (const id of ids) await mesh.at('ann').durable.add({ ...rowOf(id, 'ann'), token: 7 }, id);
    mesh.says('ann', 'dead');
    await mesh.passes(10_000);
    const [bob, cyd] = [mesh.at('bob').owned, mesh.at('cyd').owned];
    expect([...bob.keys(), ...cyd.keys()].toSorted()).toEqual(ids.toSorted());
    // Each takes about half.
    expect(Math.min(bob.size, cyd.size)).toBeGreaterThan(5);
    for (const [id, row] of [...bob, ...cyd]) {
      expect(row.token).toBeGreaterThan(1000);
      const holder = bob.has(id) ? 'bob' : 'cyd';
      expect(await mesh.at(holder).durable.input(id)).toBe(id);
    }
    mesh.stop();
  });

  it('has what its submitter has answered at the next owner, too', async () => {
    const mesh = await makeDurableMesh('ann', 'bob', 'cyd');
    const row = rowOf('t1', 'ann');
    await mesh.at('ann').durable.add(row, 1);
    const answers = { depth: 3 };
    await mesh.at('ann').durable.put({ ...row, state: 'running', answers, version: 5 });
    await mesh.at('ann').durable.put({ ...row, state: 'running', answers, version: 6 });
    expect(mesh.boards.writes.count).toBe(2);
    mesh.says('ann', 'dead');
    await mesh.passes(10_000);
    const taken = mesh.at('bob').owned.get('t1') ?? mesh.at('cyd').owned.get('t1');
    expect(taken?.answers).toEqual(answers);
    mesh.stop();
  });

  it('has what its agent asks at the other nodes and at the next owner, and is answered at any of them', async () => {
    const mesh = await makeDurableMesh('ann', 'bob', 'cyd');
    const [ann, bob] = [mesh.at('ann'), mesh.at('bob')];
    const row = rowOf('t1', 'ann');
    const question = { kind: 'input', key: 'depth', message: 'How deep?' } as const;
    const asking = { ...row, state: 'input_required', version: 5, question } as const;
    await ann.durable.add(row, 1);
    await ann.durable.put({ ...asking, progress: { part: 0.5 } });
    await ann.durable.put({ ...asking, version: 6 });
    await mesh.passes(500);
    expect(mesh.boards.writes.count).toBe(2);
    expect(bob.seen.get('t1')?.row).toMatchObject({ state: 'input_required', question });
    expect(await bob.durable.answer('t1', 'width', 3)).toBe(false);
    expect(await bob.durable.answer('t1', 'depth', 3)).toBe(true);
    expect(await mesh.at('cyd').durable.answer('t1', 'depth', 4)).toBe(false);
    expect(ann.answers.get('t1')).toEqual({ depth: 3 });
    expect(bob.seen.get('t1')?.row.state).toBe('bidding');
    // What the owner writes next does not take it back.
    await ann.durable.put({ ...row, state: 'bidding', version: 9 });
    await mesh.passes(500);
    mesh.says('ann', 'dead');
    await mesh.passes(10_000);
    const taken = bob.owned.get('t1') ?? mesh.at('cyd').owned.get('t1');
    expect(taken).toMatchObject({ state: 'bidding', answers: { depth: 3 } });
    mesh.stop();
  });

  it('asks still when its owner is gone, for whoever goes on with it', async () => {
    const mesh = await makeDurableMesh('ann', 'bob', 'cyd');
    const row = rowOf('t1', 'ann');
    const question = { kind: 'input', key: 'depth', message: 'How deep?' } as const;
    await mesh.at('ann').durable.add(row, 1);
    await mesh.at('ann').durable.put({ ...row, state: 'input_required', version: 5, question });
    await mesh.passes(500);
    mesh.says('ann', 'dead');
    await mesh.passes(10_000);
    const taken = mesh.at('bob').owned.get('t1') ?? mesh.at('cyd').owned.get('t1');
    expect(taken).toMatchObject({ state: 'bidding', question });
    const answered = nextRow(taken as TaskRow, { type: 'answered', key: 'depth', answer: 3 });
    expect(answered).toMatchObject({ state: 'bidding', answers: { depth: 3 } });
    expect(answered?.question).toBeUndefined();
    mesh.stop();
  });

  it('of many that are given together is kept with all of them or not at all', async () => {
    const mesh = await makeDurableMesh('ann', 'bob', 'cyd');
    const { durable } = mesh.at('ann');
    const all = ['t1', 't2', 't3'].map((id) => ({ row: rowOf(id, 'ann'), input: id }));
    mesh.boards.room.registers = 3;
    expect(await reasonOf(durable.addAll(all))).toBe('STARLING_LIMIT_EXCEEDED');
    await mesh.passes(500);
    expect([...mesh.boards.entries.values()].map(({ size }) => size)).toContain(1);
    expect(mesh.at('bob').seen.size).toBe(0);
    mesh.says('ann', 'dead');
    await mesh.passes(10_000);
    expect(mesh.at('bob').owned.size + mesh.at('cyd').owned.size).toBe(0);
    mesh.boards.room.registers = 5;
    await durable.addAll(all);
    expect(mesh.at('bob').seen.size).toBe(3);
    mesh.stop();
  });

  it('is not changed any more by an owner that was cut off and comes back', async () => {
    const mesh = await makeDurableMesh('ann', 'bob', 'cyd');
    const [ann, bob] = [mesh.at('ann'), mesh.at('bob')];
    const row = rowOf('t1', 'ann');
    await ann.durable.add(row, 1);
    mesh.boards.cutOff.add(ann.did);
    mesh.says('ann', 'dead');
    // What its worker has done it cannot write while it is cut off.
    expect(await reasonOf(ann.durable.putResult(doneOf(row), 'from before'))).toBe(
      'STARLING_NO_QUORUM',
    );
    await mesh.passes(10_000);
    const owner = bob.owned.has('t1') ? bob : mesh.at('cyd');
    const taken = owner.owned.get('t1');
    if (taken === undefined) throw new Error('nobody has it');
    mesh.boards.cutOff.delete(ann.did);
    expect(await reasonOf(ann.durable.putResult(doneOf(row), 'from before'))).toBe('moved');
    expect(ann.seen.get('t1')?.owner).toBe(owner.did);
    await owner.durable.putResult(doneOf(taken), 'dug');
    expect(await reasonOf(ann.durable.put(doneOf(row)))).toBe('moved');
    for (const name of ['ann', 'bob', 'cyd']) {
      expect(await mesh.at(name).durable.result('t1')).toBe('dug');
    }
    mesh.stop();
  });

  it('has the end that was written first', async () => {
    const mesh = await makeDurableMesh('ann', 'bob', 'cyd');
    const { durable, seen } = mesh.at('ann');
    const row = rowOf('t1', 'ann');
    await durable.add(row, 1);
    const cancelled = { ...row, state: 'cancelled', version: 2, endedAt: 5 } as const;
    const [one, other] = await Promise.all([
      reasonOf(durable.put(cancelled)),
      reasonOf(durable.putResult(doneOf(row), 'dug')),
    ]);
    expect([one, other]).toEqual(['done', 'ended']);
    expect(seen.get('t1')?.row.state).toBe('cancelled');
    mesh.stop();
  });

  it('is gone on with by a node that has started again, and by nobody while its owner is there', async () => {
    const mesh = await makeDurableMesh('ann', 'bob', 'cyd');
    await mesh.at('ann').durable.add(rowOf('t1', 'ann'), 1);
    mesh.says('ann', 'suspect');
    await mesh.passes(20_000);
    expect([mesh.at('bob').owned.size, mesh.at('cyd').owned.size]).toEqual([0, 0]);
    mesh.at('ann').durable.stop();
    mesh.at('ann').owned.clear();
    await mesh.at('ann').durable.start();
    await mesh.passes(1000);
    expect(mesh.at('ann').owned.get('t1')?.token).toBeGreaterThan(1000);
    mesh.stop();
  });

  it('is kept by its node alone where there are no two others, and says so', async () => {
    const mesh = await makeDurableMesh('ann', 'bob');
    await mesh.at('ann').durable.add(rowOf('t1', 'ann'), 1);
    expect(mesh.at('ann').durable.copies('t1')).toBe(1);
    mesh.stop();
  });

  it('makes room by what has ended, and is refused where that is not enough', async () => {
    const mesh = await makeDurableMesh('ann', 'bob', 'cyd');
    const { durable } = mesh.at('ann');
    const large = 'x'.repeat(190_000);
    const submit = async (at: number): Promise<void> => {
      const row = rowOf(`t${at}`, 'ann');
      await durable.add({ ...row, order: { ...row.order, inputBytes: large.length } }, large);
    };
    let given = 0;
    const refused = await (async () => {
      for (; given < 100; given += 1) await submit(given);
    })().catch((error: unknown) => error);
    expect(refused).toMatchObject({ code: 'STARLING_LIMIT_EXCEEDED', data: { reason: 'full' } });
    await durable.putResult(doneOf(rowOf('t0', 'ann')), large);
    await submit(given);
    expect(await durable.result('t0')).toBeUndefined();
    mesh.stop();
  });
});

describe('a register', () => {
  const creator = didOf('ann');
  const read = (value: Json, id = 't1'): unknown => readRegister(value, { id, creator });
  const value = registerValue({ owner: creator, epoch: 0, row: rowOf('t1', 'ann'), input: 1 });

  it('is read back as it was written', () => {
    expect(read(value)).toEqual({ owner: creator, epoch: 0, row: rowOf('t1', 'ann'), input: 1 });
  });

  it('gives nobody the rights of somebody else than the node that has made the board', () => {
    for (const submitter of [
      didOf('bob'),
      'operator',
      `client:x@${didOf('bob')}`,
      `${creator}@${didOf('bob')}`,
      '',
    ]) {
      const row = rowOf('t1', 'ann');
      const forged = { ...row, order: { ...row.order, submitter } };
      expect(read(registerValue({ owner: creator, epoch: 0, row: forged }))).toBeUndefined();
    }
  });

  it('is no task where it is under another key, malformed, or has a token of a later owner', () => {
    expect(read(value, 't2')).toBeUndefined();
    for (const bad of [null, 7, [], {}, { ...(value as object), v: 2 }]) {
      expect(read(bad as Json)).toBeUndefined();
    }
    const row = { ...rowOf('t1', 'ann'), token: 2 ** 40 };
    expect(read(registerValue({ owner: creator, epoch: 1, row }))).toBeUndefined();
  });
});
