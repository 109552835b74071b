/** The scanner of JSON's bytes, held against JSON.parse. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  JSON_BYTE,
  endOfJsonString,
  endOfJsonValue,
  jsonStringAt,
  parseStrictJson,
  skipJsonSpace,
} from '../../../src/core/index.ts';
import { anyCharacter, anyText } from '../../fixtures/any-text.ts';
import { upTo } from '../../long/extent.ts';

const SEEDED = { seed: 15, numRuns: 400 };
const indent = fc.constantFrom(0, 1, '\t', '  ');
/** A JSON text with its value, in some layout, with or without space around it. */
const jsonText = fc
  .tuple(
    fc.jsonValue({ maxDepth: 4, stringUnit: anyCharacter }),
    indent,
    fc.constantFrom('', ' ', '\r\n\t'),
  )
  .map(([value, space, around]) => `${around}${JSON.stringify(value, null, space)}${around}`);

/** What the scanner finds in the array or object at `start`: the texts of its values, keys left out. */
function partsOf(bytes: Buffer): unknown[] {
  const parts: unknown[] = [];
  let at = skipJsonSpace(bytes, 0);
  const isObject = bytes[at] === JSON_BYTE.openBrace;
  at = skipJsonSpace(bytes, at + 1);
  while (at < bytes.length && bytes[at] !== JSON_BYTE.closeBrace) {
    if (bytes[at] === JSON_BYTE.closeBracket) break;
    if (isObject) {
      const end = endOfJsonString(bytes, at);
      parts.push(jsonStringAt(bytes, at, end));
      at = skipJsonSpace(bytes, end);
      expect(bytes[at]).toBe(JSON_BYTE.colon);
      at = skipJsonSpace(bytes, at + 1);
    }
    const end = endOfJsonValue(bytes, at);
    parts.push(JSON.parse(bytes.toString('utf8', at, end)));
    at = skipJsonSpace(bytes, end);
    if (bytes[at] === JSON_BYTE.comma) at = skipJsonSpace(bytes, at + 1);
  }
  return parts;
}

describe('the JSON scanner', () => {
  it('finds where a value ends, whatever the value and its layout', () => {
    fc.assert(
      fc.property(jsonText, fc.string(), (text, after) => {
        const bytes = Buffer.from(`${text},${after}`);
        const start = skipJsonSpace(bytes, 0);
        const end = endOfJsonValue(bytes, start);
        expect(JSON.parse(bytes.toString('utf8', start, end))).toEqual(JSON.parse(text));
        expect(bytes[skipJsonSpace(bytes, end)]).toBe(JSON_BYTE.comma);
      }),
      SEEDED,
    );
  });

  it('finds each member of an array and each key and value of an object', () => {
    const value = fc.jsonValue({ maxDepth: 2, stringUnit: anyCharacter });
    const container = fc.oneof(fc.array(value), fc.dictionary(anyText(), value));
    fc.assert(
      fc.property(container, indent, (given, space) => {
        const text = JSON.stringify(given, null, space);
        const read = JSON.parse(text) as object;
        const expected = Array.isArray(read) ? read : Object.entries(read).flat();
        expect(partsOf(Buffer.from(text))).toEqual(expected);
      }),
      SEEDED,
    );
  });

  it('reads a string as JSON.parse does, however it is escaped', () => {
    const escapedAll = (text: string): string =>
      `"${Array.from({ length: text.length }, (_, at) => `\\u${text.charCodeAt(at).toString(16).padStart(4, '0')}`).join('')}"`;
    fc.assert(
      fc.property(anyText({ maxLength: 90 }), fc.boolean(), (text, isEscaped) => {
        const written = isEscaped ? escapedAll(text) : JSON.stringify(text);
        const bytes = Buffer.from(`${written}:1`);
        const end = endOfJsonString(bytes, 0);
        expect(bytes.toString('utf8', 0, end)).toBe(written);
        expect(jsonStringAt(bytes, 0, end)).toBe(JSON.parse(written));
      }),
      SEEDED,
    );
  });

  it('ends at the end of the bytes, and never throws, on bytes that are no JSON', () => {
    const pieces = fc
      .array(fc.constantFrom(...Array.from('{}[]:,"\\ \n1a'), '\\"', '\\\\', '""', '[]', 'é'), {
        maxLength: 60,
      })
      .map((parts) => Buffer.from(parts.join('')));
    const anything = fc.oneof(
      pieces,
      fc.uint8Array({ maxLength: 80 }).map((all) => Buffer.from(all)),
    );
    fc.assert(
      fc.property(anything, fc.nat(90), (bytes, place) => {
        const start = Math.min(place, bytes.length);
        for (const end of [skipJsonSpace(bytes, start), endOfJsonValue(bytes, start)]) {
          expect(end).toBeGreaterThanOrEqual(start);
          expect(end).toBeLessThanOrEqual(bytes.length);
        }
        const end = endOfJsonString(bytes, start);
        expect(end).toBeLessThanOrEqual(Math.max(bytes.length, start));
      }),
      { ...SEEDED, numRuns: upTo(1000, 3000) },
    );
  });

  it('takes strings of 20 MB and arrays that are nested 200,000 deep', () => {
    const long = Buffer.from(`"${'a\\"'.repeat(7_000_000)}"`);
    expect(endOfJsonValue(long, 0)).toBe(long.length);
    const deep = Buffer.from(`${'['.repeat(200_000)}${']'.repeat(200_000)}`);
    expect(endOfJsonValue(deep, 0)).toBe(deep.length);
  });
});

describe('strict JSON', () => {
  it('is what JSON.parse reads, where no name comes twice', () => {
    fc.assert(
      fc.property(jsonText, (text) => {
        if (text.includes('__proto__')) return;
        expect(parseStrictJson(text, 12)).toEqual(JSON.parse(text));
      }),
      SEEDED,
    );
  });

  it.each([
    ['a name that comes twice', '{"a":1,"b":{},"a":2}'],
    ['one that is spelled in two ways', '{"a":1,"\\u0061":2}'],
    ['one deep inside', '[{"x":[{"é":1,"\\u00e9":2}]}]'],
    ['a name that is a prototype', '{"__proto__":1}'],
    ['too many levels', '[[[[[[[[[[[[[]]]]]]]]]]]]]'],
  ])('refuses %s', (_, text) => {
    expect(() => parseStrictJson(text, 12)).toThrow(SyntaxError);
  });

  it('takes one name in two objects, and a value that looks like a name', () => {
    const text = '{"a":{"b":"a"},"b":["a","a",{"a":"\\":"}]}';
    expect(parseStrictJson(text, 12)).toEqual(JSON.parse(text));
  });
});
