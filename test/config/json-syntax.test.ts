import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { findJsonFault } from '../../src/config/json-syntax.ts';
import { upTo } from '../long/extent.ts';

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch (error) {
    if (error instanceof SyntaxError) return false;
    throw error;
  }
}

describe('finding where a text stops being JSON', () => {
  it('finds a fault exactly where JSON.parse does', () => {
    const good = fc.json({ maxDepth: 4 });
    const damaged = fc
      .tuple(
        good,
        fc.nat(),
        fc.constantFrom('', ',', '"', '}', ']', ':', '\\', '0', '-', '\n', '/'),
      )
      .map(([text, at, insert]) => {
        const place = at % (text.length + 1);
        return text.slice(0, place) + insert + text.slice(place + (at % 2));
      });
    const soup = fc
      .array(
        fc.constantFrom(
          ...Array.from('{}[]:,"\\/ \n\t-+.eE019u'),
          'true',
          'null',
          '"a"',
          'falsey',
          '\u0001',
        ),
        { maxLength: 12 },
      )
      .map((parts) => parts.join(''));
    fc.assert(
      fc.property(fc.oneof(good, damaged, soup), (text) => {
        expect(findJsonFault(text) === undefined).toBe(isJson(text));
      }),
      { seed: 9, numRuns: upTo(1500, 5000) },
    );
  });

  it.each([
    ['{"a": 1', 1, 8, "',' or '}'"],
    ['[1,\n 2,\n]', 3, 1, 'a value'],
    ['{"a" 1}', 1, 6, "':' after the key"],
    ["{'a': 1}", 1, 2, 'a key or a value (text in double quotes)'],
    ['{"a": "b\n"}', 1, 7, 'a string that ends on its line, with good escapes'],
    ['{"a": "\\x"}', 1, 7, 'a string that ends on its line, with good escapes'],
    ['{"a": 01}', 1, 8, "',' or the closing bracket"],
    ['{"a": 1, // b\n}', 1, 10, 'JSON without comments'],
    ['{"a": undefined}', 1, 7, 'a key or a value (text in double quotes)'],
    ['[1,]', 1, 4, 'a value'],
    ['{}}', 1, 3, 'the end'],
  ])('%j: line %i, column %i, expected %s', (text, line, column, expected) => {
    expect(findJsonFault(text)).toEqual({ line, column, expected });
  });

  it('copes with text that is deep or long', () => {
    expect(findJsonFault('['.repeat(200_000))).toEqual({
      line: 1,
      column: 257,
      expected: 'no more than 256 levels',
    });
    expect(findJsonFault(`["${'a\\n'.repeat(500_000)}"]`)).toBeUndefined();
  });
});
