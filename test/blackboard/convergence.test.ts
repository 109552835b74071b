/** Replicas of one board, whatever happens to the updates between them. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ANN, contentOf, makeDocument } from './support.ts';
import type { LooseDocument } from './support.ts';

const REPLICAS = 4;

/** What can happen. Deliveries name any earlier update, so they reorder, repeat and lose. */
const event = fc.oneof(
  fc.record({
    kind: fc.constant('set' as const),
    who: fc.nat(REPLICAS - 1),
    key: fc.constantFrom('a', 'b', 'c', 'd'),
    value: fc.nat(1000),
  }),
  fc.record({
    kind: fc.constant('delete' as const),
    who: fc.nat(REPLICAS - 1),
    key: fc.constantFrom('a', 'b', 'c', 'd'),
  }),
  fc.record({ kind: fc.constant('deliver' as const), who: fc.nat(REPLICAS - 1), which: fc.nat() }),
  fc.record({ kind: fc.constant('restart' as const), who: fc.nat(REPLICAS - 1) }),
  fc.record({
    kind: fc.constant('sync' as const),
    who: fc.nat(REPLICAS - 1),
    other: fc.nat(REPLICAS - 1),
  }),
);

/** Both halves of a sync, as `sync.ts` does it. */
function sync(a: LooseDocument, b: LooseDocument): void {
  const toA = b.diff(a.vector()) ?? new Uint8Array();
  expect(a.apply(toA)).toBe('applied');
  expect(b.apply(a.diff(b.vector()) ?? new Uint8Array())).toBe('applied');
}

describe('replicas of a board', () => {
  it('are equal, digests and deletions included, once they have synced in a ring', () => {
    fc.assert(
      fc.property(fc.array(event, { maxLength: 60 }), (events) => {
        const updates: Uint8Array[] = [];
        const listen = (document: LooseDocument): LooseDocument => {
          document.onUpdate((update, origin) => {
            if (origin === 'local') updates.push(update);
          });
          return document;
        };
        const replicas = Array.from({ length: REPLICAS }, () => listen(makeDocument()));
        const at = (who: number): LooseDocument => replicas[who] ?? makeDocument();
        for (const [i, happened] of events.entries()) {
          const document = at(happened.who);
          if (happened.kind === 'set') {
            document.set({ key: happened.key, value: happened.value, by: ANN, at: i });
          } else if (happened.kind === 'delete') document.delete(happened.key);
          else if (happened.kind === 'restart') {
            replicas[happened.who] = listen(makeDocument([document.snapshot()]));
          } else if (happened.kind === 'sync') {
            if (happened.other !== happened.who) sync(document, at(happened.other));
          } else {
            const update = updates[happened.which % Math.max(1, updates.length)];
            if (update !== undefined) expect(document.apply(update)).toBe('applied');
          }
        }
        for (let round = 0; round < 2; round++) {
          for (let i = 0; i < REPLICAS; i++) sync(at(i), at((i + 1) % REPLICAS));
        }
        const contents = replicas.map(contentOf);
        expect(contents).toEqual(replicas.map(() => contents[0]));
        expect(new Set(replicas.map((replica) => replica.digest())).size).toBe(1);
        for (const replica of replicas) {
          expect(replica.isWaiting).toBe(false);
          expect(replica.size).toBe(Object.keys(contents[0] ?? {}).length);
        }
      }),
      { seed: 4, numRuns: 400 },
    );
  });

  it('have different digests when only a deletion differs', () => {
    const a = makeDocument();
    a.set({ key: 'k', value: 1, by: ANN, at: 1 });
    const b = makeDocument([a.snapshot()]);
    expect(b.digest()).toBe(a.digest());
    const before = a.digest();
    a.delete('k');
    expect(a.vector()).toEqual(b.vector());
    expect(a.digest()).not.toBe(before);
    sync(b, a);
    expect(b.digest()).toBe(a.digest());
    expect(b.get('k')).toBeUndefined();
  });

  it('tell what changed, and only that', () => {
    const a = makeDocument();
    const b = makeDocument();
    const heard: unknown[] = [];
    b.onUpdate((_update, origin, changes) => {
      heard.push([origin, changes.map(({ key, entry }) => [key, entry?.value])]);
    });
    const all: Uint8Array[] = [];
    a.onUpdate((update) => all.push(update));
    a.set({ key: 'k', value: 1, by: ANN, at: 1 });
    a.set({ key: 'k', value: 2, by: ANN, at: 1 });
    a.delete('k');
    for (const update of [...all, ...all]) b.apply(update);
    b.set({ key: 'own', value: 3, by: ANN, at: 1 });
    expect(heard).toEqual([
      ['remote', [['k', 1]]],
      ['remote', [['k', 2]]],
      ['remote', [['k', undefined]]],
      ['local', [['own', 3]]],
    ]);
  });
});
