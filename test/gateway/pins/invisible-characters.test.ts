/** Invisible text in definitions: found wherever it stands, and never where writing needs it. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { findInvisible, revealInvisible } from '../../../src/gateway/pins/invisible-characters.ts';

const flagged = (text: string): readonly string[] =>
  findInvisible({ description: text }).map(({ character }) => character);

describe('invisible text', () => {
  it.each([
    ['tag characters', 'add\u{E0041}\u{E0042}', ['U+E0041', 'U+E0042']],
    ['bidi overrides', 'a\u202Eb\u202C', ['U+202E', 'U+202C']],
    ['bidi isolates', 'a\u2066b\u2069', ['U+2066', 'U+2069']],
    ['direction marks in left-to-right text', 'abc\u200Fdef', ['U+200F']],
    ['zero-width spaces', 'a\u200Bb', ['U+200B']],
    ['joiners between Latin letters', 'a\u200Db\u200Cc', ['U+200D', 'U+200C']],
    ['byte order marks', 'a\uFEFF', ['U+FEFF']],
    ['supplementary variation selectors', '👍\u{E0100}\u{E0101}', ['U+E0100', 'U+E0101']],
    ['heaps of variation selectors', '❤\uFE0F\uFE0F\uFE0E', ['U+FE0F', 'U+FE0E']],
    [
      'other default-ignorables',
      'a\u00AD\u034F\u3164\u2062',
      ['U+00AD', 'U+034F', 'U+3164', 'U+2062'],
    ],
    ['control characters', 'a\u0000\u001B[2J\u009B', ['U+0000', 'U+001B', 'U+009B']],
    ['line separators', 'a\u2028b\u2029', ['U+2028', 'U+2029']],
    ['lone surrogates', 'a\uD800b', ['U+D800']],
    ['tags behind a flag that nobody has', '🏴\u{E0061}\u{E007F}', ['U+E0061', 'U+E007F']],
    ['heaps of marks in right-to-left text', 'שלום\u200F\u200E\u200F', ['U+200F', 'U+200E']],
  ])('is found: %s', (_, text, characters) => {
    expect(flagged(text)).toEqual(characters);
  });

  it.each([
    ['plain text with layout', 'Reads a file.\n\t- path: where it is\r\n'],
    ['emoji of families and skins', '👩‍👩‍👧‍👦 👩🏽‍💻 🧑‍⚕️'],
    ['emoji with a colour style', '❤️ ❤️‍🔥 ™️ ☎︎'],
    ['rainbow, keycaps and the Scottish flag', '🏳️‍🌈 1️⃣ #️⃣ 🏴󠁧󠁢󠁳󠁣󠁴󠁿'],
    ['Persian with non-joiners', 'می‌خواهم کتاب‌ها را بخوانم'],
    ['Hebrew with a mark after its stop', 'קורא קובץ (README.md)\u200F.'],
    ['Arabic', 'يقرأ ملفًا من القرص'],
    ['Hindi and Sinhala with joiners', 'क्‍ष ශ්‍රී'],
    ['Japanese, Korean and Chinese', 'ファイルを読む 파일 읽기 读取文件'],
  ])('is not found in %s', (_, text) => {
    expect(flagged(text)).toEqual([]);
    expect(revealInvisible(text)).toBe(text);
  });

  it('is named by where it stands, in names of arguments and in their defaults too', () => {
    const flags = findInvisible({
      name: 'add',
      inputSchema: {
        properties: { 'a\u200B': { description: 'x\u200By\u200B' }, b: { enum: ['ok', '\u202E'] } },
      },
    });
    expect(flags).toEqual([
      {
        where: 'inputSchema.properties.a\\u{200B}',
        kind: 'zero-width',
        character: 'U+200B',
        count: 1,
      },
      {
        where: 'inputSchema.properties.a\\u{200B}.description',
        kind: 'zero-width',
        character: 'U+200B',
        count: 2,
      },
      { where: 'inputSchema.properties.b.enum[1]', kind: 'bidi', character: 'U+202E', count: 1 },
    ]);
  });

  it('counts a line end where there may be one line only', () => {
    const value = { name: 'a\nb', description: 'a\nb' };
    expect(findInvisible(value, new Set(['name']))).toEqual([
      { where: 'name', kind: 'control', character: 'U+000A', count: 1 },
    ]);
  });

  it('is bounded, however much there is', () => {
    const flags = findInvisible(
      Object.fromEntries(
        Array.from({ length: 100 }, (_, index) => [`k${index}`, '\u200B'.repeat(20_000)]),
      ),
    );
    expect(flags).toHaveLength(32);
    expect(flags[0]?.count).toBe(10_000);
  });

  it('is always found when there is some amid letters, and is then shown', () => {
    const hidden = fc.constantFrom(
      0x200b,
      0x2060,
      0xfeff,
      0x202e,
      0xe0020,
      0xe007f,
      0xe01ef,
      0x00ad,
      0x7f,
    );
    const plain = fc.string({ unit: fc.constantFrom('a', 'é', 'ש', 'م', '字', '👍', ' ', '\\') });
    fc.assert(
      fc.property(plain, hidden, plain, (before, code, after) => {
        const character = String.fromCodePoint(code);
        const text = `${before}${character}${after}`;
        expect(flagged(before + after)).toEqual([]);
        expect(flagged(text)).toHaveLength(1);
        const escaped = `\\u{${code.toString(16).toUpperCase()}}`;
        expect(revealInvisible(text)).toBe(`${before}${escaped}${after}`);
      }),
      { seed: 3 },
    );
  });
});
