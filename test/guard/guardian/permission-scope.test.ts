/** Scope and score of a request for permission by themselves, at the edges of each rule. */
import { describe, expect, it } from 'vitest';
import { StarlingError } from '../../../src/core/index.ts';
import { parsePolicy } from '../../../src/guard/index.ts';
import { parseScope } from '../../../src/guard/guardian/permission-scope.ts';
import { scoreOf, verdictOf } from '../../../src/guard/guardian/score.ts';
import type { Score } from '../../../src/guard/guardian/score.ts';

const { guardian } = parsePolicy('', 'the test').file;

function refusalOf(text: string, whole: readonly string[] = []): string {
  try {
    parseScope(text, whole);
  } catch (error) {
    if (error instanceof StarlingError && error.code === 'STARLING_USAGE') return error.message;
    throw error;
  }
  throw new Error('it was read');
}

describe('the scope of a request', () => {
  it('is its patterns, each once and sorted', () => {
    expect(parseScope('files/write, files/read files/write', [])).toEqual({
      patterns: ['tool:files/read', 'tool:files/write'],
      names: ['files', 'read', 'files', 'write'],
      isBroad: false,
    });
  });

  it.each(['', '  ', '*', 'all', 'ALL', 'files/read all'])('is all of the type: %j', (text) => {
    expect(parseScope(text, ['tool:files/read'])).toEqual({
      patterns: ['tool:files/read'],
      names: ['files', 'read'],
      isBroad: true,
    });
    expect(refusalOf(text)).toContain('it must name what is wanted');
  });

  it.each([
    ['files/read', false],
    ['files/read_*', false],
    ['files/*_file', false],
    ['files/*', true],
    ['files/**', true],
    ['*/read', true],
    ['files/read git/*', true],
    ['resource:files/**', true],
  ])('%s is broad: %s', (text, expected) => {
    expect(parseScope(text, []).isBroad).toBe(expected);
  });

  it('has the names without wildcards', () => {
    expect(parseScope('files/read_* resource:docs/**', []).names).toEqual(['docs', 'files']);
  });

  it('is of up to 16 patterns, however many the type has', () => {
    const many = (count: number): string[] =>
      Array.from({ length: count }, (_, index) => `tool:files/t${index}`);
    expect(parseScope(many(16).join(' '), []).patterns).toHaveLength(16);
    expect(refusalOf(many(17).join(' '))).toContain('at most 16 patterns');
    expect(parseScope('all', many(17)).patterns).toHaveLength(17);
  });

  it.each([
    ['board:plan', 'tools, resources and prompts only'],
    ['starling/status', 'for its operator to grant'],
    ['resource:starling/a', 'for its operator to grant'],
    ['files', 'write it like'],
    ['files/a/../b', 'write it like'],
  ])('can not be %s', (text, why) => {
    expect(refusalOf(text)).toContain(why);
  });
});

describe('the justification', () => {
  const scored = (justification: string, names: readonly string[] = []): number =>
    scoreOf({ justification, names, trust: 1, risk: 0, isBroad: false, isWrite: false }, guardian)
      .justification;

  it('has a fifth for each sign, from just over its length', () => {
    expect(scored('')).toBe(0);
    expect(scored('   ')).toBe(0);
    expect(scored('x'.repeat(20))).toBe(0.2);
    expect(scored(`${'x'.repeat(20)}    `)).toBe(0.2);
    expect(scored('x'.repeat(21))).toBe(0.4);
    expect(scored('x'.repeat(50))).toBe(0.4);
    expect(scored('x'.repeat(51))).toBe(0.6);
    expect(scored('because')).toBe(0.4);
    expect(scored('only')).toBe(0.4);
    expect(scored('trying')).toBe(0);
  });

  it('is specific when it names one thing of the scope, of at least three letters', () => {
    expect(scored('the LOG', ['log', 'other'])).toBe(0.4);
    expect(scored('the log', ['lo', 'other'])).toBe(0.2);
  });
});

describe('the verdict on a score', () => {
  const verdict = (score: Partial<Score>): string =>
    verdictOf({ justification: 1, trust: 1, risk: 0, total: 1, ...score }, guardian).outcome;

  it('changes just below and above each threshold', () => {
    expect([verdict({ justification: 0.299 }), verdict({ justification: 0.3 })]).toEqual([
      'refuse',
      'grant',
    ]);
    expect([verdict({ risk: 0.801 }), verdict({ risk: 0.8 })]).toEqual(['refuse', 'grant']);
    expect([verdict({ trust: 0.399 }), verdict({ trust: 0.4 })]).toEqual(['ask', 'grant']);
    expect([verdict({ total: 0.399 }), verdict({ total: 0.4 })]).toEqual(['refuse', 'ask']);
    expect([verdict({ total: 0.499 }), verdict({ total: 0.5 })]).toEqual(['ask', 'grant']);
  });
});
