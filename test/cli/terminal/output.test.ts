/** What is printed: tables that fit, sizes, colours, and nothing that a terminal would obey. */
import fc from 'fast-check';
import stringWidth from 'string-width';
import { describe, expect, it } from 'vitest';
import { readArguments } from '../../../src/cli/options/tool-arguments.ts';
import { contentOf } from '../../../src/cli/terminal/lines/tool-content.ts';
import { parsePort, parseTimeout } from '../../../src/cli/options/parsers.ts';
import {
  ago,
  columnsOf,
  cut,
  facts,
  fitted,
  safe,
  safeLine,
  size,
  table,
  wantsColour,
} from '../../../src/cli/terminal/output.ts';
import type { JsonObject } from '../../../src/core/index.ts';
import { anyText } from '../../fixtures/any-text.ts';

const wild = anyText({ maxLength: 200 });

describe('text from elsewhere', () => {
  it('never holds a control, escape, direction or invisible character', () => {
    fc.assert(
      fc.property(wild, (text) => {
        expect(safe(text)).not.toMatch(
          /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]/,
        );
        expect(safeLine(text)).not.toMatch(/[\n\t]/);
      }),
    );
  });

  it.each([
    ['clears the screen', '\u001B[2J'],
    ['sets the title', '\u001B]0;evil\u0007'],
    ['writes the clipboard', '\u001B]52;c;ZXZpbA==\u001B\\'],
    ['uses 8-bit control sequences', '\u009B2J'],
    ['goes back over the line', 'all is well\rFAILED'],
    ['turns the text around', '\u202Egpj.exe'],
    ['hides letters', 'a\u{E0041}b\u00ADc'],
  ])('that %s is shown as harmless text', (_, text) => {
    const shown = safe(text);
    expect(shown).toContain('\ufffd');
    expect(shown).not.toMatch(/[\u001B\u0007\u009B\r\u202E\u00AD]/);
    expect(safe(shown)).toBe(shown);
  });

  it('keeps lines of both kinds, tabs, accents and emoji', () => {
    expect(safe('a\r\nb\n\tc é 漢字 🐦')).toBe('a\nb\n\tc é 漢字 🐦');
  });
});

describe('a table', () => {
  it('has one line a row, whatever is in the cells', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(wild, wild), { maxLength: 10 }), (rows) => {
        expect(table(['A', 'B'], rows).split('\n')).toHaveLength(rows.length + 1);
      }),
    );
  });

  it('lines up wide and combining characters', () => {
    const [, first = '', second = ''] = table(
      ['A', 'B'],
      [
        ['漢字🐦', 'x'],
        ['e\u0301', 'x'],
      ],
    ).split('\n');
    expect(stringWidth(first)).toBe(stringWidth(second));
    expect(stringWidth('漢字🐦')).toBe(6);
    expect(stringWidth('e\u0301')).toBe(1);
    expect(cut('👩‍👩‍👧‍👦👩‍👩‍👧‍👦', 3)).toBe('👩‍👩‍👧‍👦…');
  });

  it('cuts only its flexible column when it does not fit', () => {
    const text = table(['NAME', 'WHAT'], [['a-long-name-to-copy', 'w'.repeat(80)]], {
      columns: 50,
      flexible: 1,
    });
    const [, row = ''] = text.split('\n');
    expect(stringWidth(row)).toBe(50);
    expect(row).toMatch(/^a-long-name-to-copy {2}w+…$/);
  });

  it('is never cut into uselessness, and never when nobody said so', () => {
    const rows = [['n'.repeat(60), 'w'.repeat(60)]];
    expect(table(['A', 'B'], rows, { columns: 20 })).toContain('w'.repeat(60));
    expect(table(['A', 'B'], rows, { columns: 20, flexible: 1 })).toMatch(/w{11}…/);
  });

  it('has all the room that there is where the terminal does not know how wide it is', () => {
    const terminal = { isTTY: true };
    expect(columnsOf({ ...terminal, columns: 80 })).toBe(80);
    // Terminals of some programs say 0.
    expect(columnsOf({ ...terminal, columns: 0 })).toBe(Infinity);
    expect(columnsOf(terminal)).toBe(Infinity);
    expect(columnsOf({ isTTY: false, columns: 80 })).toBe(Infinity);
  });

  it('goes on below in its column where cells wrap, and nothing is lost', () => {
    const what = 'tool/call tool:files/*, tool/call tool:git/log';
    const text = table(['ID', 'WHAT'], [['3f9c2a7e', what]], {
      columns: 40,
      flexible: 1,
      wrap: true,
    });
    expect(text.split('\n')).toEqual([
      'ID        WHAT',
      '3f9c2a7e  tool/call tool:files/*,',
      '          tool/call tool:git/log',
    ]);
  });

  it('that wraps fits whatever is in it, down to eight columns a cell', () => {
    fc.assert(
      fc.property(wild, wild, fc.integer({ min: 18, max: 90 }), (a, b, columns) => {
        const text = table(['A', 'B'], [[a, b]], { columns, flexible: 1, wrap: true });
        for (const line of text.split('\n')) {
          expect(stringWidth(line)).toBeLessThanOrEqual(columns);
        }
      }),
    );
  });

  it('cuts at whole characters', () => {
    expect(cut('漢字漢字', 5)).toBe('漢字…');
    fc.assert(
      fc.property(wild, fc.integer({ min: 1, max: 40 }), (text, columns) => {
        expect(stringWidth(cut(text, columns))).toBeLessThanOrEqual(columns);
      }),
    );
  });

  it('of facts lines labels up', () => {
    expect(
      facts([
        ['a', '1'],
        ['bcd', '2\n3'],
      ]),
    ).toBe('a    1\nbcd  2⏎3');
  });

  it('of facts goes on beside the label', () => {
    const text = facts([['mesh', 'a place for all the tools of ours']], 26);
    expect(text).toBe('mesh  a place for all the\n      tools of ours');
  });
});

describe('numbers', () => {
  it('of bytes are told in a fitting unit', () => {
    expect([0, 1023, 1536, 3_145_728].map(size)).toEqual(['0 B', '1023 B', '1.5 KiB', '3.0 MiB']);
  });

  it('of time past are told as ago, and never as negative', () => {
    expect(ago(0)).toBe('never');
    expect(ago(7000, 10_000)).toBe('3s ago');
    expect(ago(70_000, 10_000)).toBe('0s ago');
  });
});

describe('colour', () => {
  it.each([
    [true, {}, true],
    [true, { NO_COLOR: '1' }, false],
    [true, { NO_COLOR: '' }, true],
    [true, { TERM: 'dumb' }, false],
    [false, {}, false],
    [undefined, { CI: '1', FORCE_COLOR: '1' }, false],
  ])('on a terminal %s with %j: %s', (isTTY, env, wanted) => {
    expect(wantsColour(isTTY === undefined ? {} : { isTTY }, env)).toBe(wanted);
  });
});

describe('options', () => {
  it('take a bare number as a timeout in seconds', () => {
    expect([parseTimeout('30'), parseTimeout('5m')]).toEqual([30_000, 300_000]);
  });

  it.each(['-1', '65536', '80a', '', '1e3'])('refuse %j as a port', (text) => {
    expect(() => parsePort(text)).toThrow(/65535/);
  });
});

describe('arguments of a tool', () => {
  it('are read or refused by name, and never crash, whatever is typed', async () => {
    const schema = {
      properties: {
        n: { type: 'integer' },
        b: { type: 'boolean' },
        o: { type: ['object', 'null'] },
      },
    };
    const name = fc.constantFrom('n', 'b', 'o', 'x', '__proto__', 'constructor');
    const text = fc.string({ maxLength: 30 }).filter((value) => !value.startsWith('@'));
    await fc.assert(
      fc.asyncProperty(name, fc.constantFrom('=', ':='), text, async (key, how, value) => {
        try {
          const args = await readArguments([`${key}${how}${value}`], schema);
          expect(Object.keys(args)).toEqual([key]);
        } catch (error) {
          expect(error).toMatchObject({ code: 'STARLING_USAGE' });
          expect((error as Error).message).toContain(`--arg ${key}`);
        }
      }),
    );
  });

  it.each([
    [{ type: ['integer', 'null'] }, '3', 3],
    [{ anyOf: [{ type: 'number' }, { type: 'null' }] }, '3', 3],
    [{ oneOf: [{ type: 'number' }, { type: 'string' }] }, '3', '3'],
    [{ enum: ['3'] }, '3', '3'],
    [true, '3', '3'],
  ])('of schema %j: %s is %j', async (property, text, value) => {
    const schema = { properties: { a: property } } as JsonObject;
    expect(await readArguments([`a=${text}`], schema)).toEqual({ a: value });
  });

  it('may have a colon in their names', async () => {
    expect(await readArguments(['xml:lang=de', 'a:b:=1'], undefined)).toEqual({
      'xml:lang': 'de',
      'a:b': 1,
    });
  });
});

it('any result of a tool can be shown', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      expect(contentOf({ content: value })).toBeInstanceOf(Array);
    }),
  );
});

describe('a sentence on a terminal', () => {
  const HINT =
    "  → give it what it needs: starling grant create laptop --tool 'files/read_*' --expires 8h; or ask the person there";

  it('goes on below beside its begin, and keeps a command on one line', () => {
    expect(fitted(HINT, 60).split('\n')).toEqual([
      '  → give it what it needs:',
      "    starling grant create laptop --tool 'files/read_*' --expires 8h;",
      '    or ask the person there',
    ]);
    expect(fitted(HINT, 200)).toBe(HINT);
    // A pipe has no width.
    expect(fitted(HINT, Infinity)).toBe(HINT);
  });

  it('has its indent from a mark or a time, colours not counted', () => {
    const text = 'one two three four five six seven eight nine ten';
    expect(fitted(`05:29:07 ${text}`, 30)).toBe(
      '05:29:07 one two three four\n         five six seven eight\n         nine ten',
    );
    expect(fitted(`\u001B[33m!\u001B[39m ${text}`, 30)).toBe(
      '\u001B[33m!\u001B[39m one two three four five six\n  seven eight nine ten',
    );
    expect(fitted(`error: ${text}`, 30)).toBe(
      'error: one two three four\n  five six seven eight nine\n  ten',
    );
  });

  it.each([
    `    @reboot PATH=/usr/bin:/bin ${'x'.repeat(30)} starling up --state /home/me/state`,
    `+       "args": ["mcp", "--as", "cursor", "--state", "/home/me/state"]`,
    `\u001B[2m- a line of a file that is changed, and is as long as it is\u001B[22m`,
  ])('is left as it is where it is no sentence: %s', (line) => {
    expect(fitted(`one two\n${line}`, 30)).toBe(`one two\n${line}`);
  });

  it('loses no word, and has no line that is too wide but for a whole word or command', () => {
    const words = fc.array(fc.stringMatching(/^[a-z→!/.-]{1,12}$/), {
      minLength: 1,
      maxLength: 30,
    });
    fc.assert(
      fc.property(words, fc.integer({ min: 20, max: 100 }), (some, columns) => {
        // No line of a file.
        const text = `so ${some.join(' ')}`;
        const lines = fitted(text, columns).split('\n');
        expect(lines.map((line) => line.trim()).join(' ')).toBe(text);
        for (const line of lines) expect(stringWidth(line)).toBeLessThanOrEqual(columns);
      }),
    );
  });
});
