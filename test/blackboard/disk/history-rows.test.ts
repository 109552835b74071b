/**
 * Rows of a history that are updates as peers sent them. Goal: nobody can tell by what is read which kind a row was. Method: the
 * same changes as lines of JSON and as the update that brought them.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { lineOf, linesOf, rowOf } from '../../../src/blackboard/disk/history-rows.ts';
import type { EntryChange } from '../../../src/blackboard/document/document-types.ts';
import type { BoardChange } from '../../../src/blackboard/index.ts';
import type { Did, Json } from '../../../src/core/index.ts';
import { makeDocument } from '../support.ts';

const BOB = 'did:key:z6MkBob' as Did;
const CAROL = 'did:key:z6MkCarol' as Did;
const MANY = 40;

/** What a replica hears of each batch that a writer sends. */
function heardOf(batches: readonly (readonly EntryChange[])[]): readonly {
  readonly update: Uint8Array;
  readonly changes: readonly BoardChange[];
  readonly isBulk: boolean;
}[] {
  const writer = makeDocument();
  const replica = makeDocument([], {}, { self: BOB });
  const heard: { update: Uint8Array; changes: readonly BoardChange[]; isBulk: boolean }[] = [];
  replica.onUpdate((update, _origin, changes, isBulk) => heard.push({ update, changes, isBulk }));
  for (const changes of batches) {
    const draft = writer.draft(changes);
    if (draft === undefined) throw new Error('nothing was written');
    writer.commit(draft);
    replica.apply(draft.bytes);
  }
  return heard;
}

function many(from: number, change: (at: number) => Partial<EntryChange>): EntryChange[] {
  return Array.from({ length: MANY }, (_, i) => ({
    key: `key-${from + i}`,
    value: i,
    valueBytes: 2,
    ...change(from + i),
  }));
}

describe('a row of a history', () => {
  it('tells the same as an update and as lines, whatever is written, for whom, and under which key', () => {
    const value = fc
      .jsonValue({ maxDepth: 3 })
      .filter((one) => !JSON.stringify(one).includes('__proto__'))
      .map((one) => JSON.parse(JSON.stringify(one)) as Json);
    const written = fc.record({ value, isCarried: fc.boolean(), isOwn: fc.boolean() });
    fc.assert(
      fc.property(fc.array(written, { minLength: MANY, maxLength: MANY }), (all) => {
        const changes = all.map((one, at): EntryChange => {
          const key = `${one.isOwn ? '\u0000' : ''}key-${at}`;
          const carried = one.isCarried ? { by: CAROL, stamp: [900_000 + at, 0] as const } : {};
          return { key, value: one.value, valueBytes: 9, ...carried };
        });
        const [, heard] = heardOf([[{ key: 'first', value: 0 }], changes]);
        if (heard === undefined) throw new Error('nothing was heard');
        expect(heard.isBulk).toBe(true);
        const shown = heard.changes.filter(({ key }) => !key.startsWith('\u0000'));
        const lines = linesOf(rowOf(shown.flatMap(lineOf)), 'here');
        expect(linesOf(heard.update, 'here')).toEqual(lines);
        expect(lines).toHaveLength(shown.length);
      }),
      { numRuns: 30 },
    );
  });

  it('is no update where that says less or more than what has changed, or says few things', () => {
    const until = 2_000_000;
    const heard = heardOf([
      many(0, () => ({})),
      many(MANY, () => ({})),
      many(MANY, (at) => ({ value: -at })),
      many(2 * MANY, () => ({ until })),
      [{ key: 'one more', value: 1 }],
    ]);
    // The first one begins a lane, which Yjs does.
    expect(heard.map(({ isBulk }) => isBulk)).toEqual([false, true, false, false, false]);
  });

  it('is no update where some of it was beaten before it came', () => {
    const [ann, carol] = [
      makeDocument(),
      makeDocument([], {}, { self: CAROL, now: () => 2_000_000 }),
    ];
    const replica = makeDocument([], {}, { self: BOB, now: () => 2_000_000 });
    const heard: [number, boolean][] = [];
    replica.onUpdate((_update, _origin, changes, isBulk) => heard.push([changes.length, isBulk]));
    const send = (writer: typeof ann, changes: readonly EntryChange[]): void => {
      const draft = writer.draft(changes);
      if (draft === undefined) throw new Error('nothing was written');
      writer.commit(draft);
      replica.apply(draft.bytes);
    };
    send(carol, [{ key: `key-${MANY}`, value: 'later' }]);
    send(ann, [{ key: 'first', value: 0 }]);
    send(
      ann,
      many(MANY, () => ({})),
    );
    expect(heard).toEqual([
      [1, false],
      [1, false],
      [MANY - 1, false],
    ]);
  });

  it('says nothing where it is damaged', () => {
    const [, heard] = heardOf([[{ key: 'first', value: 0 }], many(0, () => ({}))]);
    if (heard === undefined) throw new Error('nothing was heard');
    expect(linesOf(heard.update.subarray(0, -1), 'here')).toEqual([]);
    expect(linesOf(Buffer.from('[{"key"'), 'here')).toEqual([]);
    expect(linesOf(new Uint8Array(0), 'here')).toEqual([]);
  });
});
