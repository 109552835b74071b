/** What clocks, limits of nodes and rows that come between do to an agent on several nodes. */
import { afterEach, expect, it } from 'vitest';
import { createSpreadProofs } from '../../../src/agents/directory/spread-proof.ts';
import { SpreadBoard } from '../../../src/agents/spread/rows.ts';
import { OPERATOR } from '../../../src/guard/index.ts';
import { kind } from '../run/programs.ts';
import { stageOf } from './stage.ts';
import type { SpreadStage } from './stage.ts';

const NAMES = ['alice', 'bob', 'carol'] as const;
const YEAR_MS = 365 * 86_400_000;
let stage: SpreadStage;
afterEach(() => stage.stop());

const counts = (): number[] => NAMES.map((name) => stage.at(name).alive().length);

it('has no more processes on a node than its kind may have there, also where others are away', async () => {
  stage = await stageOf(...NAMES);
  for (const name of ['bob', 'carol']) {
    stage.at(name).kinds['coder'] = kind({ maxReplicas: 2 });
  }
  await stage.at('alice').spread(NAMES, { replicas: 6 });
  await stage.passes(6000);
  expect(counts()).toEqual([2, 2, 2]);
  await stage.die('alice');
  await stage.passes(60_000);
  expect(counts().slice(1)).toEqual([2, 2]);
});

it('is looked after also where the clock was a year ahead, and is right again', async () => {
  stage = await stageOf(...NAMES);
  await stage.at('alice').spread(NAMES, { replicas: 3 });
  await stage.passes(6000);
  for (const { clock } of [stage.world, stage.mesh]) clock.sleep(-YEAR_MS);
  await stage.passes(12_000);
  const [first = '', ...others] = stage.parents();
  expect(others).toEqual([]);
  await stage.die(first);
  await stage.passes(60_000);
  expect(stage.parents().filter((name) => name !== first)).toHaveLength(1);
  expect(counts().toSorted()).toEqual([0, 1, 2]);
});

it('ends when its spreader wants that, also where one of its nodes has named a token that no parent reaches', async () => {
  stage = await stageOf(...NAMES);
  const [alice, bob, carol] = NAMES.map((name) => stage.at(name));
  await alice?.spread(NAMES);
  await stage.passes(6000);
  const board = await stage.mesh.members[0]?.blackboard.board('spreads');
  const value = board?.get('spread/coder')?.value ?? expect.fail('no row');
  const { proof, terms } = value as { proof: string; terms: string };
  const call = { want: 'ensure', proof, terms, token: 2 ** 50, least: 1, most: 1 } as const;
  await expect(carol?.spreads.obey(bob?.did ?? expect.fail('no bob'), call)).rejects.toMatchObject({
    code: 'STARLING_CALL_REFUSED',
  });
  expect(counts()).toEqual([1, 1, 1]);
  await alice?.spreads.end(OPERATOR, 'coder');
  await stage.passes(12_000);
  expect(counts()).toEqual([0, 0, 0]);
});

it('ends when its spreader wants that, also where one of its nodes keeps the lease and does nothing', async () => {
  stage = await stageOf(...NAMES);
  await stage.at('alice').spread(NAMES);
  await stage.passes(6000);
  const board =
    (await stage.mesh.members[0]?.blackboard.board('spreads')) ?? expect.fail('no board');
  const asks = (request: object): void => {
    board.strong('parent/coder', { request } as never).catch(() => undefined);
  };
  // Bob's node takes the lease as soon as it can, and never gives it back.
  asks({ t: 'release', holder: stage.at('alice').did });
  const keeps = (): void => asks({ t: 'lease', holder: `${stage.at('bob').did}#`, ttlMs: 15_000 });
  await stage.passes(6000, keeps);
  await stage.at('alice').spreads.end(OPERATOR, 'coder');
  await stage.passes(12_000, keeps);
  expect(counts()).toEqual([1, 1, 1]);
  await stage.passes(20_000, keeps);
  expect(counts()).toEqual([0, 0, 0]);
  expect(board.get('spread/coder')).toBeUndefined();
});

it('takes no end from a node that has not spread it and has no lease', async () => {
  stage = await stageOf(...NAMES);
  await stage.at('alice').spread(NAMES);
  await stage.passes(6000);
  const board = await stage.mesh.members[0]?.blackboard.board('spreads');
  const value = board?.get('spread/coder')?.value ?? expect.fail('no row');
  const { proof, terms } = value as { proof: string; terms: string };
  const call = { want: 'end', proof, terms, token: 2 ** 40, least: 0, most: 0 } as const;
  const ended = stage.at('carol').spreads.obey(stage.at('bob').did, call);
  await expect(ended).rejects.toMatchObject({ code: 'STARLING_CALL_REFUSED' });
  expect(counts()).toEqual([1, 1, 1]);
});

it('is not taken off the board by who ended the one of its name before', async () => {
  stage = await stageOf(...NAMES);
  await stage.at('alice').spread(NAMES);
  await stage.passes(1000);
  const board = await stage.mesh.members[0]?.blackboard.board('spreads');
  const rows = new SpreadBoard(board ?? expect.fail('no board'), createSpreadProofs());
  const before = await rows.read('coder');
  const row = before.row ?? expect.fail('no row');
  const version = await rows.write('coder', { ...row, turn: row.turn + 1 }, before.version);
  await rows.remove('coder', stage.at('alice').did, before.version);
  expect(await rows.read('coder')).toMatchObject({ row: { turn: row.turn + 1 }, version });
  await stage.passes(12_000);
  expect(stage.parents()).toEqual(['alice']);
  expect(counts()).toEqual([1, 1, 1]);
});

it.each([true, false])(
  'has one parent at any time, and no part twice, where the machine of the parent sleeps past its lease (suspended: %s)',
  async (late) => {
    stage = await stageOf(...NAMES);
    await stage.at('alice').spread(NAMES, { replicas: 3 });
    await stage.passes(6000);
    const { token: first = 0 } = stage.at('alice').view()?.parent ?? {};
    let most = 0;
    const look = (): void => {
      const awake = stage.parents().filter((name) => !stage.world.nodes[name]?.clock.isAsleep);
      most = Math.max(most, awake.length);
    };
    await stage.sleeps('alice');
    await stage.passes(60_000, look);
    const [next = '', ...others] = stage.parents().filter((name) => name !== 'alice');
    expect(others).toEqual([]);
    expect(stage.at(next).view()?.parent?.token).toBeGreaterThan(first);
    // Its process stands still, and its share is elsewhere meanwhile.
    expect(counts().reduce((sum, count) => sum + count)).toBe(4);
    await stage.wakes('alice', { late });
    look();
    await stage.passes(120_000, look);
    expect(most).toBe(1);
    expect(stage.parents()).toEqual([next]);
    expect(counts()).toEqual([1, 1, 1]);
  },
);
