/** Editing the files of others: what is meant is changed, and no other byte. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { removeProperty, setProperty } from '../../../src/cli/client-files/jsonc-edit.ts';
import { maskOthers, nodeAt, parseJsonc, valueOf } from '../../../src/cli/client-files/jsonc.ts';
import type { Json, JsonObject } from '../../../src/core/index.ts';

const FILE = 'mcp.json';
const ENTRY = { command: 'node', args: ['cli.js', 'mcp'] };

const set = (text: string, path = 'servers.starling', value: Json = ENTRY): string =>
  setProperty({ text, file: FILE }, path.split('.'), value);
const remove = (text: string, path = 'servers.starling'): string =>
  removeProperty({ text, file: FILE }, path.split('.'));
const lines = (...all: string[]): string => all.join('\n');

describe('setting a property', () => {
  it('keeps comments, trailing commas, tabs and the form of the others', () => {
    const before = lines(
      '// my servers',
      '{',
      '\t"servers": {',
      '\t\t"a": {"command":"x"}, // first',
      '\t\t/* second */ "b": { "command": "y", },',
      '\t},',
      '\t"inputs": [],',
      '}',
      '',
    );
    expect(set(before)).toBe(
      before.replace(
        '"y", },\n',
        lines(
          '"y", },',
          '\t\t"starling": {',
          '\t\t\t"command": "node",',
          '\t\t\t"args": ["cli.js", "mcp"]',
          '\t\t},',
          '',
        ),
      ),
    );
  });

  it('puts the comma before a comment that belongs to the last one', () => {
    expect(set('{\n  "a": 1 // one\n}\n', 'b', 2)).toBe('{\n  "a": 1, // one\n  "b": 2\n}\n');
  });

  it.each([
    ['{}', '{\n  "a": 1\n}'],
    ['{\n}\n', '{\n  "a": 1\n}\n'],
    ['{ "x": {} }', '{ "x": {}, "a": 1 }'],
    ['{"x":2,}', '{"x":2, "a": 1,}'],
    ['{\r\n    "x": 2\r\n}\r\n', '{\r\n    "x": 2,\r\n    "a": 1\r\n}\r\n'],
    ['{\n  "x": 2 }', '{\n  "x": 2,\n  "a": 1\n }'],
    ['{\n  // none yet\n}', '{\n  // none yet\n  "a": 1\n}'],
    ['{\n  "a": { "b": 2 }, // old\n  "c": 3\n}', '{\n  "a": 1, // old\n  "c": 3\n}'],
    ['{"a":[1,2]}', '{"a":1}'],
  ])('%j becomes %j', (before, after) => {
    expect(set(before, 'a', 1)).toBe(after);
  });

  it('makes the objects on the way', () => {
    expect(set('{\n  "theme": "dark"\n}\n')).toBe(
      lines(
        '{',
        '  "theme": "dark",',
        '  "servers": {',
        '    "starling": {',
        '      "command": "node",',
        '      "args": ["cli.js", "mcp"]',
        '    }',
        '  }',
        '}',
        '',
      ),
    );
    expect(set('{"theme":"dark","servers":{}}', 'servers.a', { x: [] })).toBe(
      '{"theme":"dark","servers":{"a": { "x": [] }}}',
    );
  });

  it('does not overwrite what is no object', () => {
    expect(() => set('{"servers":[]}')).toThrow("'servers' in it is no object");
    expect(() => set('[]')).toThrow('its content is no object');
  });
});

describe('removing a property', () => {
  it('takes its line and its comment along, and nothing else', () => {
    const before = lines(
      '{',
      '  "servers": {',
      '    "a": { "command": "x" }, // keep',
      '    // keep this, too',
      '    "starling": {',
      '      "command": "node"',
      '    } // gone',
      '  }',
      '}',
    );
    expect(remove(before)).toBe(
      lines(
        '{',
        '  "servers": {',
        '    "a": { "command": "x" } // keep',
        '    // keep this, too',
        '  }',
        '}',
      ),
    );
  });

  it.each([
    ['{"a":1}', '{}'],
    ['{\n  "a": 1\n}\n', '{}\n'],
    ['{ "a": 1, "b": 2 }', '{ "b": 2 }'],
    ['{ "b": 2, "a": 1 }', '{ "b": 2 }'],
    ['{"b":2,"a":1,}', '{"b":2,}'],
    ['{\r\n  "a": 1,\r\n  "b": 2\r\n}', '{\r\n  "b": 2\r\n}'],
    ['{"b":2,/* b */ "a":1 /* a */}', '{"b":2 /* a */}'],
    ['{ "b": 2 }', '{ "b": 2 }'],
  ])('%j becomes %j', (before, after) => {
    expect(remove(before, 'a')).toBe(after);
  });
});

describe('a key that stands twice', () => {
  const twice = '{"servers":{"a":{}},"x":[{"b":1,"b":2}],"servers":{}}';

  it('is not edited, because programs disagree which of the two counts', () => {
    expect(() => set(twice)).toThrow("mcp.json can't be edited: 'servers' stands in it twice");
    expect(() => remove(twice)).toThrow("'servers' stands in it twice");
    expect(() => set('{"s":{"a":1,"a":2}}', 's.a.b')).toThrow("'s.a' stands in it twice");
  });

  it('does no harm elsewhere in the file', () => {
    const elsewhere = '{"x":[{"b":1,"b":2}]}';
    expect(set(elsewhere, 'y', 1)).toBe('{"x":[{"b":1,"b":2}], "y": 1}');
    expect(valueOf(parseJsonc(elsewhere, FILE))).toEqual({ x: [{ b: 2 }] });
  });
});

describe('showing a file', () => {
  it('masks every text but keys and the entry itself', () => {
    const text = '{"servers": {"a": {"env": ["hunter2", 1]}, "starling": {"command": "node"}}}';
    const root = parseJsonc(text, FILE);
    expect(maskOthers(text, root, nodeAt(root, ['servers', 'starling'], FILE))).toBe(
      text.replace('hunter2', '…'),
    );
  });
});

describe('any file', () => {
  const spaces = fc.constantFrom('', ' ', '\n', '\n  ', '\r\n\t', ' /* c, } */ ', ' // "x": 1,\n');
  const key = fc.constantFrom('a', 'b', 'starling', '__proto__', 'q"\\u', 'constructor');
  const tree = fc.letrec<{ value: Json; object: JsonObject }>((tie) => ({
    value: fc.oneof(
      { depthSize: 'small' },
      fc.constantFrom<Json>(1, -2.5e3, null, true, 'x // y', '/* }', ''),
      fc.array(tie('value'), { maxLength: 3 }),
      tie('object'),
    ),
    object: fc
      .uniqueArray(fc.tuple(key, tie('value')), { selector: ([name]) => name, maxLength: 4 })
      .map((entries) => Object.fromEntries(entries) as JsonObject),
  })).object;

  /** Writes a tree with spaces and comments everywhere. */
  function written(value: Json, gap: () => string, comma: () => boolean): string {
    const list = (parts: readonly string[], open: string, close: string): string => {
      const end = parts.length > 0 && comma() ? `,${gap()}` : '';
      return `${open}${parts.map((part) => gap() + part + gap()).join(',')}${end}${gap()}${close}`;
    };
    if (Array.isArray(value)) {
      return list(
        value.map((item: Json) => written(item, gap, comma)),
        '[',
        ']',
      );
    }
    if (typeof value !== 'object' || value === null) return JSON.stringify(value);
    const parts = Object.entries(value).map(
      ([name, below]) =>
        `${JSON.stringify(name)}${gap()}:${gap()}${written(below ?? null, gap, comma)}`,
    );
    return list(parts, '{', '}');
  }

  const files = fc
    .tuple(tree, fc.infiniteStream(spaces), fc.infiniteStream(fc.boolean()))
    .map(([value, gaps, commas]) => {
      const gap = (): string => gaps.next().value;
      return { value, text: gap() + written(value, gap, () => commas.next().value) + gap() };
    });

  it('is read as what it says', () => {
    fc.assert(
      fc.property(files, ({ value, text }) => {
        expect(valueOf(parseJsonc(text, FILE))).toEqual(value);
      }),
    );
  });

  it('says the new value after setting, the old one after removing, and loses no comment', () => {
    const comments = (text: string): number => text.split(/\/\* c, \} \*\/|\/\/ "x": 1,/).length;
    fc.assert(
      fc.property(files, key, ({ value, text }, name) => {
        // `setProperty` itself reads its result again and compares; here it must not even complain.
        const added = setProperty({ text, file: FILE }, ['servers', name], ENTRY);
        expect(valueOf(parseJsonc(added, FILE))).toEqual({ ...value, servers: { [name]: ENTRY } });
        expect(comments(added)).toBe(comments(text));
        const removed = removeProperty({ text: added, file: FILE }, ['servers']);
        expect(valueOf(parseJsonc(removed, FILE))).toEqual(value);
      }),
    );
  });
});

describe('a file that is none', () => {
  it.each([
    ['', 'line 1, column 1: expected a value'],
    ['{"a":1 "b":2}', "line 1, column 8: expected ',' or the closing bracket"],
    ['{\n  a: 1\n}', 'line 2, column 3: expected a key or a value (text in double quotes)'],
    ['{"a":1}}', 'line 1, column 8: expected the end'],
    ['{"a": hunter2}', 'line 1, column 7: expected a key or a value'],
    ['{,}', 'line 1, column 2: expected a value'],
    ['{"a":1,,}', 'line 1, column 8: expected a key'],
    ['[1,,]', 'line 1, column 4: expected a value'],
    ['{"a":1} /* no end', "line 1, column 9: expected the comment's closing */"],
    ['['.repeat(10_000), 'expected no more than 256 levels'],
  ])('%# says where, and nothing of what is in it', (text, where) => {
    const error = (() => {
      try {
        return parseJsonc(text, FILE);
      } catch (error) {
        return error;
      }
    })();
    expect(error).toMatchObject({ code: 'STARLING_CONFIG_INVALID' });
    expect(String(error)).toContain(where);
    expect(String(error)).not.toContain('hunter2');
  });
});
