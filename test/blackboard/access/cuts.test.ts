/** Replicas of a board that is not open, whatever rights are given and taken back while writes are under way. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import {
  capabilitiesFor,
  signCreation,
  signCut,
} from '../../../src/blackboard/access/access-records.ts';
import { BoardAccess } from '../../../src/blackboard/access/board-access.ts';
import { isNamed, limitIn } from '../../../src/blackboard/access/cuts.ts';
import { boardIdOf } from '../../../src/blackboard/board-id.ts';
import { decodeUpdate } from '../../../src/blackboard/lanes/update.ts';
import { issueGrant } from '../../../src/grants/index.ts';
import type { Grant } from '../../../src/grants/index.ts';
import type { Did, Json } from '../../../src/core/index.ts';
import type { Signer } from '../../../src/identity/index.ts';
import { keyOf } from '../keys.ts';
import { contentOf, makeDocument } from '../support.ts';
import type { LooseDocument } from '../support.ts';
import { upTo } from '../../long/extent.ts';

const NAMES = ['ann', 'bob', 'cyd', 'dan'];
const KEYS = NAMES.map(keyOf);
const [ANN, BOB] = [KEYS[0], KEYS[1]] as [Signer, Signer];
const ID = boardIdOf('plan', ANN.did);
const who = fc.nat(NAMES.length - 1);
const other = fc.integer({ min: 1, max: NAMES.length - 1 });
/** When what ends by itself does so. */
const SHORT_MS = 40;
const key = fc.constantFrom('a/1', 'a/2', 'b/1', 'b/2');

/** What can happen. Deliveries name any earlier update, so they reorder, repeat and lose. */
const event = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ kind: fc.constant('set' as const), who, key, isShort: fc.boolean() }),
  },
  {
    // The disk says no, and may have the write all the same.
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('refuse' as const), who, key, isKept: fc.boolean() }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('delete' as const), who, key }) },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('deliver' as const), who, which: fc.nat() }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('renew' as const), who }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('restart' as const), who }) },
  // Ann carries what of a writer's lanes counts: both administrators have heard of the same by then.
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('adopt' as const), who: other }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('sync' as const), who, other: who }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('grant' as const),
      who: other,
      prefix: fc.constantFrom('', 'a/', 'b'),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('revoke' as const),
      who: other,
      /** Bob is an administrator: two may revoke at one time, knowing different things. */
      byBob: fc.boolean(),
    }),
  },
);
type Happened = typeof event extends fc.Arbitrary<infer T> ? T : never;

interface Replica {
  readonly self: Did;
  access: BoardAccess;
  document: LooseDocument;
  rows: Uint8Array[];
}

class World {
  now = 1_000_000;
  written = 0;
  readonly replicas: Replica[];
  readonly updates: Uint8Array[] = [];
  /** What of each writer the revoker had seen, by its did. */
  readonly left = new Map<Did, Record<string, Json>[]>();
  readonly #admin: Grant;
  /** What came of pieces of syncs. */
  readonly results = new Set<string>();

  constructor() {
    this.replicas = KEYS.map(({ did }) => {
      const access = new BoardAccess(ID);
      const replica = { self: did, access, document: makeDocument(), rows: [] };
      return replica;
    });
    for (const replica of this.replicas) this.open(replica, []);
    this.learn(this.at(0), [signCreation(ANN, 'plan', this.now)]);
    const { cap, expiresAt, maxDepth } = capabilitiesFor('plan', 'admin', '');
    const init = { aud: BOB.did, sub: ANN.did, cap, expiresAt, maxDepth };
    this.#admin = issueGrant(ANN, init, this.now);
    for (const { did } of KEYS.slice(2)) this.grant(did, '');
    for (const replica of this.replicas) {
      this.learn(replica, [...this.at(0).access.records, this.#admin.jws]);
    }
  }

  at(index: number): Replica {
    const replica = this.replicas[index];
    if (replica === undefined) throw new Error('no such replica');
    return replica;
  }

  open(replica: Replica, rows: readonly Uint8Array[]): void {
    const { self, access } = replica;
    replica.rows = [...rows];
    replica.document = makeDocument(rows, { dead: 2 }, { self, now: () => this.now, access });
    replica.document.reviewRights();
    replica.document.onUpdate((update, origin) => {
      if (origin === 'cut') replica.rows = [...replica.document.whole()];
      else replica.rows.push(update);
      if (origin === 'local') this.updates.push(update);
    });
  }

  learn({ access, document }: Replica, records: readonly string[]): void {
    const fitting = access.fit(records).records;
    if (fitting.length === 0) return;
    access.keep(fitting);
    document.reviewRights();
  }

  grant(to: Did, prefix: string): void {
    const { cap, expiresAt } = capabilitiesFor('plan', 'write', prefix);
    const isBobs = prefix === 'b';
    const more = isBobs ? { parents: [this.#admin] } : {};
    const init = { aud: to, sub: ANN.did, cap, expiresAt, ...more };
    const grant = issueGrant(isBobs ? BOB : ANN, init, this.now);
    this.learn(this.at(isBobs ? 1 : 0), [grant.jws]);
  }

  revoke(from: Did, byBob: boolean): void {
    const by = byBob ? BOB : ANN;
    const ann = this.at(byBob ? 1 : 0);
    const grants = ann.access.revocable(by.did).filter(({ claims }) => claims.aud === from);
    if (grants.length === 0 || from === BOB.did) return;
    const seen = makeDocument([], {}, { now: () => this.now });
    for (const piece of ann.document.whole()) {
      if (decodeUpdate(piece)?.parts[0]?.did === from) seen.apply(piece);
    }
    this.left.set(from, [...(this.left.get(from) ?? []), contentOf(seen) as Record<string, Json>]);
    const cuts = new Map([[from, ann.document.seenOf(from)]]);
    this.learn(
      ann,
      grants.map((grant) => signCut(by, grant, { cuts }, this.now)),
    );
  }

  happen(happened: Happened): void {
    this.now += 1;
    const replica = this.at(happened.who);
    const { document, access, self } = replica;
    if (happened.kind === 'set' && access.mayWrite(self, happened.key)) {
      this.written += 1;
      const end = happened.isShort ? { until: this.now + SHORT_MS } : {};
      document.set({ key: happened.key, value: this.written, ...end });
    } else if (happened.kind === 'refuse' && access.mayWrite(self, happened.key)) {
      const draft = document.draft([{ key: happened.key, value: 'refused', valueBytes: 9 }]);
      document.giveUp({ isOnDisk: happened.isKept });
      if (draft !== undefined && happened.isKept) replica.rows.push(draft.bytes);
    } else if (happened.kind === 'delete' && access.mayWrite(self, happened.key)) {
      document.delete(happened.key);
    } else if (happened.kind === 'deliver') {
      const update = this.updates[happened.which % Math.max(1, this.updates.length)];
      if (update !== undefined) document.apply(update);
    } else if (happened.kind === 'renew') document.renew();
    else if (happened.kind === 'restart') {
      this.open(replica, this.now % 2 === 0 ? document.whole() : replica.rows);
    } else if (happened.kind === 'sync') this.sync(replica, this.at(happened.other));
    else if (happened.kind === 'adopt') this.adopt(self);
    else if (happened.kind === 'grant') this.grant(self, happened.prefix);
    else if (happened.kind === 'revoke') this.revoke(self, happened.byBob);
  }

  adopt(owner: Did): void {
    const [ann, bob] = [this.at(0), this.at(1)];
    this.sync(ann, bob);
    const draft = ann.document.draftAdoption(new Set([owner]));
    if (draft !== undefined) ann.document.commit(draft);
    this.sync(ann, bob);
  }

  /** As `sync.ts` does it: records first, and then what each lacks. */
  sync(a: Replica, b: Replica): void {
    if (a === b) return;
    const [ours, theirs] = [a.access.records, b.access.records];
    this.learn(a, theirs);
    this.learn(b, ours);
    if (!a.access.mayRead(a.self) || !a.access.mayRead(b.self)) return;
    if (a.document.digest() === b.document.digest()) return;
    this.send(b, a);
    if (a.document.digest() !== b.document.digest()) this.send(a, b);
  }

  send(from: Replica, to: Replica): void {
    const answers = from.access.mayWriteSome(from.self);
    for (const piece of from.document.diff(to.document.vector(), !answers) ?? []) {
      this.results.add(to.document.apply(piece));
    }
  }

  /** Until all that ends by itself has ended. */
  outlast(): void {
    this.now += 2 * SHORT_MS;
    for (const { document } of this.replicas) document.endOver();
    this.settle();
  }

  settle(): void {
    for (let round = 0; round < 4; round += 1) {
      for (const a of this.replicas) for (const b of this.replicas) this.sync(a, b);
    }
  }
}

it('replicas of a board are equal with equal digests after any interleaving of writes, ends, refusing disks, rights given and rights taken back, and nothing beyond a cut is seen', () => {
  fc.assert(
    fc.property(fc.array(event, { minLength: 20, maxLength: 80 }), (events) => {
      const world = new World();
      for (const happened of events) world.happen(happened);
      world.settle();
      world.outlast();
      const ann = world.at(0);
      const readers = world.replicas.filter(({ self }) => ann.access.mayRead(self));
      expect([...world.results].filter((result) => result !== 'applied')).toEqual([]);
      const contents = readers.map(({ document }) => contentOf(document));
      expect(contents).toEqual(readers.map(() => contents[0]));
      expect(new Set(readers.map(({ document }) => document.digest())).size).toBe(1);
      expect(new Set(readers.map(({ access }) => access.digest)).size).toBe(1);
      for (const entry of ann.document.entries('')) {
        if (ann.access.mayWrite(entry.by, entry.key)) continue;
        // Two who revoke may know different things; either of them has seen what counts.
        const left = world.left.get(entry.by) ?? [];
        expect(left.map((one) => one[entry.key])).toContain(entry.value);
      }
      for (const { document, access, self } of readers) {
        const parts = { self, now: () => world.now, access };
        const copy = makeDocument(document.whole(), {}, parts);
        expect([contentOf(copy), copy.digest()]).toEqual([contents[0], document.digest()]);
      }
    }),
    { seed: 6, numRuns: upTo(10, 100) },
  );
});

it('what a writer wrote that the revoker never saw is gone, and what it writes by a new right takes no place of that', () => {
  const world = new World();
  const [ann, cyd, dan] = [world.at(0), world.at(2), world.at(3)];
  cyd.document.set({ key: 'a/1', value: 'unseen' });
  for (const update of world.updates) dan.document.apply(update);
  world.revoke(cyd.self, false);
  expect(contentOf(dan.document)).toEqual({ 'a/1': 'unseen' });
  world.sync(ann, dan);
  world.learn(cyd, ann.access.records);
  expect([ann, cyd, dan].map(({ document }) => contentOf(document))).toEqual([{}, {}, {}]);
  world.grant(cyd.self, '');
  world.learn(cyd, ann.access.records);
  const before = world.updates.length;
  cyd.document.set({ key: 'a/2', value: 'anew' });
  const lanes = world.updates.map((update) => decodeUpdate(update)?.parts[0]?.client);
  expect(lanes[before]).not.toBe(lanes[0]);
  world.settle();
  const contents = world.replicas.map(({ document }) => contentOf(document));
  expect(contents).toEqual(contents.map(() => ({ 'a/2': 'anew' })));
});

it('a lane that was begun anew with a lane in sight that counts no more is taken everywhere', () => {
  const world = new World();
  const [ann, cyd, dan] = [world.at(0), world.at(2), world.at(3)];
  for (let n = 0; n < 9; n += 1) dan.document.set({ key: `a/${n % 2}`, value: n });
  world.sync(ann, dan);
  cyd.document.set({ key: 'b/1', value: 'unseen' });
  world.sync(cyd, dan);
  expect(dan.document.renew()).toBe(true);
  world.revoke(cyd.self, false);
  world.settle();
  const readers = world.replicas.filter(({ self }) => ann.access.mayRead(self));
  expect(readers.map(({ document }) => contentOf(document))).toEqual(
    readers.map(() => ({ 'a/0': 8, 'a/1': 7 })),
  );
  expect(new Set(readers.map(({ document }) => document.digest())).size).toBe(1);
});

it('what counts of a writer before its right was taken back is there after a start, where its lane was made from one before', () => {
  const world = new World();
  const [ann, dan] = [world.at(0), world.at(3)];
  let told = 0;
  const tell = (): void => {
    for (const update of world.updates.slice(told)) ann.document.apply(update);
    told = world.updates.length;
  };
  for (let n = 0; n < 9; n += 1) dan.document.set({ key: `a/${n % 2}`, value: n });
  tell();
  // It is killed: its next lane is of another client.
  world.open(dan, dan.rows);
  dan.document.set({ key: 'a/2', value: 'last' });
  dan.document.renew();
  tell();
  const content = { 'a/0': 8, 'a/1': 7, 'a/2': 'last' };
  expect(contentOf(ann.document)).toEqual(content);
  const lanes = ann.document.seenOf(dan.self);
  expect([
    lanes.length,
    new Set(world.updates.flatMap((one) => decodeUpdate(one)?.parts[0]?.client ?? [])).size,
  ]).toEqual([1, 2]);
  world.revoke(dan.self, false);
  expect(contentOf(ann.document)).toEqual(content);
  world.open(ann, ann.rows);
  expect(contentOf(ann.document)).toEqual(content);
});

it('what a writer wrote who has a right again is there after a start, where its lane was made from one that a cut names', () => {
  const world = new World();
  const [ann, dan] = [world.at(0), world.at(3)];
  for (let n = 0; n < 9; n += 1) dan.document.set({ key: `a/${n % 2}`, value: n });
  world.sync(ann, dan);
  dan.document.set({ key: 'b/1', value: 'unseen' });
  world.open(dan, dan.rows);
  dan.document.set({ key: 'a/2', value: 'last' });
  expect(dan.document.renew()).toBe(true);
  world.revoke(dan.self, false);
  world.grant(dan.self, '');
  world.learn(dan, ann.access.records);
  const content = { 'a/0': 8, 'a/1': 7, 'a/2': 'last', 'b/1': 'unseen' };
  expect(contentOf(dan.document)).toEqual(content);
  const digest = dan.document.digest();
  world.open(dan, dan.rows);
  expect([contentOf(dan.document), dan.document.digest()]).toEqual([content, digest]);
});

it('what a lane says beyond the place up to which another stands for it is taken where it comes in pieces, and is there after a start', () => {
  const world = new World();
  const [ann, bob, cyd] = [world.at(0), world.at(1), world.at(2)];
  for (let n = 0; n < 9; n += 1) cyd.document.set({ key: `a/${n % 2}`, value: n });
  cyd.document.set({ key: 'b/1', value: '.'.repeat(30_000) });
  const rows = [...cyd.rows];
  cyd.document.set({ key: 'b/2', value: 'beyond' });
  world.sync(bob, cyd);
  // Its disk is one of earlier: what it begins anew stands for what that had.
  world.open(cyd, rows);
  expect(cyd.document.renew()).toBe(true);
  world.sync(ann, cyd);
  world.sync(bob, cyd);
  world.settle();
  const shown = (document: LooseDocument): unknown => [contentOf(document), document.digest()];
  const [first, ...others] = world.replicas.map(({ document }) => shown(document));
  expect(contentOf(ann.document)).toMatchObject({ 'a/0': 8, 'a/1': 7, 'b/2': 'beyond' });
  expect(others).toEqual(others.map(() => first));
  expect(world.replicas.map(({ document }) => document.isWaiting)).not.toContain(true);
  for (const { document, access, self, rows: log } of world.replicas) {
    for (const read of [document.whole(), log]) {
      expect(shown(makeDocument(read, {}, { self, access }))).toEqual(first);
    }
  }
});

it('whoever brings what an update waits for is not blamed for that update, which comes after a cut', () => {
  const world = new World();
  const [ann, bob, cyd] = [world.at(0), world.at(1), world.at(2)];
  cyd.document.set({ key: 'a/1', value: 'seen' });
  world.sync(ann, cyd);
  cyd.document.set({ key: 'a/1', value: 'unseen' });
  // The later update alone: it waits at bob for the one before.
  expect(bob.document.apply(world.updates.at(-1) ?? new Uint8Array(0))).toBe('applied');
  expect(bob.document.isWaiting).toBe(true);
  world.revoke(cyd.self, false);
  world.sync(ann, bob);
  expect([...world.results]).toEqual(['applied']);
  expect([ann, bob].map(({ document }) => contentOf(document))).toEqual([
    { 'a/1': 'seen' },
    { 'a/1': 'seen' },
  ]);
});

it('what somebody has seen of a writer who may write is missing where it is not, also when the right of another was taken back', () => {
  const world = new World();
  const [ann, cyd, dan] = [world.at(0), world.at(2), world.at(3)];
  world.revoke(dan.self, false);
  world.settle();
  cyd.document.set({ key: 'a/1', value: 'of cyd' });
  const seen = cyd.document.seen();
  const unnamed = seen.map(({ client, gen, clock }) => ({ client, gen, clock }));
  expect([ann.document.covers(seen), ann.document.covers(unnamed)]).toEqual([false, false]);
  world.sync(ann, cyd);
  expect([ann.document.covers(seen), ann.document.covers(unnamed)]).toEqual([true, true]);
});

it('what was seen of a writer whose right was taken back meanwhile is not waited for', () => {
  const world = new World();
  const [ann, cyd] = [world.at(0), world.at(2)];
  cyd.document.set({ key: 'a/1', value: 'unseen' });
  const seen = cyd.document.seen();
  expect(ann.document.covers(seen)).toBe(false);
  world.revoke(cyd.self, false);
  expect(ann.document.covers(seen)).toBe(true);
});

/** A writer replaces a key twice; of what others lack then, the first piece alone says that the key was replaced, and not by what. */
function replacedTwice(world: World): readonly Uint8Array[] {
  const [ann, bob, cyd, dan] = [world.at(0), world.at(1), world.at(2), world.at(3)];
  const large = (name: string): string => `${name}${'.'.repeat(30_000)}`;
  cyd.document.set({ key: 'a/1', value: 'first' });
  for (const other of [ann, bob, dan]) world.sync(other, cyd);
  cyd.document.set({ key: 'a/1', value: large('second') });
  cyd.document.set({ key: 'a/1', value: large('third') });
  const pieces = [...(cyd.document.diff(dan.document.vector()) ?? [])];
  expect(pieces.length).toBe(2);
  return pieces;
}

it('nothing beyond a cut is seen where it was replaced by what has not come', () => {
  const world = new World();
  const [ann, cyd, dan] = [world.at(0), world.at(2), world.at(3)];
  const [piece = new Uint8Array(0)] = replacedTwice(world);
  // To ann nothing of cyd has come.
  world.open(ann, []);
  expect(dan.document.apply(piece)).toBe('applied');
  expect(contentOf(dan.document)).toEqual({ 'a/1': 'first' });
  world.revoke(cyd.self, false);
  world.learn(dan, ann.access.records);
  expect(contentOf(dan.document)).toEqual({});
  expect(dan.document.size).toBe(0);
});

it.each(['before', 'after'])(
  'replicas that have as much of a lane as a cut lets count are equal, where it came to one of them in pieces %s the cut',
  (when) => {
    const world = new World();
    const [ann, cyd, dan] = [world.at(0), world.at(2), world.at(3)];
    const [piece = new Uint8Array(0)] = replacedTwice(world);
    // To dan each write by itself, and the second is the last that counts.
    const [, second = new Uint8Array(0)] = world.updates;
    dan.document.apply(second);
    const isBefore = when === 'before';
    const takes = isBefore ? ann : world.at(1);
    if (isBefore) expect(takes.document.apply(piece)).toBe('applied');
    else ann.document.apply(second);
    world.revoke(cyd.self, false);
    world.learn(takes, ann.access.records);
    if (!isBefore) expect(takes.document.apply(piece)).toBe('applied');
    // Nothing follows that says by what the first one was replaced.
    expect(contentOf(takes.document)).toEqual({});
    world.settle();
    const readers = world.replicas.filter(({ self }) => ann.access.mayRead(self));
    const shown = readers.map(({ document }) => String(contentOf(document)['a/1']).slice(0, 6));
    expect(shown).toEqual(['second', 'second', 'second']);
    expect(new Set(readers.map(({ document }) => document.digest())).size).toBe(1);
    const { access, document, self } = takes;
    const copy = makeDocument(takes.rows, {}, { self, access });
    expect([contentOf(copy), copy.digest()]).toEqual([contentOf(document), document.digest()]);
  },
);

const DAY_MS = 24 * 3_600_000;

/** Writes to a lane until it is worn: what was replaced stands between what was not, so that Yjs does not take it together. */
function wear({ document }: Replica, rounds = 20): number {
  let renewals = 0;
  for (let n = 0; n < rounds; n += 1) {
    document.set({ key: `b/${document.size}`, value: n });
    document.set({ key: 'b/1', value: n });
    if (document.renew()) renewals += 1;
  }
  return renewals;
}

/** Ann's entry is replaced or deleted by cyd, and that by what dan writes, of which ann hears nothing. */
function beatenByDan(world: World, what: string): void {
  const [ann, cyd, dan] = [world.at(0), world.at(2), world.at(3)];
  ann.document.set({ key: 'a/1', value: 'month-old' });
  world.settle();
  if (what === 'write') cyd.document.set({ key: 'a/1', value: 'acknowledged' });
  else cyd.document.delete('a/1');
  world.sync(cyd, dan);
  dan.document.set({ key: 'a/1', value: 'beats it' });
  world.sync(cyd, dan);
}

it.each(['write', 'deletion'])(
  'a %s that was acknowledged is there where its lane was begun anew and what another wrote over it is cut off later',
  (what) => {
    const world = new World();
    const [ann, cyd, dan] = [world.at(0), world.at(2), world.at(3)];
    beatenByDan(world, what);
    expect(wear(cyd)).toBeGreaterThan(0);
    world.sync(cyd, dan);
    world.revoke(dan.self, false);
    world.settle();
    const readers = world.replicas.filter(({ self }) => ann.access.mayRead(self));
    const left = what === 'write' ? 'acknowledged' : undefined;
    expect(readers.map(({ document }) => document.get('a/1')?.value)).toEqual(
      readers.map(() => left),
    );
    expect(new Set(readers.map(({ document }) => document.digest())).size).toBe(1);
  },
);

it.each(['write', 'deletion'])(
  'a %s that was acknowledged is there where its lane was adopted and what another wrote over it is cut off later',
  (what) => {
    const world = new World();
    const [ann, cyd, dan] = [world.at(0), world.at(2), world.at(3)];
    beatenByDan(world, what);
    world.sync(ann, dan);
    world.adopt(cyd.self);
    expect(world.at(1).document.seenOf(cyd.self)).not.toEqual([]);
    // It revokes before it has heard of dan again, from a disk that lost all.
    world.open(ann, []);
    world.revoke(dan.self, false);
    world.sync(ann, world.at(1));
    const left = what === 'write' ? { 'a/1': 'acknowledged' } : {};
    for (const { document } of [ann, world.at(1)]) expect(contentOf(document)).toEqual(left);
  },
);

it('a lane of which others have beaten most is not begun anew again and again', () => {
  const world = new World();
  const [cyd, dan] = [world.at(2), world.at(3)];
  const keys = Array.from({ length: 9 }, (_, n) => `a/${n}`);
  for (const key of keys) cyd.document.set({ key, value: 'beaten' });
  world.sync(cyd, dan);
  for (const key of keys) dan.document.set({ key, value: 'beats it' });
  world.sync(cyd, dan);
  // As often as there are more replaced ones than a share of all that is kept, and not at each write.
  expect([0, 1, 2]).toContain(wear(cyd));
});

it('what others deleted as long ago as deletions are forgotten is kept in no lane, and neither is the deletion', () => {
  const world = new World();
  const [cyd, dan] = [world.at(2), world.at(3)];
  cyd.document.set({ key: 'a/1', value: 'beaten' });
  world.sync(cyd, dan);
  dan.document.delete('a/1');
  world.sync(cyd, dan);
  for (const one of [cyd, dan]) expect(wear(one)).toBeGreaterThan(0);
  world.sync(cyd, dan);
  expect(cyd.document.tombstone('a/1')).toBeDefined();
  world.now += 31 * DAY_MS;
  expect(wear(cyd, 99)).toBeGreaterThan(0);
  world.sync(cyd, dan);
  expect(wear(dan, 199)).toBeGreaterThan(0);
  world.settle();
  expect(world.replicas.map(({ document }) => document.tombstone('a/1'))).toEqual(
    world.replicas.map(() => undefined),
  );
});

it('a cut that names a lane and the next one of the same writer lets each count up to its own place', () => {
  const bob = BOB.did;
  const both = new Map([
    [
      bob,
      [
        { client: 7, gen: 1, clock: 8 },
        { client: 7, gen: 2, clock: 2 },
      ],
    ],
  ]);
  const limits = (...cuts: readonly (typeof both)[]): readonly number[] =>
    [0, 1, 2, 3].map((gen) => limitIn(cuts, { did: bob, client: 7, gen }));
  expect(limits(both)).toEqual([Infinity, 8, 2, 0]);
  const earlier = new Map([[bob, [{ client: 7, gen: 1, clock: 5 }]]]);
  expect(limits(both, earlier)).toEqual([Infinity, 5, 0, 0]);
  expect(limitIn([both], { did: bob, client: 8, gen: 2 })).toBe(Infinity);
  expect([isNamed([both], bob, 7), isNamed([both], bob, 8), isNamed([both], ANN.did, 7)]).toEqual([
    true,
    false,
    false,
  ]);
});
