/** Which thing a person means by a few characters of its id. */
import { expect, it } from 'vitest';
import { meantById, noSuchId } from '../../src/core/index.ts';

const ALL = ['abcdef01', 'abcd9999', 'zz', 'abc'].map((id) => ({ id }));
const meant = (reference: string): unknown => {
  const found = meantById(reference, ALL, ({ id }) => id);
  return 'found' in found ? found.found.id : found.why;
};

it.each([
  ['abcdef01', 'abcdef01'],
  ['abcde', 'abcdef01'],
  ['abcde…', 'abcdef01'],
  ['abcd', 'several'],
  // A whole id is one, however short it is, and also where others begin so.
  ['zz', 'zz'],
  ['abc', 'abc'],
  ['ab', 'short'],
  ['z', 'short'],
  ['bcdef', 'none'],
  ['xy', 'none'],
  ['', 'none'],
  ['…', 'none'],
])('by %j %s is meant', (reference, which) => {
  expect(meant(reference)).toBe(which);
});

it('what is not meant is told in a sentence', () => {
  expect(noSuchId('xy', 'none', 'grant')).toBe("'xy' is no grant of this node");
  expect(noSuchId('ab', 'short', 'approval')).toBe(
    "'ab' is too short for an approval: at least 4 characters of its id",
  );
  expect(noSuchId('abcd', 'several', 'key')).toBe("'abcd' is the beginning of more than one key");
  expect(noSuchId('a\u001b[2J', 'none', 'grant')).not.toContain('\u001b');
});
