/** Replicas of strong boards: lost disks, changes of the replicas, erased keys, and who says what is not so. */
import { afterEach, describe, expect, it } from 'vitest';
import { signReplicas } from '../../../src/blackboard/access/access-records.ts';
import type { Ballot } from '../../../src/blackboard/quorum/acceptor.ts';
import { SET_KEY } from '../../../src/blackboard/quorum/set-change.ts';
import { firstVoters } from '../../../src/blackboard/lanes/voters.ts';
import { rankedFor } from '../../../src/blackboard/quorum/groups.ts';
import { createReplica } from '../../../src/blackboard/quorum/replica.ts';
import { calm } from '../hub.ts';
import { journalTable } from '../journal-table.ts';
import { StrongMesh } from './strong-support.ts';

const NAMES = ['ann', 'bob', 'cyd', 'dan', 'eve'];
const REPLICAS = ['ann', 'bob', 'cyd'];

let world: StrongMesh | undefined;
afterEach(() => world?.stop());

const make = async (): Promise<StrongMesh> => {
  world = await StrongMesh.make(NAMES, REPLICAS);
  return world;
};

describe('a replica that has lost its disk', () => {
  it('answers nothing, and is a new one once it was added again', async () => {
    const jobs = await make();
    await jobs.ask('ann', 'k', { t: 'set', value: 'kept' });
    // Only ann and bob have it now.
    jobs.cut('cyd');
    await jobs.ask('ann', 'k', { t: 'set', value: 'newer' });
    await jobs.restartWithoutDisk('cyd');
    jobs.heal('cyd');
    await jobs.settle();
    jobs.cut('ann');
    // Bob and cyd would be more than half, but cyd may have forgotten what it promised.
    expect(await jobs.codeOf(jobs.ask('bob', 'k', { t: 'get' }))).toBe('STARLING_NO_QUORUM');
    expect(await jobs.codeOf(jobs.ask('cyd', 'k', { t: 'get' }))).toBe('STARLING_NO_QUORUM');
    expect(jobs.member('cyd').logger.lines.join()).toMatch(/has lost the disk/);
    jobs.heal('ann');
    await jobs.settle();
    const change = { add: [jobs.didOf('cyd')] };
    expect(await jobs.driven((await jobs.board('ann')).changeReplicas(change))).toHaveLength(3);
    jobs.cut('ann');
    expect(await jobs.ask('bob', 'k', { t: 'get' })).toMatchObject({ value: 'newer', version: 2 });
    expect(await jobs.ask('cyd', 'k', { t: 'cas', value: 'next', version: 2 })).toMatchObject({
      ok: true,
    });
  });
});

describe('a change of the replicas', () => {
  it('brings every key to the new ones, which go on without the old ones', async () => {
    const jobs = await make();
    for (let i = 0; i < 12; i += 1) await jobs.ask('bob', `k${i}`, { t: 'set', value: i });
    await jobs.ask('bob', 'lock', { t: 'lease', holder: 'bob', ttlMs: 1000 });
    const change = {
      add: [jobs.didOf('dan'), jobs.didOf('eve')],
      remove: [jobs.didOf('ann'), jobs.didOf('bob')],
    };
    const now = await jobs.driven((await jobs.board('ann')).changeReplicas(change));
    expect(now).toEqual(['cyd', 'dan', 'eve'].map((name) => jobs.didOf(name)));
    await jobs.settle();
    expect((await jobs.board('eve')).info().replicas).toEqual(now);
    for (const name of ['ann', 'bob', 'cyd']) jobs.cut(name);
    for (let i = 0; i < 12; i += 1) {
      expect(await jobs.ask('eve', `k${i}`, { t: 'get' })).toMatchObject({ value: i, version: 1 });
    }
    jobs.heal('cyd');
    jobs.heal('ann');
    await jobs.settle();
    expect(await jobs.ask('ann', 'k1', { t: 'set', value: 'on' })).toMatchObject({ version: 2 });
    jobs.mesh.clock.advance(2000);
    const next = await jobs.ask('dan', 'lock', { t: 'lease', holder: 'dan', ttlMs: 1000 });
    expect(next).toMatchObject({ ok: true, value: { lease: { token: 2 } } });
    // Who is no replica any more has nothing left of it but what all readers see.
    expect([jobs.rowsOf('ann'), jobs.rowsOf('dan').length]).toEqual([[], 13]);
    // A node that was away all the time learns of it from the others.
    jobs.heal('bob');
    await jobs.settle();
    expect(await jobs.codeOf(jobs.ask('bob', 'k1', { t: 'get' }))).toBe('STARLING_BOARD_REFUSED');
    expect(await jobs.codeOf((await jobs.board('bob')).set('k1', 1))).toBe(
      'STARLING_BOARD_REFUSED',
    );
  });

  it('that was begun and broke off is ended by the replicas, and nothing is lost meanwhile', async () => {
    const jobs = await make();
    for (let i = 0; i < 5; i += 1) await jobs.ask('ann', `k${i}`, { t: 'set', value: i });
    jobs.cut('dan');
    jobs.cut('eve');
    const change = { add: [jobs.didOf('dan'), jobs.didOf('eve')] };
    // The new ones do not say what their disks are.
    expect(await jobs.codeOf((await jobs.board('ann')).changeReplicas(change))).toBe(
      'STARLING_PEER_UNREACHABLE',
    );
    jobs.heal('dan');
    jobs.heal('eve');
    await jobs.settle();
    const changing = (await jobs.board('ann')).changeReplicas(change).then(
      () => 'done',
      () => 'broken off',
    );
    await calm(20);
    await jobs.restart('ann');
    await jobs.driven(changing);
    expect(await jobs.ask('bob', 'k1', { t: 'set', value: 'meanwhile' })).toMatchObject({
      version: 2,
    });
    await jobs.settle(30, 10_000);
    const { replicas = [] } = (await jobs.board('dan')).info();
    jobs.cut('ann');
    expect(await jobs.ask('bob', 'k1', { t: 'get' })).toMatchObject({ value: 'meanwhile' });
    for (let i = 2; i < 5; i += 1) {
      expect(await jobs.ask('bob', `k${i}`, { t: 'get' })).toMatchObject({ value: i });
    }
    expect([3, 5]).toContain(replicas.length);
  });

  it('is for those who administer the board, whoever signs one', async () => {
    const jobs = await make();
    await jobs.driven((await jobs.board('ann')).grant({ to: jobs.didOf('dan'), ability: 'write' }));
    await jobs.settle();
    const change = { add: [jobs.didOf('dan')] };
    for (const name of ['bob', 'dan']) {
      expect(await jobs.codeOf((await jobs.board(name)).changeReplicas(change))).toBe(
        'STARLING_BOARD_REFUSED',
      );
    }
    const all = { remove: REPLICAS.map((name) => jobs.didOf(name)) };
    expect(await jobs.codeOf((await jobs.board('ann')).changeReplicas(all))).toBe(
      'STARLING_BOARD_INVALID',
    );
    await jobs.driven((await jobs.board('ann')).grant({ to: jobs.didOf('eve'), ability: 'admin' }));
    await jobs.settle();
    expect(await jobs.driven((await jobs.board('eve')).changeReplicas(change))).toHaveLength(4);
    const before = await jobs.driven((await jobs.board('eve')).replicas());
    const told = await jobs.say('dan', 'bob', { ask: { t: 'change', record: 'made.up.record' } });
    expect(told).toMatchObject({ t: 'failed', code: 'STARLING_BOARD_REFUSED' });
    expect(await jobs.driven((await jobs.board('bob')).replicas())).toEqual(before);
  });
});

describe('a deleted key of a strong board', () => {
  it('is erased once all replicas have the deletion, and no number and no token comes again', async () => {
    const jobs = await make();
    await jobs.ask('ann', 'k', { t: 'set', value: 1 });
    await jobs.ask('ann', 'k', { t: 'set', value: 2 });
    await jobs.ask('ann', 'lock', { t: 'lease', holder: 'ann', ttlMs: 1000 });
    for (const key of ['k', 'lock']) await jobs.ask('ann', key, { t: 'delete' });
    jobs.cut('cyd');
    await jobs.settle(16, 60_000);
    expect(jobs.rowsOf('ann').toSorted()).toEqual(['k', 'lock']);
    jobs.heal('cyd');
    await jobs.settle(16, 60_000);
    for (const name of REPLICAS) expect([name, jobs.rowsOf(name)]).toEqual([name, []]);
    expect(await jobs.ask('bob', 'k', { t: 'get' })).toEqual({ ok: true, version: 0 });
    // What was long under way comes to nothing.
    const old: Ballot = [2, 1, jobs.didOf('ann')];
    const accept = {
      t: 'accept',
      to: { set: 0, disk: '' },
      ballot: old,
      next: [3, 1, jobs.didOf('ann')],
      state: { value: { v: 'old', by: jobs.didOf('ann'), at: 1 }, count: 1, ops: [] },
    } as const;
    expect(await jobs.say('ann', 'bob', { ask: accept })).toMatchObject({ t: 'refused' });
    const again = await jobs.ask('bob', 'k', { t: 'cas', value: 'new', version: 0 });
    expect([again.ok, again.version > 3]).toEqual([true, true]);
    const lease = await jobs.ask('bob', 'lock', { t: 'lease', holder: 'bob', ttlMs: 1000 });
    expect((lease.value as { lease: { token: number } }).lease.token).toBeGreaterThan(2);
  });

  it('is remembered for its retries, and what is asked after that is told to be unknown', async () => {
    const jobs = await make();
    await jobs.ask('ann', 'k', { t: 'set', value: 1 });
    expect(await jobs.ask('ann', 'k', { t: 'delete' }, 'gone@1')).toMatchObject({ existed: true });
    expect(await jobs.ask('bob', 'k', { t: 'delete' }, 'gone@1')).toMatchObject({ existed: true });
    await jobs.settle(14, 60_000);
    expect(jobs.rowsOf('ann')).toEqual([]);
    expect(await jobs.codeOf(jobs.ask('bob', 'k', { t: 'delete' }, 'gone@1'))).toBe(
      'STARLING_OUTCOME_UNKNOWN',
    );
  });
});

describe('a key that is deleted long after it was made', () => {
  it('is remembered from its deletion on, and not from when it was made', async () => {
    const jobs = await make();
    await jobs.ask('ann', 'k', { t: 'set', value: 1 });
    await jobs.settle(10, 60_000);
    expect(await jobs.ask('ann', 'k', { t: 'delete' }, 'gone@1')).toMatchObject({ existed: true });
    await jobs.settle(9, 60_000);
    expect(jobs.rowsOf('ann')).toEqual(['k']);
    expect(await jobs.ask('bob', 'k', { t: 'delete' }, 'gone@1')).toMatchObject({ existed: true });
    await jobs.settle(14, 60_000);
    expect(jobs.rowsOf('ann')).toEqual([]);
  });
});

describe('what is kept of a key that holds nothing', () => {
  it('is erased where a promise came to nothing, and where the replica to do it was away', async () => {
    const jobs = await make();
    const cyd = jobs.didOf('cyd');
    const prepare = { t: 'prepare', to: { set: 0, disk: '' }, ballot: [900, 9, cyd] } as const;
    await jobs.say('cyd', 'ann', { key: 'ghost', ask: prepare });
    await jobs.say('cyd', 'bob', { key: 'ghost', ask: { ...prepare, ballot: [901, 9, cyd] } });
    jobs.cut('cyd');
    const keys = Array.from({ length: 8 }, (_, i) => `k${i}`);
    for (const key of keys) {
      await jobs.ask('ann', key, { t: 'set', value: key });
      await jobs.ask('ann', key, { t: 'delete' });
    }
    expect(jobs.rowsOf('bob').toSorted()).toEqual(['ghost', ...keys]);
    jobs.heal('cyd');
    await jobs.settle(42, 60_000);
    for (const name of REPLICAS) expect([name, jobs.rowsOf(name)]).toEqual([name, []]);
  });
});

describe('a request for a new key', () => {
  it('is done where the replica that had it is gone, though keys were erased before', async () => {
    const jobs = await make();
    await jobs.driven((await jobs.board('ann')).grant({ to: jobs.didOf('dan'), ability: 'write' }));
    for (let i = 0; i < 5; i += 1) await jobs.ask('ann', 'old', { t: 'set', value: i });
    await jobs.ask('ann', 'old', { t: 'delete' });
    await jobs.settle(16, 60_000);
    expect(jobs.rowsOf('ann')).toEqual([]);
    const board = await jobs.board('dan');
    const dids = REPLICAS.map((name) => jobs.didOf(name));
    const ofAnn = Array.from({ length: 60 }, (_, i) => `new${i}`).filter(
      (key) => rankedFor({ board: board.id, key }, dids, () => true)[0] === dids[0],
    );
    await jobs.ask('dan', ofAnn.pop() ?? '', { t: 'set', value: 0 });
    for (let turns = 1; turns < 14; turns += 1) {
      const setting = board.strong(ofAnn.pop() ?? '', { request: { t: 'set', value: turns } });
      setting.catch(() => undefined);
      await calm(turns);
      jobs.cut('ann');
      expect(await jobs.driven(setting)).toMatchObject({ ok: true });
      jobs.heal('ann');
      await jobs.settle(2, 10);
    }
  });
});

describe('a start of a node', () => {
  it('has a number that no start with a lost disk had', async () => {
    const boots = new Set<number>();
    for (let disk = 0; disk < 50; disk += 1) {
      const table = journalTable();
      for (let start = 0; start < 3; start += 1) boots.add(await createReplica(table).boot());
    }
    expect(boots.size).toBe(150);
  });
});

describe('a member that says what is not so', () => {
  it('has no turn of another, and is told of', async () => {
    const jobs = await make();
    await jobs.ask('ann', 'k', { t: 'set', value: 1 });
    const to = { set: 0, disk: '' };
    const ballot: Ballot = [900, 9, jobs.didOf('bob')];
    const state = { value: { v: 'forged', by: jobs.didOf('bob'), at: 1 }, count: 9, ops: [] };
    const next: Ballot = [901, 9, jobs.didOf('bob')];
    // Cyd is a replica, dan is none.
    expect(await jobs.say('cyd', 'ann', { ask: { t: 'prepare', to, ballot } })).toBeUndefined();
    const accept = { t: 'accept', to, ballot, next, state } as const;
    expect(await jobs.say('cyd', 'ann', { ask: accept })).toBeUndefined();
    const huge: Ballot = [2 ** 52, 9, jobs.didOf('cyd')];
    const late = {
      ...accept,
      ballot: [900, 9, jobs.didOf('cyd')],
      next: [7, 1, jobs.didOf('cyd')],
    } as const;
    expect(await jobs.say('cyd', 'ann', { ask: late })).toBeUndefined();
    const { reported } = jobs.mesh.hub;
    expect(
      reported.filter(({ peer, what }) => peer === 'cyd' && what === 'unpermitted'),
    ).toHaveLength(3);
    await jobs.driven((await jobs.board('ann')).grant({ to: jobs.didOf('dan'), ability: 'write' }));
    await jobs.settle();
    const own = { t: 'prepare', to, ballot: [900, 9, jobs.didOf('dan')] } as const;
    expect(await jobs.say('dan', 'ann', { ask: own })).toBeUndefined();
    const hidden = { t: 'do', id: 'a', request: { t: 'set', value: 1 }, patienceMs: 1000 } as const;
    expect(await jobs.say('dan', 'ann', { key: '\u0000replicas', ask: hidden })).toMatchObject({
      t: 'failed',
      code: 'STARLING_BOARD_REFUSED',
    });
    // A huge turn of its own holds up nobody for long.
    expect(await jobs.say('cyd', 'ann', { ask: { t: 'prepare', to, ballot: huge } })).toMatchObject(
      { t: 'promised' },
    );
    expect(await jobs.ask('bob', 'k', { t: 'get' })).toMatchObject({ value: 1 });
    expect(await jobs.ask('ann', 'k', { t: 'set', value: 2 })).toMatchObject({ ok: true });
  });

  it('does not take the board over by a change that it signed while it might', async () => {
    const jobs = await make();
    await jobs.ask('ann', 'k', { t: 'set', value: 'kept' });
    const board = await jobs.board('ann');
    await jobs.driven(board.grant({ to: jobs.didOf('dan'), ability: 'admin' }));
    await jobs.settle();
    const voters = [{ did: jobs.didOf('dan'), disk: 'any', since: 41 }];
    const at = jobs.mesh.clock.now();
    const change = { board: board.id, number: 41, voters, before: voters, at };
    const record = signReplicas(jobs.signerOf('dan'), change);
    await jobs.driven(board.revoke(jobs.didOf('dan')));
    await jobs.settle();
    const set = { number: 42, voters, count: 0, record };
    for (const name of REPLICAS) {
      const ask = { t: 'adopt', state: set } as const;
      expect(await jobs.driven(jobs.say('dan', name, { ask }))).toBeUndefined();
    }
    expect(await jobs.ask('bob', 'k', { t: 'get' })).toMatchObject({ value: 'kept' });
    expect(await jobs.ask('cyd', 'k', { t: 'set', value: 'newer' })).toMatchObject({ ok: true });
  });

  it('does not end a change that the others have only agreed on', async () => {
    const jobs = await make();
    for (let i = 0; i < 4; i += 1) await jobs.ask('ann', `k${i}`, { t: 'set', value: i });
    const board = await jobs.board('ann');
    await jobs.driven(board.grant({ to: jobs.didOf('dan'), ability: 'admin' }));
    await jobs.settle();
    const disks: string[] = [];
    for (const name of [...REPLICAS, 'dan']) {
      const reply = await jobs.say('eve', name, { ask: { t: 'disk' } });
      disks.push(reply?.t === 'disk' ? reply.disk : '');
    }
    const before = firstVoters(
      REPLICAS.map((name) => jobs.didOf(name)),
      disks,
    );
    const voters = [{ did: jobs.didOf('dan'), disk: disks[3] ?? '', since: 1 }];
    const change = { board: board.id, number: 1, before, voters, at: jobs.mesh.clock.now() };
    const record = signReplicas(jobs.signerOf('dan'), change);
    const bob = jobs.didOf('bob');
    const agreed = {
      t: 'accept',
      to: { set: 0, disk: '' },
      ballot: [5, 1, bob],
      next: [6, 1, bob],
      state: { value: { number: 1, record }, count: 1, ops: [] },
    } as const;
    for (const name of ['ann', 'cyd']) {
      const reply = await jobs.say('bob', name, { key: SET_KEY, ask: agreed });
      expect(reply).toMatchObject({ t: 'accepted' });
    }
    const state = { number: 2, voters, count: 0, record };
    for (const name of REPLICAS) {
      await jobs.driven(jobs.say('dan', name, { ask: { t: 'adopt', state } }));
    }
    await jobs.settle();
    expect(await jobs.ask('bob', 'k1', { t: 'get' })).toMatchObject({ value: 1, version: 1 });
  });

  it("does not have another's request taken for done by its id", async () => {
    const jobs = await make();
    await jobs.driven((await jobs.board('ann')).grant({ to: jobs.didOf('dan'), ability: 'write' }));
    await jobs.settle();
    await jobs.ask('dan', 'k', { t: 'set', value: 'mine' }, 'order-1');
    expect(await jobs.ask('bob', 'k', { t: 'set', value: 'yours' }, 'order-1')).toMatchObject({
      version: 2,
    });
    expect(await jobs.ask('eve', 'k', { t: 'get' }).catch(() => 'no right')).toBe('no right');
    expect(await jobs.ask('ann', 'k', { t: 'get' })).toMatchObject({ value: 'yours' });
    expect(await jobs.ask('ann', 'k', { t: 'set', value: 'yours' }, 'order-1')).toMatchObject({
      version: 2,
    });
  });
});
