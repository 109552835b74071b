/**
 * Updates that are put into a lane without Yjs. Goal: nobody can tell the lane from one that Yjs has filled, now and after whatever follows.
 * Method: the same updates of a real writer into two lanes, one of which Yjs fills alone.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import * as Y from 'yjs';
import type { Json } from '../../../src/core/index.ts';
import { inspectUpdate, newestWrites } from '../../../src/blackboard/lanes/inspect-update.ts';
import { clockOf, createLane, structsOf, wholeOf } from '../../../src/blackboard/lanes/lane.ts';
import type { Lane } from '../../../src/blackboard/lanes/lane.ts';
import { addNewKeys } from '../../../src/blackboard/lanes/new-keys.ts';
import type { LanePart } from '../../../src/blackboard/lanes/update.ts';
import { LIMITS } from '../../../src/blackboard/limits.ts';
import type { EntryChange } from '../../../src/blackboard/document/document-types.ts';
import { makeDocument } from '../support.ts';
import { upTo } from '../../long/extent.ts';

/** Each batch as the update that a writer sends. */
function partsOf(batches: readonly (readonly EntryChange[])[]): readonly LanePart[] {
  const writer = makeDocument();
  return batches.flatMap((changes) => {
    const draft = writer.draft(changes);
    if (draft === undefined) return [];
    writer.commit(draft);
    return [draft.part];
  });
}

/** The lane with all of `parts`, and how many of these went in without Yjs. */
function laneOf(
  parts: readonly LanePart[],
  isByYjs: boolean,
): { readonly lane: Lane; readonly added: number } {
  const [first] = parts;
  if (first === undefined) throw new Error('nothing was written');
  const lane = createLane(first);
  let added = 0;
  for (const { update = new Uint8Array() } of parts) {
    const facts = inspectUpdate(update, LIMITS, LIMITS.structs);
    if (facts === undefined || newestWrites(lane, facts) === undefined) {
      throw new Error('this is no update of a lane');
    }
    if (!isByYjs && addNewKeys(lane, facts)) added += 1;
    else Y.applyUpdateV2(lane.doc, facts.update);
  }
  return { lane, added };
}

/** All that Yjs keeps of a lane. */
function keptOf(lane: Lane): unknown {
  return structsOf(lane).map((struct) =>
    struct instanceof Y.GC
      ? [struct.id.clock, struct.length]
      : {
          id: struct.id,
          length: struct.length,
          isDeleted: struct.deleted,
          info: struct.info,
          origin: struct.origin,
          rightOrigin: struct.rightOrigin,
          left: struct.left?.lastId,
          right: struct.right?.id,
          key: struct.parentSub,
          isHere: struct.parent === lane.entries,
          isNewest: lane.entries._map.get(struct.parentSub ?? '') === struct,
          content: struct.content instanceof Y.ContentAny ? struct.content.arr : struct.content,
        },
  );
}

const json = fc.jsonValue({ maxDepth: 3 }).filter((v) => !JSON.stringify(v).includes('__proto__'));

describe('a lane', () => {
  it('is the same with Yjs and without, whatever was set, replaced and deleted', () => {
    const change = fc.record({
      key: fc.oneof(
        fc.constantFrom('a', 'b', 'c'),
        fc.string({ unit: 'grapheme', minLength: 1, maxLength: 5 }),
      ),
      value: fc.option(json, { nil: undefined }),
    });
    const batch = fc.uniqueArray(change, { selector: ({ key }) => key, maxLength: 8 });
    let added = 0;
    fc.assert(
      fc.property(fc.array(batch, { minLength: 1, maxLength: 8 }), (batches) => {
        const parts = partsOf(
          batches.map((some) =>
            some.map(({ key, value }) => {
              return value === undefined
                ? { key }
                : { key, value: JSON.parse(JSON.stringify(value)) as Json };
            }),
          ),
        );
        if (parts.length === 0) return;
        const ours = laneOf(parts, false);
        const theirs = laneOf(parts, true);
        added += ours.added;
        expect(keptOf(ours.lane)).toEqual(keptOf(theirs.lane));
        expect(wholeOf(ours.lane)).toEqual(wholeOf(theirs.lane));
        expect(ours.lane.entries.toJSON()).toEqual(theirs.lane.entries.toJSON());
      }),
      { numRuns: upTo(50, 5000) },
    );
    expect(added).toBeGreaterThan(0);
  });

  it('is left to Yjs where an update begins it, replaces something, or does not follow on it', () => {
    const [first, second, third] = partsOf([
      [{ key: 'a', value: 1 }],
      [{ key: 'b', value: 1 }],
      [{ key: 'a', value: 2 }],
    ]);
    if (first === undefined || second === undefined || third === undefined) throw new Error('lost');
    const lane = createLane(first);
    const add = ({ update = new Uint8Array() }: LanePart): boolean => {
      const facts = inspectUpdate(update, LIMITS, LIMITS.structs);
      if (facts === undefined) throw new Error('this is no update of a lane');
      return addNewKeys(lane, facts);
    };
    expect([add(first), add(second), clockOf(lane)]).toEqual([false, false, 0]);
    Y.applyUpdateV2(lane.doc, first.update ?? new Uint8Array());
    expect([add(third), add(second), add(second)]).toEqual([false, true, false]);
    expect(add(third)).toBe(false);
  });
});
