/** Lanes of writers who are away: an administrator carries what counts of them, and nothing is lost or doubled by that. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ABSENT_MS, Adopting } from '../../../src/blackboard/adopting.ts';
import { createEntrySignatures } from '../../../src/blackboard/access/entry-signatures.ts';
import type { LaneAccess } from '../../../src/blackboard/access/board-access.ts';
import type { OpenBoard } from '../../../src/blackboard/board/board.ts';
import { silentLogger } from '../../../src/core/index.ts';
import type { Did, PeerId } from '../../../src/core/index.ts';
import { verifySignature } from '../../../src/identity/index.ts';
import { createTestClock } from '../../core/test-clock.ts';
import { upTo } from '../../long/extent.ts';
import { calm, createHub } from '../hub.ts';
import { journalTable } from '../journal-table.ts';
import { keyOf, keysOf } from '../keys.ts';
import { contentOf, makeDocument, makeMember, openBoard } from '../support.ts';
import type { LooseDocument, Member } from '../support.ts';

const ADMIN = 'did:key:admin' as Did;
const OWNER = 'did:key:owner' as Did;
const OTHER = 'did:key:other' as Did;
const DAY_MS = 24 * 3_600_000;

/** All may write, the administrator may adopt. */
const access: LaneAccess = {
  hasCuts: false,
  limitOf: () => Number.POSITIVE_INFINITY,
  mayBegin: () => true,
  mayWriteIn: () => true,
  mayWriteSome: () => true,
  mayAdopt: ({ did }) => did === ADMIN,
};

function replica(self: Did, now: () => number = () => 1_000_000): LooseDocument {
  return makeDocument([], { dead: 8 }, { self, now, access });
}

function adopt(document: LooseDocument, ...owners: Did[]): boolean {
  const draft = document.draftAdoption(new Set(owners));
  if (draft !== undefined) document.commit(draft);
  return draft !== undefined;
}

function sync(a: LooseDocument, b: LooseDocument): void {
  if (a.digest() === b.digest()) return;
  a.take(b.diff(a.vector()));
  if (a.digest() !== b.digest()) b.take(a.diff(b.vector()));
}

describe('a lane that was adopted', () => {
  it('shows who wrote and who carries, takes no more room, and makes no difference for who still has it', () => {
    const [admin, owner, other] = [replica(ADMIN), replica(OWNER), replica(OTHER)];
    for (let n = 0; n < 50; n += 1) owner.set({ key: `k${n % 5}`, value: n });
    owner.delete('k4');
    other.set({ key: 'o', value: 1 });
    for (const one of [other, owner, other]) sync(admin, one);
    const before = contentOf(other);
    expect(adopt(admin, OWNER)).toBe(true);
    expect(contentOf(admin)).toEqual(before);
    expect(admin.structs).toBeLessThan(12);
    expect(admin.get('k1')).toMatchObject({
      value: 46,
      by: OWNER,
      via: ADMIN,
      clock: { [OWNER]: 47 },
    });
    expect([admin.tombstone('k4')?.by, admin.tombstone('k4')?.via]).toEqual([OWNER, ADMIN]);
    // Whoever has both sees the entry of its writer, and is equal to who has let go of it.
    sync(other, admin);
    expect([other.digest() === admin.digest(), contentOf(other)]).toEqual([true, before]);
    const newcomer = replica('did:key:new' as Did);
    sync(newcomer, admin);
    expect([newcomer.digest() === admin.digest(), newcomer.get('k1')?.via]).toEqual([true, ADMIN]);
    // What is on disk is the same.
    const again = makeDocument(admin.whole(), {}, { self: ADMIN, access });
    expect([again.digest(), again.get('k1')?.via]).toEqual([admin.digest(), ADMIN]);
  });

  it('is taken back by its owner, who wrote meanwhile, also from who has let go of it', () => {
    let now = 1_000_000;
    const clock = (): number => now;
    const [admin, owner, other] = [
      replica(ADMIN, clock),
      replica(OWNER, clock),
      replica(OTHER, clock),
    ];
    for (let n = 0; n < 20; n += 1) owner.set({ key: `k${n % 3}`, value: n });
    sync(admin, owner);
    now += 1000;
    owner.set({ key: 'k0', value: 'written away' });
    // Somebody has that, and nobody else.
    sync(other, owner);
    adopt(admin, OWNER);
    sync(admin, other);
    sync(admin, other);
    expect([admin.get('k0')?.value, admin.digest() === other.digest()]).toEqual([
      'written away',
      true,
    ]);
    sync(owner, admin);
    expect(owner.renew()).toBe(true);
    for (const one of [admin, other, admin, owner]) sync(owner, one);
    for (const one of [admin, other]) {
      expect(one.digest()).toBe(owner.digest());
      expect(one.get('k1')).toMatchObject({ value: 19, by: OWNER });
      expect(one.get('k1')?.via).toBeUndefined();
    }
    // What is carried twice goes when the carrier begins its lane anew.
    for (let n = 0; n < 20; n += 1) admin.set({ key: 'mine', value: n });
    admin.renew();
    expect(admin.structs).toBeLessThan(12);
    sync(owner, admin);
    expect(owner.digest()).toBe(admin.digest());
  });

  it('is not let go of on the word of one who may not administer', () => {
    const [owner, other] = [replica(OWNER), replica(OTHER)];
    owner.set({ key: 'k', value: 1 });
    sync(other, owner);
    adopt(other, OWNER);
    const reader = replica('did:key:reader' as Did);
    sync(reader, owner);
    sync(reader, other);
    expect(reader.get('k')?.via).toBeUndefined();
    expect(reader.seenOf(OWNER)).toHaveLength(1);
  });
});

it('replicas end equal and as last written, whatever is written, adopted and begun anew in whatever order', () => {
  const dids = [ADMIN, OWNER, OTHER, 'did:key:third' as Did];
  const who = fc.nat(dids.length - 1);
  const key = fc.constantFrom('a', 'b', 'c', 'd', 'e');
  const event = fc.oneof(
    {
      weight: 5,
      arbitrary: fc.record({ kind: fc.constant('set' as const), who, key, value: fc.nat(99) }),
    },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('delete' as const), who, key }) },
    {
      weight: 2,
      arbitrary: fc.record({ kind: fc.constant('adopt' as const), whose: fc.subarray([1, 2, 3]) }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('renew' as const), who }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('restart' as const), who }) },
    { weight: 4, arbitrary: fc.record({ kind: fc.constant('sync' as const), who, other: who }) },
  );
  fc.assert(
    fc.property(fc.array(event, { minLength: 20, maxLength: 60 }), (events) => {
      let now = 1_000_000;
      const open = (self: Did, rows: readonly Uint8Array[] = []): LooseDocument =>
        makeDocument(rows, { dead: 4 }, { self, now: () => now, access });
      const all = dids.map((did) => open(did));
      const at = (index: number): LooseDocument => all[index] ?? open(ADMIN);
      const last = new Map<string, number | undefined>();
      for (const one of events) {
        now += 10;
        if (one.kind === 'set') {
          at(one.who).set({ key: one.key, value: one.value });
          last.set(one.key, one.value);
        } else if (one.kind === 'delete') {
          if (at(one.who).delete(one.key)) last.set(one.key, undefined);
        } else if (one.kind === 'adopt')
          adopt(at(0), ...one.whose.map((index) => dids[index] ?? ADMIN));
        else if (one.kind === 'renew') at(one.who).renew();
        else if (one.kind === 'restart')
          all[one.who] = open(dids[one.who] ?? ADMIN, at(one.who).whole());
        else if (one.who !== one.other) sync(at(one.who), at(one.other));
      }
      for (let round = 0; round < 6; round += 1) {
        for (const a of all) for (const b of all) if (a !== b) sync(a, b);
        for (const one of all) one.renew();
      }
      for (const a of all) for (const b of all) if (a !== b) sync(a, b);
      const wanted = Object.fromEntries([...last].filter(([, value]) => value !== undefined));
      for (const one of all) {
        expect(contentOf(one)).toEqual(wanted);
        expect(one.digest()).toBe(at(0).digest());
      }
    }),
    { seed: 13, numRuns: upTo(30, 2000) },
  );
});

describe('on a signed board', () => {
  const keys = new Map([
    [ADMIN, keyOf('ann')],
    [OWNER, keyOf('bob')],
    [OTHER, keyOf('cyd')],
  ]);
  const signedReplica = (who: Did): LooseDocument => {
    const key = keys.get(who);
    if (key === undefined) throw new Error('no key');
    const signatures = createEntrySignatures({
      board: 'b@x',
      isSigned: () => true,
      sign: (message) => key.signOften(message),
      verify: verifySignature,
    });
    const mayAdopt = ({ did }: { readonly did: Did }): boolean => did === keys.get(ADMIN)?.did;
    return makeDocument([], {}, { self: key.did, access: { ...access, mayAdopt }, signatures });
  };

  it('what is carried proves itself by its author, and nobody else can say who wrote', () => {
    const [admin, owner, other] = [
      signedReplica(ADMIN),
      signedReplica(OWNER),
      signedReplica(OTHER),
    ];
    owner.set({ key: 'k', value: 1 });
    sync(admin, owner);
    const ownerDid = keys.get(OWNER)?.did ?? OWNER;
    expect(adopt(admin, ownerDid)).toBe(true);
    sync(other, admin);
    expect(other.get('k')).toMatchObject({ by: ownerDid, via: keys.get(ADMIN)?.did });
    // In its own lane, and signed by itself: not by whom it names.
    const draft = other.draft([{ key: 'k', value: 2, by: ownerDid, stamp: [1_000_001, 0] }]);
    expect(draft).toBeDefined();
    expect(admin.apply(draft?.bytes ?? new Uint8Array())).toBe('unpermitted');
    expect(admin.get('k')?.value).toBe(1);
  });
});

it('an administrator adopts the lanes of who is away for a month, puts that on record, and nobody else does', async () => {
  const clock = createTestClock();
  const table = journalTable();
  const board = await openBoard(table, { clock, self: ADMIN, limits: { dead: 8 } });
  const owner = makeDocument([], {}, { self: OWNER, now: () => clock.now() });
  for (let n = 0; n < 50; n += 1) owner.set({ key: `k${n % 3}`, value: n });
  for (const piece of owner.whole()) await board.take(piece);
  await board.flushed();
  const told: string[] = [];
  let here: readonly string[] = [];
  const rights = { mayAdminister: () => true, mayAdopt: () => true };
  const closed = { ...board, access: { ...access, ...rights } } as unknown as OpenBoard;
  const asked: Did[][] = [];
  Object.assign(closed, {
    document: board.document,
    adopt: async (owners: ReadonlySet<Did>) => asked.push([...owners]) > 0,
  });
  const adopting = new Adopting({
    self: ADMIN,
    clock,
    logger: silentLogger,
    boards: new Map([['plan@x', closed]]),
    dead: 8,
    members: () => here.map((peerId) => ({ peerId: peerId as PeerId })),
    didOf: (peer) => `did:key:${peer}` as Did,
    adopted: (name, did) => told.push(`${name} ${did}`),
  });
  adopting.look();
  clock.advance(ABSENT_MS - DAY_MS);
  adopting.look();
  here = ['owner'];
  clock.advance(2 * DAY_MS);
  adopting.look();
  await calm(3);
  expect(asked).toEqual([]);
  here = [];
  clock.advance(DAY_MS);
  adopting.look();
  adopting.look();
  await calm(3);
  expect([asked, told]).toEqual([[[OWNER]], [`${closed.name} ${OWNER}`]]);
  board.close();
});

it('over whole nodes: what a member left who is away is carried by the node of the creator', async () => {
  const hub = createHub();
  const clock = createTestClock();
  const keys = keysOf('A', 'B', 'C');
  const told: string[] = [];
  const init = { limits: { dead: 8 } };
  const names = ['A', 'B', 'C'] as const;
  const all = names.map((name) =>
    makeMember(hub, name, {
      clock,
      keys,
      init,
      members: () => [],
      adopted: (...one) => told.push(one.join(' ')),
    }),
  );
  const [a, b, c] = all as [Member, Member, Member];
  await Promise.all(all.map(({ blackboard }) => blackboard.start()));
  hub.connect(a.id, b.id);
  const board = await a.blackboard.board('plan');
  await board.create({ open: false });
  for (const name of ['B', 'C'] as const) {
    await board.grant({ to: keys.get(name)?.did ?? OWNER, ability: 'write' });
  }
  for (let second = 0; second < 20 && !b.blackboard.names().includes('plan'); second += 1) {
    clock.advance(1000);
    await calm();
  }
  const theirs = await b.blackboard.board('plan');
  for (let n = 0; n < 20; n += 1) await theirs.set(`k${n}`, n);
  await calm(200);
  expect(board.get('k1')).toMatchObject({ value: 1, by: keys.get('B')?.did });
  // Most of what it left is dead then.
  for (let n = 5; n < 20; n += 1) await board.set(`k${n}`, 'anew');
  await b.blackboard.stop();
  hub.cut(a.id, b.id);
  clock.sleep(ABSENT_MS + DAY_MS);
  a.blackboard.compare(c.id, {});
  await calm(200);
  hub.connect(a.id, c.id);
  for (let second = 0; second < 20 && !c.blackboard.names().includes('plan'); second += 1) {
    clock.advance(1000);
    await calm();
  }
  const adopted = { value: 1, by: keys.get('B')?.did, via: keys.get('A')?.did };
  expect(told).toEqual([`${board.id} ${keys.get('B')?.did}`]);
  expect(board.get('k1')).toMatchObject(adopted);
  expect((await c.blackboard.board('plan')).get('k1')).toMatchObject(adopted);
  await Promise.all([a, c].map(({ blackboard }) => blackboard.stop()));
});
