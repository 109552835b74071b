/** Path patterns by themselves: what is plain text, at its edges, and which pattern covers which. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  coversPath,
  isPlainPath,
  isPlainText,
  matchesPath,
  parsePathPattern,
} from '../../../src/grants/chain/path-match.ts';

function pattern(text: string): NonNullable<ReturnType<typeof parsePathPattern>> {
  const parsed = parsePathPattern(text);
  if (parsed === undefined) throw new Error(`${text} was not read`);
  return parsed;
}

const covers = (parent: string, child: string): boolean =>
  coversPath(pattern(parent), pattern(child));

describe('a plain text', () => {
  it.each([
    ['/srv/a', true],
    ['caf\u00e9/a', true],
    ['\u65e5\u672c/a', true],
    ['a%2zb 100%', true],
    ['', true],
    // A backslash, an encoded byte, and characters that show nothing.
    ['a\\b', false],
    ['a%2eb', false],
    ['a%2Fb', false],
    ['a\u200bb', false],
    ['a\u202eb', false],
    ['a\u0000b', false],
    // Not its own normal form: e and an accent in two characters.
    ['cafe\u0301', false],
    // Look-alikes: full-width slash and backslash, two-dot leader, full-width dots.
    ['a\uff0fb', false],
    ['a\uff3cb', false],
    ['a/\u2025/b', false],
    ['a/\uff0e\uff0e/b', false],
    ['\u2025', false],
    ['a/\u2026', false],
    ['a\u2026b', true],
  ])('%j: %s', (text, expected) => {
    expect(isPlainText(text)).toBe(expected);
  });
});

describe('a plain path', () => {
  it.each([
    ['a', true],
    ['/a', true],
    ['a/', true],
    ['/a/', true],
    ['a/b c', true],
    ['.a/..b/c.', true],
    ['', false],
    ['/', false],
    ['//', false],
    ['a//b', false],
    ['//a', false],
    ['a//', false],
    ['.', false],
    ['..', false],
    ['a/../b', false],
    ['a/. ./b', false],
    ['a/ /b', false],
    ['a/\u2025/b', false],
    ['x'.repeat(4096), true],
    ['x'.repeat(4097), false],
  ])('%j: %s', (path, expected) => {
    expect(isPlainPath(path)).toBe(expected);
  });
});

describe('a path pattern', () => {
  it('is no longer than 512 characters', () => {
    expect(parsePathPattern('x'.repeat(512))).toBeDefined();
    expect(parsePathPattern('x'.repeat(513))).toBeUndefined();
  });

  it('covers another when it matches all that the other matches', () => {
    const yes = [
      ['/srv/**', '/srv/docs/**'],
      ['/srv/**', '/srv/a'],
      ['/srv/**', '/srv/**'],
      ['/srv/*', '/srv/a'],
      ['/srv/*', '/srv/*.md'],
      ['/srv/a', '/srv/a'],
      ['**', 'docs/**'],
      ['**', '**'],
      ['/**', '/srv/**'],
    ];
    for (const [parent = '', child = ''] of yes)
      expect([parent, child, covers(parent, child)]).toEqual([parent, child, true]);
    const no = [
      ['/srv/docs/**', '/srv/**'],
      ['/srv/docs/**', '/srv/docs'],
      ['/srv/*', '/srv/**'],
      ['/srv/*', '/srv/a/b'],
      ['/srv/a/b', '/srv/*'],
      ['/srv/a', '/srv/b'],
      ['/srv/*.md', '/srv/*'],
      ['**', '/srv/**'],
      ['**', '/srv'],
      ['**', '/**'],
      ['/**', '**'],
      ['/**', 'srv/a'],
      ['*', '**'],
    ];
    for (const [parent = '', child = ''] of no)
      expect([parent, child, covers(parent, child)]).toEqual([parent, child, false]);
  });

  it('covers nothing that it does not match, whatever both are', () => {
    const segment = fc.constantFrom('a', 'b', '*', 'a*', '*b', 'ab');
    const body = fc.array(segment, { minLength: 1, maxLength: 3 }).map((parts) => parts.join('/'));
    const text = fc
      .tuple(fc.constantFrom('', '/'), body, fc.constantFrom('', '/**'))
      .map((parts) => parts.join(''));
    const path = fc
      .tuple(
        fc.constantFrom('', '/'),
        fc.array(fc.constantFrom('a', 'b', 'ab'), { minLength: 1, maxLength: 4 }),
      )
      .map(([start, names]) => `${start}${names.join('/')}`);
    fc.assert(
      fc.property(text, text, path, (parent, child, one) => {
        if (!covers(parent, child) || !matchesPath(pattern(child), one)) return;
        expect(matchesPath(pattern(parent), one)).toBe(true);
      }),
      { numRuns: 2000, seed: 6 },
    );
  });

  it('is asked about many paths in turn, and answers each for itself', () => {
    const docs = pattern('/srv/docs/*');
    const asked = ['/srv/docs/a', '/etc/a', '/srv/docs/a', '/srv/docs/../a', '/srv/docs/b'];
    expect(asked.map((path) => matchesPath(docs, path))).toEqual([true, false, true, false, true]);
  });
});
