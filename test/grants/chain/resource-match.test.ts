/** What a resource pattern covers, and the tricks by which names try to be others. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { StarlingError } from '../../../src/core/index.ts';
import {
  encodeSegment,
  matchResource,
  parseResource,
  parseTarget,
  patternCovers,
  toolResource,
} from '../../../src/grants/index.ts';
import { slowMatch } from './slow-match.ts';

const names = fc.oneof(
  fc.constantFrom('starling', 'a', 'b', 'ab', 'aab', 'star', 'read_x'),
  fc.string({ unit: fc.constantFrom('a', 'b'), minLength: 1, maxLength: 5 }),
);
const globs = fc
  .oneof(names, fc.string({ unit: fc.constantFrom('a', 'b', '*'), minLength: 1, maxLength: 5 }))
  .map((glob) => glob.replaceAll(/\*+/g, '*'));
const schemes = fc.constantFrom('tool', 'tool', 'board');
const targets = fc
  .tuple(schemes, fc.array(names, { minLength: 2, maxLength: 4 }))
  .map(([scheme, path]) => `${scheme}:${path.join('/')}`);
const patterns = fc
  .tuple(schemes, fc.array(globs, { minLength: 1, maxLength: 3 }), fc.boolean())
  .filter(([, path, rest]) => rest || path.length > 1)
  .map(([scheme, path, rest]) => `${scheme}:${path.join('/')}${rest ? '/**' : ''}`);

function isMalformed(run: () => unknown): boolean {
  try {
    run();
  } catch (error) {
    return error instanceof StarlingError && error.code === 'STARLING_GRANT_MALFORMED';
  }
  return false;
}

describe('a resource pattern', () => {
  it.each([
    ['tool:files/read_file', 'tool:files/read_file', true],
    ['tool:files/read_file', 'tool:files/read_files', false],
    ['tool:files/*', 'tool:files/read_file', true],
    ['tool:files/*', 'tool:files/a/b', false],
    ['tool:files/**', 'tool:files/a/b', true],
    ['tool:files/**', 'tool:files', false],
    ['tool:files/read_*', 'tool:files/read_', true],
    ['tool:files/*_file*', 'tool:files/read_file_2', true],
    ['tool:files/a*a', 'tool:files/a', false],
    ['tool:*/status', 'tool:git/status', true],
    ['tool:**', 'tool:git/status', true],
    ['tool:files/*', 'resource:files/x', false],
    ['tool:files/*', 'tool:FILES/x', false],
    ['tool:files/Read', 'tool:files/read', false],
    ['mesh:did:key:z6Mk', 'mesh:did:key:z6Mk', true],
    ['board:plan/**', 'board:plan/tasks/1', true],
  ])('%s on %s: %s', (pattern, resource, expected) => {
    expect(matchResource(pattern, resource)).toBe(expected);
  });

  it('covers the built-in server only when it names it', () => {
    const status = 'tool:starling/status';
    for (const pattern of ['tool:*/*', 'tool:**', 'tool:star*/status', 'tool:*/status']) {
      expect([pattern, matchResource(pattern, status)]).toEqual([pattern, false]);
      expect([pattern, patternCovers(pattern, status)]).toEqual([pattern, false]);
      expect([pattern, patternCovers(pattern, 'tool:starling/**')]).toEqual([pattern, false]);
    }
    expect(matchResource('tool:starling/*', status)).toBe(true);
    expect(patternCovers('tool:starling/**', 'tool:starling/board_*')).toBe(true);
    expect(matchResource('board:*/x', 'board:starling/x')).toBe(true);
  });

  it('takes a star in a wanted name as that character only', () => {
    expect(matchResource('tool:files/read', 'tool:files/*')).toBe(false);
    expect(matchResource('tool:files/read', 'tool:files/**')).toBe(false);
    expect(matchResource('tool:files/%2A', 'tool:files/*')).toBe(true);
    expect(matchResource('tool:files/%2A', 'tool:files/x')).toBe(false);
    expect(patternCovers('tool:files/%2A', 'tool:files/*')).toBe(false);
  });

  it('compares decoded, NFC-normalised names', () => {
    expect(matchResource('tool:files/re%61d', 'tool:files/read')).toBe(true);
    expect(matchResource('tool:files/caf\u00e9', 'tool:files/cafe\u0301')).toBe(true);
    expect(matchResource('tool:files/caf%65%CC%81', 'tool:files/caf\u00e9')).toBe(true);
    expect(matchResource('tool:files/%2561', 'tool:files/a')).toBe(false);
  });

  it('does not take look-alikes for the same (NFKC, case folding)', () => {
    expect(matchResource('tool:files/read', 'tool:files/\uff52ead')).toBe(false);
    expect(matchResource('tool:files/file', 'tool:files/\ufb01le')).toBe(false);
    expect(matchResource('tool:files/k', 'tool:files/\u212a')).toBe(false);
  });

  it.each([
    'tool:files/..',
    'tool:files/../git/x',
    'tool:files/.',
    'tool:files/%2e%2e',
    'tool:files/%2E',
    'tool:files/a%2Fb',
    'tool:files/a%2fb',
    'tool:files//x',
    'tool:files/',
    'tool:/x',
    'tool:',
    'tool',
    'files/x',
    'Tool:files/x',
    'tool:files/%',
    'tool:files/%zz',
    'tool:files/%ff',
    'tool:files/%C0%AE%C0%AE',
    'tool:files/%00',
    'tool:files/a\nb',
    'tool:files/\u202egnp.exe',
    'tool:files/%E2%80%AEx',
    'tool:files/re\u200bad',
    'tool:files/\u00adread',
    'tool:files/\ud800',
    `tool:files/${'x'.repeat(600)}`,
  ])('%j is refused, as pattern and as wanted thing', (text) => {
    expect(isMalformed(() => parseResource(text))).toBe(true);
    expect(isMalformed(() => parseTarget(text))).toBe(true);
    expect(matchResource('tool:files/**', text)).toBe(false);
  });

  it.each(['tool:files/***', 'tool:files/a**', 'tool:**/x', 'tool:files', 'tool:*', 'tool:a/**/b'])(
    '%j is no pattern',
    (text) => {
      expect(isMalformed(() => parseResource(text))).toBe(true);
    },
  );

  it('never tells what a slow and obvious matcher would not', () => {
    fc.assert(
      fc.property(patterns, targets, (pattern, target) => {
        expect(matchResource(pattern, target)).toBe(slowMatch(pattern, target));
      }),
      { numRuns: 3000, seed: 4 },
    );
  });

  it('covers another only when it matches all that the other matches', () => {
    let covered = 0;
    let compared = 0;
    const fillings = fc.array(fc.tuple(names, names), { minLength: 10, maxLength: 10 });
    fc.assert(
      fc.property(patterns, patterns, fillings, (parent, child, many) => {
        if (!patternCovers(parent, child)) return;
        covered += 1;
        for (const [name, rest] of many) {
          // Things that the child is likely to match, made from itself.
          const target = child.replaceAll('**', `${name}/${rest}`).replaceAll('*', rest);
          if (!slowMatch(child, target)) continue;
          compared += 1;
          expect(slowMatch(parent, target)).toBe(true);
        }
      }),
      { numRuns: 5000, seed: 5 },
    );
    expect(covered).toBeGreaterThan(50);
    expect(compared).toBeGreaterThan(500);
  });

  it('covers another when it should, so that delegation is of use', () => {
    expect(patternCovers('tool:files/*', 'tool:files/read_*')).toBe(true);
    expect(patternCovers('tool:files/**', 'tool:files/**')).toBe(true);
    expect(patternCovers('tool:files/**', 'tool:files/*')).toBe(true);
    expect(patternCovers('tool:files/read_*', 'tool:files/read_*_x')).toBe(true);
    expect(patternCovers('tool:files/*', 'tool:files/**')).toBe(false);
    expect(patternCovers('tool:files/read_*', 'tool:files/*')).toBe(false);
    expect(patternCovers('tool:files/a*b', 'tool:files/a*')).toBe(false);
    expect(patternCovers('tool:files/read', 'tool:git/read')).toBe(false);
    expect(patternCovers('tool:files/read', 'tool:files/read/**')).toBe(false);
    expect(patternCovers('tool:files/*', 'tool:files/*/**')).toBe(false);
    expect(patternCovers('tool:files/*/**', 'tool:files/**')).toBe(false);
  });

  it('is matched without going back, which would take for ever, however many stars it has', () => {
    const bomb = `tool:files/${'a*'.repeat(240)}b`;
    const name = `tool:files/${'a'.repeat(500)}`;
    for (let round = 0; round < 50; round += 1) {
      expect(matchResource(bomb, name)).toBe(false);
      expect(patternCovers(bomb, bomb)).toBe(true);
    }
  });
});

describe('a name', () => {
  it('written into a resource comes back as it was', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }), (name) => {
        const text = toolResource('files', name);
        expect(text).toMatch(/^tool:files\/[A-Za-z0-9._~%/-]*$/);
        if (isMalformed(() => parseTarget(text))) return;
        expect(parseTarget(text).segments.slice(1).join('/')).toBe(name.normalize('NFC'));
      }),
      { numRuns: 500, seed: 6 },
    );
    expect(parseTarget(toolResource('files', "100% 'sure*'")).segments[1]).toBe("100% 'sure*'");
    expect(encodeSegment("a'b*")).toBe('a%27b%2A');
    expect(encodeSegment('\ud800')).toBe('%EF%BF%BD');
  });
});
