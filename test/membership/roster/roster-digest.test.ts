/** The digest of who is there: the same for all who know the same, at one hash a change. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { PeerId } from '../../../src/core/index.ts';
import { createRosterDigest } from '../../../src/membership/roster/roster-digest.ts';

const name = (at: number): PeerId => `peer-${at}` as PeerId;

it('of two who know the same is the same, in whatever order they heard of it and whatever came between', () => {
  const change = fc.tuple(fc.nat(20), fc.option(fc.nat(3), { nil: undefined }));
  fc.assert(
    fc.property(fc.array(change, { maxLength: 60 }), (changes) => {
      const kept = createRosterDigest();
      for (const [peer, incarnation] of changes) kept.set(name(peer), incarnation);
      const last = new Map(changes);
      const fresh = createRosterDigest();
      for (const [peer, incarnation] of [...last].toReversed()) fresh.set(name(peer), incarnation);
      expect(kept.text()).toBe(fresh.text());
    }),
    { seed: 7, numRuns: 200 },
  );
});

it('is another one when somebody comes, goes or starts anew, and says whether anything has changed', () => {
  const digest = createRosterDigest();
  const texts = [digest.text()];
  const say = (changed: boolean): void => {
    expect(changed).toBe(true);
    texts.push(digest.text());
  };
  say(digest.set(name(1), 5));
  say(digest.set(name(2), 5));
  say(digest.set(name(1), 6));
  expect(digest.set(name(1), 6)).toBe(false);
  expect(digest.set(name(3), undefined)).toBe(false);
  expect(new Set(texts).size).toBe(4);
  expect(texts.every((text) => /^[0-9a-f]{32}$/.test(text))).toBe(true);
  digest.set(name(1), undefined);
  digest.set(name(2), undefined);
  expect(digest.text()).toBe(texts[0]);
});
