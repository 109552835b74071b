/** Replicas of one board, whatever happens to the updates between them, to their clocks and to their disks. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodeUpdate } from '../../src/blackboard/lanes/update.ts';
import type { Did } from '../../src/core/index.ts';
import { contentOf, makeDocument } from './support.ts';
import type { LooseDocument } from './support.ts';
import { upTo } from '../long/extent.ts';

/** Of three to five; numbers of replicas are taken modulo how many there are. */
const replicas = fc.integer({ min: 3, max: 5 });
const who = fc.nat(4);
const key = fc.constantFrom('a', 'b', 'c', 'd');

/** What can happen. Deliveries name any earlier update, so they reorder, repeat and lose. */
const event = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('set' as const),
      who,
      key,
      value: fc.nat(1000),
      ttl: fc.option(fc.integer({ min: 1, max: 40 })),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('delete' as const), who, key }) },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('deliver' as const), who, which: fc.nat() }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('restart' as const), who }) },
  /** The disk refuses a write; if it keeps it all the same the next one must not take its numbers. */
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('refused' as const),
      who,
      key,
      isKept: fc.boolean(),
    }),
  },
  /** A writer begins its lanes anew. */
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('renew' as const), who }) },
  /** The disk is an old copy: what was written since is known to others only. */
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('older' as const), who }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('pass' as const), ms: fc.nat(30) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('sync' as const), who, other: who }) },
);

/** One replica and what its disk holds. */
interface Replica {
  readonly self: Did;
  document: LooseDocument;
  /** Its log, as it is read at a start. */
  rows: Uint8Array[];
  /** An earlier copy of it. */
  copy: readonly Uint8Array[];
}

/** Both halves of a sync, as `sync.ts` does it. */
function sync(a: LooseDocument, b: LooseDocument): void {
  if (a.digest() === b.digest()) return;
  a.take(b.diff(a.vector()));
  if (a.digest() !== b.digest()) b.take(a.diff(b.vector()));
}

class World {
  now = 1_000_000;
  readonly replicas: Replica[] = [];
  /** Every update that was published. */
  readonly updates: Uint8Array[] = [];
  /** What became of them. */
  readonly results = new Set<string>(['applied']);
  constructor(count: number) {
    for (let i = 0; i < count; i++) {
      const self = `did:key:r${i}` as Did;
      const replica: Replica = { self, document: makeDocument(), rows: [], copy: [] };
      this.replicas.push(replica);
      this.open(replica, []);
    }
  }

  at(index: number): Replica {
    const replica = this.replicas[index % this.replicas.length];
    if (replica === undefined) throw new Error('no such replica');
    return replica;
  }

  open(replica: Replica, rows: readonly Uint8Array[]): void {
    const now = (): number => this.now;
    replica.rows = [...rows];
    replica.document = makeDocument(rows, { dead: 2 }, { self: replica.self, now });
    replica.document.onUpdate((update, origin) => {
      replica.rows.push(update);
      if (origin === 'local') this.updates.push(update);
    });
  }

  happen(happened: typeof event extends fc.Arbitrary<infer T> ? T : never): void {
    if (happened.kind === 'pass') {
      this.now += happened.ms;
      for (const { document } of this.replicas) document.endOver();
      return;
    }
    const replica = this.at(happened.who);
    const { document } = replica;
    if (happened.kind === 'set') {
      const until = happened.ttl === null ? 0 : this.now + happened.ttl;
      document.set({ key: happened.key, value: happened.value, until });
    } else if (happened.kind === 'delete') document.delete(happened.key);
    else if (happened.kind === 'refused') {
      document.draft([{ key: happened.key, value: 0 }]);
      document.giveUp({ isOnDisk: happened.isKept });
    } else if (happened.kind === 'renew') document.renew();
    else if (happened.kind === 'restart') {
      replica.copy = [...replica.rows];
      this.open(replica, happened.who % 2 === 0 ? document.whole() : replica.rows);
    } else if (happened.kind === 'older') this.open(replica, replica.copy);
    else if (happened.kind === 'sync') sync(document, this.at(happened.other).document);
    else {
      const update = this.updates[happened.which % Math.max(1, this.updates.length)];
      if (update !== undefined) this.results.add(document.apply(update));
    }
  }

  /** Everybody syncs with everybody. */
  settle(): void {
    for (let round = 0; round < 3; round++) {
      for (const a of this.replicas) for (const b of this.replicas) sync(a.document, b.document);
    }
  }
}

describe('replicas of a board', () => {
  it('are equal with equal digests after any interleaving, deletions, ends, restarts and lost disks included', () => {
    const sizes = new Set<number>();
    fc.assert(
      fc.property(replicas, fc.array(event, { maxLength: 80 }), (count, events) => {
        const world = new World(count);
        sizes.add(count);
        for (const happened of events) world.happen(happened);
        world.settle();
        expect([...world.results]).toEqual(['applied']);
        const documents = world.replicas.map(({ document }) => document);
        const contents = documents.map(contentOf);
        expect(contents).toEqual(documents.map(() => contents[0]));
        expect(new Set(documents.map((document) => document.digest())).size).toBe(1);
        for (const document of documents) {
          document.endOver();
          expect(document.size).toBe(Object.keys(contents[0] ?? {}).length);
          // What is kept on disk is the same board.
          const copy = makeDocument(document.whole(), {}, { now: () => world.now });
          expect([contentOf(copy), copy.digest()]).toEqual([contents[0], document.digest()]);
        }
      }),
      { seed: 4, numRuns: upTo(60, 2000) },
    );
    expect([...sizes].toSorted()).toEqual([3, 4, 5]);
  });

  it('hold of each key the last acknowledged write, and nothing that was deleted comes back', () => {
    const sizes = new Set<number>();
    const isSafe = (kind: string): boolean => kind !== 'older';
    fc.assert(
      fc.property(replicas, fc.array(event, { maxLength: 80 }), (count, events) => {
        const world = new World(count);
        sizes.add(count);
        /** One writer at a time after a sync of all: what is written last must win. */
        const wanted = new Map<string, { readonly value: number; readonly until: number }>();
        for (const happened of events.filter(({ kind }) => isSafe(kind))) {
          const isWrite = happened.kind === 'set' || happened.kind === 'delete';
          if (isWrite) world.settle();
          world.happen(happened);
          if (happened.kind === 'delete') wanted.delete(happened.key);
          else if (happened.kind === 'set') {
            const until =
              happened.ttl === null ? Number.POSITIVE_INFINITY : world.now + happened.ttl;
            wanted.set(happened.key, { value: happened.value, until });
          }
        }
        world.settle();
        const live = [...wanted].filter(([, { until }]) => until > world.now);
        const content = Object.fromEntries(live.map(([name, { value }]) => [name, value]));
        for (const { document } of world.replicas) expect(contentOf(document)).toEqual(content);
      }),
      { seed: 5, numRuns: upTo(40, 600) },
    );
    expect([...sizes].toSorted()).toEqual([3, 4, 5]);
  });

  it('find out that one writer told them different things under one clock, and agree', () => {
    const now = (): number => 1_000_000;
    const eve = { self: 'did:key:Eve' as Did, now };
    const told = makeDocument([], {}, eve);
    told.set({ key: 'k', value: 'to ann' });
    const other = makeDocument(
      told.whole().map((piece) => rewritten(piece)),
      {},
      eve,
    );
    const [ann, bob] = [makeDocument(), makeDocument()];
    ann.take(told.whole());
    bob.take(other.whole());
    expect(ann.vector()).toEqual(bob.vector());
    expect(ann.digest()).not.toBe(bob.digest());
    sync(ann, bob);
    expect(ann.digest()).toBe(bob.digest());
    expect(contentOf(ann)).toEqual(contentOf(bob));
  });

  it('hold what a writer wrote, not what somebody made of that on the way, once the writer has heard of it', () => {
    let now = 1_000_000;
    const ann = makeDocument([], {}, { self: 'did:key:ann' as Did, now: () => now });
    ann.set({ key: 'k', value: 'to ann' });
    ann.set({ key: 'l', value: 1 });
    const words = Array.from({ length: 30 }, (_, i) => `to ${100 + i}`);
    /** Of copies that somebody changed: where the hash of one is lower, the copy gives way by itself. */
    const changed = (): LooseDocument[] =>
      words.map((word) => {
        const pieces = ann.whole().map((piece) => rewritten(piece, word));
        return makeDocument(pieces, {}, { self: 'did:key:bob' as Did, now: () => now });
      });
    const contest = (): LooseDocument | undefined =>
      changed().find((copy) => {
        expect(copy.vector()).toEqual(ann.vector());
        ann.take(copy.diff(ann.vector()));
        expect(ann.get('k')?.value).toBe('to ann');
        return ann.renew();
      });
    const bob = contest();
    if (bob === undefined) throw new Error('no copy was contested');
    sync(ann, bob);
    expect([bob.get('k')?.value, bob.seen().length]).toEqual(['to ann', 1]);
    expect(bob.digest()).toBe(ann.digest());
    // Not as often as somebody says so.
    expect(contest()).toBeUndefined();
    now += 600_000;
    expect(contest()).toBeDefined();
  });

  it('take no lane that is made of others in another way than its owner says', () => {
    const ann = makeDocument([], { dead: 1 }, { self: 'did:key:ann' as Did });
    for (let i = 0; i < 9; i++) ann.set({ key: i % 2 === 0 ? 'k' : 'l', value: i });
    const bob = makeDocument(ann.whole());
    const digest = bob.digest();
    const draft = ann.draftRenewal();
    const making = draft?.part.making;
    if (draft === undefined || making === undefined) throw new Error('nothing is begun anew');
    const wrong = { ...making, head: { ...making.head, base: making.head.base + 1 } };
    const update = (of: typeof making): Uint8Array =>
      encodeUpdate({ isWhole: false, parts: [{ ...draft.part, making: of }] });
    expect(bob.apply(update(wrong))).toBe('malformed');
    expect(bob.digest()).toBe(digest);
    expect(bob.apply(update(making))).toBe('applied');
    expect([contentOf(bob), bob.structs]).toEqual([{ k: 8, l: 7 }, 3]);
    ann.commit(draft);
    expect(bob.digest()).toBe(ann.digest());
  });

  it('let the later write win, then the writer with the higher did, whoever hears of it first', () => {
    let now = 5000;
    const [ann, bob] = ['did:key:a', 'did:key:b'].map((self) =>
      makeDocument([], {}, { self: self as Did, now: () => now }),
    ) as [LooseDocument, LooseDocument];
    ann.set({ key: 'k', value: 'ann' });
    bob.set({ key: 'k', value: 'bob' });
    sync(ann, bob);
    expect([ann.get('k')?.value, bob.get('k')?.value]).toEqual(['bob', 'bob']);
    // A clock that is behind writes later all the same: it has seen what it replaces.
    now = 10;
    ann.set({ key: 'k', value: 'ann again' });
    sync(ann, bob);
    expect(bob.get('k')).toMatchObject({
      value: 'ann again',
      by: 'did:key:a',
      clock: { 'did:key:a': 2, 'did:key:b': 1 },
    });
  });

  it('tell what changed, and only that', () => {
    const a = makeDocument();
    const b = makeDocument();
    const heard: unknown[] = [];
    b.onUpdate((_update, origin, changes) => {
      heard.push([origin, changes.map(({ key: changed, entry }) => [changed, entry?.value])]);
    });
    const all: Uint8Array[] = [];
    a.onUpdate((update) => all.push(update));
    a.set({ key: 'k', value: 1 });
    a.set({ key: 'k', value: 2 });
    a.delete('k');
    for (const update of [...all, ...all]) b.apply(update);
    b.set({ key: 'own', value: 3 });
    expect(heard).toEqual([
      ['remote', [['k', 1]]],
      ['remote', [['k', 2]]],
      ['remote', [['k', undefined]]],
      ['local', [['own', 3]]],
    ]);
  });

  it('are about as small as a fresh copy after thousands of overwrites by four writers', () => {
    const writers = Array.from({ length: 4 }, (_, i) => {
      return makeDocument([], {}, { self: `did:key:w${i}` as Did });
    });
    const reader = makeDocument();
    for (const writer of writers) {
      writer.onUpdate((update, origin) => {
        if (origin !== 'local') return;
        for (const other of [reader, ...writers]) if (other !== writer) other.apply(update);
      });
    }
    for (let n = 0; n < upTo(1500, 10_000); n += 50) {
      for (const [i, writer] of writers.entries()) {
        const changes = Array.from({ length: 50 }, (_, at) => ({
          key: `k${(n * 7 + at * 3 + i * 17) % 1000}`,
          value: n,
          valueBytes: 5,
        }));
        const draft = writer.draft(changes);
        if (draft !== undefined) writer.commit(draft);
        writer.renew();
      }
    }
    expect(reader.size).toBe(1000);
    expect(reader.structs).toBeLessThan(2.2 * 1000);
    expect(makeDocument(reader.whole()).digest()).toBe(reader.digest());
  });
});

/** The same piece with other words in it. */
function rewritten(piece: Uint8Array, words = 'to bob'): Uint8Array {
  const text = Buffer.from(piece).toString('latin1');
  return Buffer.from(text.replace('to ann', words), 'latin1');
}
