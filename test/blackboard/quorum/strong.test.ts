/** Strong boards: one change of a key after the other, for all to see alike, whatever replicas and links do. */
import { afterEach, describe, expect, it } from 'vitest';
import type { Board, StrongOutcome, StrongRequest } from '../../../src/blackboard/index.ts';
import type { Did, Json } from '../../../src/core/index.ts';
import { calm } from '../hub.ts';
import { keysOf } from '../keys.ts';
import { isLinearizable } from '../../../sim/bench/board/runs/linearizable.ts';
import { runStrongWorld } from './strong-world.ts';
import { upTo } from '../../long/extent.ts';
import { makeMember, makeMesh } from '../support.ts';
import type { Member, Mesh } from '../support.ts';

const NAMES = ['ann', 'bob', 'cyd', 'dan'] as const;
const REPLICAS = ['ann', 'bob', 'cyd'] as const;
const KEYS = keysOf(...NAMES);

let mesh: Mesh;
/** Members that took the place of another one of the same name. */
let again: Member[] = [];
afterEach(async () => {
  await Promise.all(again.map(({ blackboard }) => blackboard.stop()));
  again = [];
  await mesh.stop();
});

const didOf = (name: string): Did => KEYS.get(name)?.did ?? ('' as Did);
const member = (name: string): Member => {
  const found = [...again.toReversed(), ...mesh.members].find(({ id }) => id === name);
  if (found === undefined) throw new Error(`no ${name}`);
  return found;
};
const board = (name: string): Promise<Board> => member(name).blackboard.board('jobs');

/** Waits for work while time goes on. */
async function driven<T>(work: Promise<T>): Promise<T> {
  const state = { isOver: false };
  const watched = work.finally(() => {
    state.isOver = true;
  });
  watched.catch(() => undefined);
  for (let turns = 0; !state.isOver && turns < 3000; turns += 1) {
    await calm(4);
    if (!state.isOver) mesh.clock.advance(10);
  }
  return watched;
}

async function settle(rounds = 4): Promise<void> {
  for (let round = 0; round < rounds; round += 1) {
    await calm();
    mesh.clock.advance(3000);
    await calm();
  }
}

const ask = async (name: string, key: string, request: StrongRequest): Promise<StrongOutcome> =>
  driven((await board(name)).strong(key, { request }));
const codeOf = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => 'fine',
    (error: unknown) => (error as { code: string }).code,
  );

/** A mesh of all, in which ann has made the strong board `jobs`, and dan, who keeps nothing of it, may write. */
async function withJobs(): Promise<void> {
  mesh = await makeMesh(NAMES, {}, KEYS);
  mesh.connectAll();
  await calm();
  const jobs = await board('ann');
  await jobs.create({ strong: REPLICAS.map(didOf) });
  await jobs.grant({ to: didOf('dan'), ability: 'write' });
  await settle();
}

/** Ends a member as kill -9 does, and starts it again from what is on its disk. */
async function restart(name: string): Promise<void> {
  const { id, table, history, strong, blackboard } = member(name);
  for (const other of NAMES) if (other !== name) mesh.hub.cut(id, member(other).id);
  await driven(blackboard.stop());
  const { clock } = mesh;
  const reborn = makeMember(mesh.hub, name, { clock, table, history, strong, keys: KEYS });
  again.push(reborn);
  await reborn.blackboard.start();
  for (const other of NAMES) if (other !== name) mesh.hub.connect(id, member(other).id);
  await calm();
}

describe('a strong board', () => {
  it('shows every replica and every writer at once what was set, and others soon', async () => {
    await withJobs();
    expect(await driven((await board('bob')).set('leader', 'bob'))).toMatchObject({
      by: didOf('bob'),
      version: 1,
    });
    for (const name of NAMES) {
      expect(await ask(name, 'leader', { t: 'get' })).toMatchObject({ value: 'bob', version: 1 });
    }
    expect(await driven((await board('dan')).set('leader', 'dan'))).toMatchObject({
      by: didOf('dan'),
      version: 2,
    });
    await settle();
    for (const name of NAMES) {
      expect((await board(name)).get('leader')).toMatchObject({ value: 'dan', by: didOf('dan') });
    }
    expect(await driven((await board('cyd')).delete('leader'))).toBe(true);
    expect(await driven((await board('cyd')).delete('leader'))).toBe(false);
    await settle();
    for (const name of NAMES) expect((await board(name)).get('leader')).toBeUndefined();
    expect(mesh.hub.reported).toEqual([]);
  });

  it('shows what was chosen though whoever proposed it was gone before it could', async () => {
    await withJobs();
    await driven((await board('dan')).set('k', 'before'));
    await settle();
    const proposer = REPLICAS.find((name) => member(name).strong.rows.has('boot')) ?? '';
    const others = NAMES.filter((name) => name !== proposer);
    const jobs = await board(proposer);
    await driven(
      jobs.strong('k', { request: { t: 'set', value: 'after' } }).then(() => {
        // In the very turn in which it was chosen: it is shown in the next one.
        for (const other of others) mesh.hub.cut(member(proposer).id, member(other).id);
      }),
    );
    for (const other of others) expect((await board(other)).get('k')?.value).toBe('before');
    for (let turns = 0; turns < 100; turns += 1) {
      await calm();
      mesh.clock.advance(100);
    }
    await calm();
    for (const other of others) expect((await board(other)).get('k')?.value).toBe('after');
  });

  it('has on the disks of all replicas soon what is on those of more than half at once', async () => {
    await withJobs();
    const rows = (): readonly string[] =>
      REPLICAS.map((name) => {
        const all = [...member(name).strong.rows];
        const [, row] = all.find(([key]) => key.startsWith('row/')) ?? [];
        return row === undefined ? '' : Buffer.from(row).toString();
      });
    await driven((await board('bob')).set('k', 'first'));
    expect(rows().filter((row) => row.includes('"first"'))).toHaveLength(2);
    mesh.clock.advance(100);
    await driven((await board('bob')).set('k', 'second'));
    await settle(3);
    expect(rows().filter((row) => row.includes('"second"'))).toHaveLength(3);
    expect(new Set(rows()).size).toBe(1);
  });

  it('lets one of many have its way that compare and set at once', async () => {
    await withJobs();
    const tries = NAMES.map((name) => ask(name, 'owner', { t: 'cas', value: name }));
    const outcomes = await Promise.all(tries);
    expect(outcomes.filter(({ ok }) => ok)).toHaveLength(1);
    const winner = NAMES[outcomes.findIndex(({ ok }) => ok)] ?? '';
    expect(outcomes.filter(({ ok }) => !ok).map(({ value }) => value)).toEqual(
      Array.from({ length: NAMES.length - 1 }, () => winner),
    );
    const expects = (expect_: Json): StrongRequest => ({
      t: 'cas',
      value: 'next',
      expect: expect_,
    });
    expect(await ask('bob', 'owner', expects('nobody'))).toMatchObject({ ok: false, version: 1 });
    expect(await ask('bob', 'owner', expects(winner))).toMatchObject({ ok: true, version: 2 });
    expect(await ask('cyd', 'owner', { t: 'cas', value: 1, version: 1 })).toMatchObject({
      ok: false,
      value: 'next',
    });
    expect(await ask('cyd', 'owner', { t: 'cas', value: 1, version: 2 })).toMatchObject({
      ok: true,
      version: 3,
    });
  });

  it('gives a lease to one holder at a time, with a token that rises with each', async () => {
    await withJobs();
    const lease = (name: string): Promise<StrongOutcome> =>
      ask(name, 'printer', { t: 'lease', holder: name, ttlMs: 60_000 });
    const first = await lease('bob');
    expect(first).toMatchObject({ ok: true, value: { lease: { holder: 'bob', token: 1 } } });
    expect(await lease('dan')).toMatchObject({ ok: false, value: { lease: { holder: 'bob' } } });
    expect(await lease('bob')).toMatchObject({ ok: true, value: { lease: { token: 1 } } });
    mesh.clock.advance(61_000);
    const next = await lease('dan');
    expect(next).toMatchObject({ ok: true, value: { lease: { holder: 'dan', token: 3 } } });
    expect(await ask('bob', 'printer', { t: 'release', holder: 'bob' })).toMatchObject({
      ok: false,
    });
    expect(await ask('dan', 'printer', { t: 'release', holder: 'dan' })).toMatchObject({
      ok: true,
    });
    expect(await lease('bob')).toMatchObject({ ok: true, value: { lease: { token: 5 } } });
    await driven((await board('ann')).set('other', 'no lease'));
    expect(await ask('ann', 'other', { t: 'lease', holder: 'ann', ttlMs: 1000 })).toMatchObject({
      ok: false,
      value: 'no lease',
    });
  });

  it('gives a lease anew that a clock which was a year ahead has dated', async () => {
    await withJobs();
    const lease = (name: string): Promise<StrongOutcome> =>
      ask(name, 'printer', { t: 'lease', holder: name, ttlMs: 60_000 });
    expect(await lease('bob')).toMatchObject({ ok: true });
    mesh.clock.sleep(-365 * 86_400_000);
    expect(await lease('dan')).toMatchObject({ ok: true, value: { lease: { token: 2 } } });
    expect(await lease('bob')).toMatchObject({ ok: false });
  });

  it('deletes what has another version by now only where no version is meant', async () => {
    await withJobs();
    await driven((await board('ann')).set('k', 1));
    await driven((await board('bob')).set('k', 2));
    const old = await ask('cyd', 'k', { t: 'delete', version: 1 });
    expect(old).toMatchObject({ ok: false, version: 2, value: 2 });
    expect(await ask('cyd', 'k', { t: 'delete', version: 2 })).toMatchObject({ existed: true });
    expect(await ask('cyd', 'k', { t: 'delete', version: 2 })).toMatchObject({ ok: true });
    expect(await ask('cyd', 'k', { t: 'delete' })).toMatchObject({ ok: true });
  });

  it('fails where fewer than half of the replicas are, and goes on where more are', async () => {
    await withJobs();
    await driven((await board('ann')).set('k', 1));
    await settle();
    for (const other of NAMES)
      if (other !== 'cyd') mesh.hub.cut(member('cyd').id, member(other).id);
    expect(await codeOf(driven((await board('cyd')).set('other', 2)))).toBe('STARLING_NO_QUORUM');
    expect(await codeOf(ask('cyd', 'k', { t: 'get' }))).toBe('STARLING_NO_QUORUM');
    await driven((await board('bob')).set('k', 3));
    expect(await ask('dan', 'k', { t: 'get' })).toMatchObject({ value: 3 });
    // What cyd knows as others know boards is old, and says so by its version alone.
    expect((await board('cyd')).get('k')?.value).toBe(1);
    for (const other of NAMES) {
      if (other !== 'cyd') mesh.hub.connect(member('cyd').id, member(other).id);
    }
    expect(await ask('cyd', 'k', { t: 'get' })).toMatchObject({ value: 3 });
    expect(await ask('cyd', 'other', { t: 'get' })).toEqual({ ok: true, version: 0 });
  });

  it('says that an outcome is unknown, and the same request learns it and is never done twice', async () => {
    await withJobs();
    const add = async (name: string, id: string): Promise<StrongOutcome> =>
      driven((await board(name)).strong('n', { request: { t: 'set', value: id }, id }));
    // So that its next change of the key is proposed at once.
    await driven((await board('ann')).set('n', 0));
    const proposer = REPLICAS.find((name) => member(name).strong.rows.has('boot')) ?? 'ann';
    const others = NAMES.filter((name) => name !== proposer);
    for (const other of others) mesh.hub.cut(member(proposer).id, member(other).id);
    const error = await add(proposer, 'first').catch((one: unknown) => one);
    expect(error).toMatchObject({ code: 'STARLING_OUTCOME_UNKNOWN' });
    const { request } = (error as { data: { request: string } }).data;
    for (const other of others) mesh.hub.connect(member(proposer).id, member(other).id);
    const retry = (name: string): Promise<StrongOutcome> =>
      board(name).then((found) =>
        driven(found.strong('n', { request: { t: 'set', value: 'first' }, id: request })),
      );
    const done = await retry(proposer);
    expect(done).toMatchObject({ ok: true, version: 2 });
    await driven((await board('dan')).set('n', 'later'));
    for (const name of NAMES) expect(await retry(name)).toEqual(done);
    expect(await ask('bob', 'n', { t: 'get' })).toMatchObject({ value: 'later', version: 3 });
    // So many changes later nobody remembers, and that is said.
    for (let i = 0; i < 40; i += 1) await driven((await board('ann')).set('n', i));
    expect(await codeOf(retry('bob'))).toBe('STARLING_OUTCOME_UNKNOWN');
    expect(await ask('bob', 'n', { t: 'get' })).toMatchObject({ value: 39, version: 43 });
  });

  it('has a replica that alone changes a key propose that itself, until somebody else changes it', async () => {
    await withJobs();
    // Who has proposed something has numbered its start.
    const hasProposed = (name: string): boolean => member(name).strong.rows.has('boot');
    const set = async (name: string): Promise<number | undefined> =>
      (await driven((await board(name)).set('mine', name))).version;
    await set('dan');
    const preferred = REPLICAS.find(hasProposed) ?? '';
    const [own = '', other = ''] = REPLICAS.filter((name) => name !== preferred);
    // The first one comes after another's; then eight of its own.
    for (let times = 0; times < 9; times += 1) await set(own);
    expect(REPLICAS.filter(hasProposed)).toEqual([preferred]);
    expect(await set(own)).toBe(11);
    expect(REPLICAS.filter((name) => name !== other).every(hasProposed)).toBe(true);
    expect([await set('dan'), await set(own), await set(preferred)]).toEqual([12, 13, 14]);
    for (const name of NAMES) {
      expect(await ask(name, 'mine', { t: 'get' })).toMatchObject({ version: 14 });
    }
    // Readings and the changes of others have asked nothing of the third.
    expect(hasProposed(other)).toBe(false);
  });

  it('keeps what it has said through restarts of all replicas', async () => {
    await withJobs();
    await driven((await board('ann')).set('k', 'kept'));
    for (const name of REPLICAS) await restart(name);
    expect(await ask('dan', 'k', { t: 'get' })).toMatchObject({ value: 'kept', version: 1 });
    expect(await ask('bob', 'k', { t: 'cas', value: 'new', version: 1 })).toMatchObject({
      ok: true,
    });
    expect(await ask('ann', 'k', { t: 'get' })).toMatchObject({ value: 'new', version: 2 });
  });

  it('ends what it is asked for as its node stops, in whichever turn that is, and says that nobody answers there', async () => {
    await withJobs();
    await driven((await board('ann')).set('k', 1));
    const told = new Map<string, string>();
    for (let turns = 0; turns < 12; turns += 1) {
      const jobs = await board('ann');
      const note = (error: Error & { readonly code?: string }): void =>
        void told.set(error.code ?? '', error.message);
      const asked = [
        jobs.strong('k', { request: { t: 'get' } }).catch(note),
        jobs.strong('k', { request: { t: 'set', value: turns } }).catch(note),
      ];
      await calm(turns);
      await restart('ann');
      await driven(Promise.all(asked));
    }
    expect([...told.keys()].toSorted()).toEqual(['STARLING_NO_QUORUM', 'STARLING_OUTCOME_UNKNOWN']);
    // The boards of a node that stops are not here any more, nor who keeps them.
    expect(told.get('STARLING_NO_QUORUM')).toContain('as this node stops');
    expect(await ask('bob', 'k', { t: 'get' })).toMatchObject({ ok: true });
  });

  it('counts no answer of a replica whose disk refuses', async () => {
    await withJobs();
    member('bob').strong.failures = 1000;
    member('cyd').strong.failures = 1000;
    expect(await codeOf(driven((await board('ann')).set('k', 1)))).not.toBe('fine');
    member('bob').strong.failures = 0;
    member('cyd').strong.failures = 0;
    await driven((await board('ann')).set('k', 2));
    expect(await ask('cyd', 'k', { t: 'get' })).toMatchObject({ value: 2 });
  });

  it('refuses other writes of its keys, strong writes of other boards, and whoever has no right', async () => {
    await withJobs();
    const jobs = await board('ann');
    await jobs.revoke(didOf('dan'));
    await settle();
    expect(await codeOf(driven((await board('dan')).set('k', 1)))).toBe('STARLING_BOARD_REFUSED');
    expect(await codeOf(jobs.set('k', 1, { ttlMs: 1000 }))).toBe('STARLING_BOARD_INVALID');
    expect(await codeOf(jobs.undo('k'))).toBe('STARLING_BOARD_INVALID');
    const plain = await member('ann').blackboard.board('plain');
    await plain.create();
    expect(await codeOf(plain.strong('k', { request: { t: 'get' } }))).toBe(
      'STARLING_BOARD_INVALID',
    );
    expect(await codeOf(plain.set('k', 1, { request: 'a' }))).toBe('STARLING_BOARD_INVALID');
    const both = await member('ann').blackboard.board('both');
    expect(await codeOf(both.create({ strong: [didOf('ann')], open: true }))).toBe(
      'STARLING_BOARD_INVALID',
    );
  });
});

describe('strong boards of five nodes', () => {
  const seeds = Array.from({ length: upTo(3, 100) }, (_, index) => index + 1);

  it.each(seeds)(
    'are linearizable while links are cut, disks refuse and nodes die as by kill -9 (seed %i)',
    async (seed) => {
      const { operations, leases, isMajorityLost } = await runStrongWorld(seed);
      for (const [key, history] of operations) {
        const told = history.filter(({ result }) => result !== undefined);
        const isMuch = told.length > 4 || isMajorityLost;
        expect([key, isLinearizable(history), isMuch]).toEqual([key, true, true]);
      }
      for (const one of leases) {
        for (const other of leases) {
          // A token has one holder, and who asked later has no lower one.
          if (one.token === other.token) expect(other.holder).toBe(one.holder);
          if (one.to < other.from) expect(other.token).toBeGreaterThanOrEqual(one.token);
        }
      }
    },
  );
});
