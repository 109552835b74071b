/** The caveat `args` by itself: its bounds, what is malformed, and which rules cover which. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { StarlingError } from '../../../src/core/index.ts';
import type { Json, JsonObject } from '../../../src/core/index.ts';
import {
  coversArguments,
  parseArgumentRules,
  problemOf,
  readCallArguments,
  readParsedArguments,
} from '../../../src/grants/chain/argument-caveat.ts';

function rules(value: Json): NonNullable<ReturnType<typeof parseArgumentRules>> {
  const parsed = parseArgumentRules(value);
  if (parsed === undefined) throw new Error(`not read: ${JSON.stringify(value)}`);
  return parsed;
}
const problem = (rule: Json, args: JsonObject): string | undefined =>
  problemOf(rules({ it: rule }), args);
const covers = (parent: Json, child: Json): boolean =>
  coversArguments(rules({ it: parent }), rules({ it: child }));
const many = <Item>(count: number, item: (index: number) => Item): Item[] =>
  Array.from({ length: count }, (_, index) => item(index));

describe('argument rules', () => {
  it.each<readonly [string, Json]>([
    ['no object', 'path'],
    ['a list', [{ const: 'a' }]],
    ['nothing', {}],
    ['a rule that is a text', { path: 'a' }],
    ['a rule that is a list', { path: ['const'] }],
    ['a rule without a word', { path: {} }],
    ['a name of no letters', { '': { const: 'a' } }],
    ['an unknown word', { path: { const: 'a', pattern: 'b' } }],
    ['a const that is an object', { path: { const: { a: 1 } } }],
    ['an enum that is no list', { path: { enum: 'a' } }],
    ['an empty enum', { path: { enum: [] } }],
    ['one bad value among good ones', { path: { enum: ['a', {}, 'b'] } }],
    ['a prefix that is a number', { path: { prefix: 7 } }],
    ['a minimum that is a text', { path: { minimum: '7' } }],
    ['a maximum that is a text', { path: { maximum: '7' } }],
    ['paths that are no list', { path: { paths: '/srv/**' } }],
    ['no paths', { path: { paths: [] } }],
    ['one bad path among good ones', { path: { paths: ['/srv/**', '/srv/../**'] } }],
    ['a path that is a number', { path: { paths: [7] } }],
  ])('are not read from %s', (_what, value) => {
    expect(parseArgumentRules(value)).toBeUndefined();
  });

  it('are bounded in number, in the length of a name, and in their alternatives', () => {
    const names = (count: number): Json =>
      Object.fromEntries(many(count, (index) => [`a${index}`, { const: 1 }]));
    const least = (read: (size: number) => unknown): number => {
      let size = 1;
      while (size < 2000 && read(size) !== undefined) size += 1;
      return size - 1;
    };
    const bounds = [
      least((size) => parseArgumentRules(names(size))),
      least((size) => parseArgumentRules({ ['x'.repeat(size)]: { const: 1 } })),
      least((size) => parseArgumentRules({ it: { enum: many(size, (index) => index) } })),
      least((size) => parseArgumentRules({ it: { paths: many(size, (index) => `/a${index}`) } })),
    ];
    expect(bounds).toEqual([32, 256, 64, 64]);
  });

  it('of const and enum together let through what both do', () => {
    expect(problem({ const: 'b', enum: ['a', 'b'] }, { it: 'b' })).toBeUndefined();
    expect(problem({ const: 'b', enum: ['a', 'b'] }, { it: 'a' })).toContain('outside');
    expect(problem({ const: 'c', enum: ['a', 'b'] }, { it: 'c' })).toContain('outside');
  });

  it('say which argument is missing, outside, or there a second time, and what is granted', () => {
    expect(problem({ const: 'a' }, {})).toBe('the argument it is missing (granted: it = "a")');
    expect(problem({ const: 'a' }, { it: 'b' })).toBe(
      'the argument it is outside of what is granted (granted: it = "a")',
    );
    expect(problem({ paths: ['/srv/a', '/srv/b/**'] }, { it: '/etc' })).toBe(
      'the argument it is outside of what is granted (granted: it in /srv/a | /srv/b/**)',
    );
    expect(problem({ const: 'a' }, { it: 'a', IT: 'b' })).toBe(
      'the argument IT is there a second time',
    );
    expect(problemOf(rules({ toString: { const: 'a' } }), {})).toBe(
      'the argument toString is missing (granted: toString = "a")',
    );
  });

  it('are not met by a number next to the one that a server reads', () => {
    const judged = (rule: Json, text: string): string | undefined =>
      problem(rule, readCallArguments(`{"it":${text}}`));
    // JSON.parse reads both as 9007199254740992, Python reads what is written.
    expect(judged({ maximum: 9_007_199_254_740_992 }, '9007199254740993')).toContain('outside');
    expect(judged({ const: 9_007_199_254_740_992 }, '9007199254740993')).toContain('outside');
    expect(judged({ minimum: 0 }, '1e400')).toContain('outside');
    expect(judged({ maximum: 9_007_199_254_740_992 }, '9007199254740992')).toBeUndefined();
    expect(judged({ maximum: 1 }, '0.30000000000000004')).toBeUndefined();
  });

  it('hold whatever separates the words of a name, and in whatever letters', () => {
    for (const twin of ['i_t', 'i-t', '\u0131t', 'ıT']) {
      expect(problem({ const: 'a' }, { it: 'a', [twin]: 'b' })).toContain('a second time');
    }
  });

  it('look into arguments as deep as they are read, and no further', () => {
    const nested = (depth: number, inner: Json): Json =>
      depth === 0 ? inner : { more: nested(depth - 1, inner) };
    const deepest = (inner: Json): number => {
      let depth = 0;
      while (
        depth < 200 &&
        problem({ const: 'a' }, { it: 'a', more: nested(depth, inner) }) === undefined
      )
        depth += 1;
      return depth;
    };
    // A twin is found at any depth; what is deeper than that is refused whole.
    expect(deepest({ It: 'b' })).toBe(0);
    expect(problem({ const: 'a' }, { it: 'a', more: nested(5, { iT: 'b' }) })).toContain('iT');
    const limit = deepest('leaf');
    expect(limit).toBeGreaterThan(5);
    const whole: Json = { it: 'a', more: nested(limit - 1, 'leaf') };
    expect(readCallArguments(JSON.stringify(whole))).toEqual(whole);
    expect(problem({ const: 'a' }, { it: 'a', more: nested(limit, 'leaf') })).toContain('…');
  });

  it('bear a list of up to so many paths', () => {
    const rule = { paths: ['/srv/*'] };
    const given = (count: number): string | undefined =>
      problem(rule, { it: many(count, (index) => `/srv/${index}`) });
    let most = 1;
    while (most < 5000 && given(most) === undefined) most += 1;
    expect(most - 1).toBe(1024);
  });
});

describe('argument rules of a child', () => {
  it.each<readonly [parent: Json, child: Json, expected: boolean]>([
    [{ const: 'a' }, { const: 'a' }, true],
    [{ enum: ['a', 'b'] }, { const: 'a' }, true],
    [{ enum: ['a', 'b'] }, { enum: ['b', 'a'] }, true],
    [{ enum: ['a', 'b'] }, { enum: ['a', 'c'] }, false],
    [{ const: 'a' }, { prefix: 'a' }, false],
    [{ prefix: 'a' }, { const: 'ab' }, true],
    [{ prefix: 'a' }, { const: 'ba' }, false],
    [{ prefix: 'a' }, { prefix: 'ab' }, true],
    [{ prefix: 'ab' }, { prefix: 'a' }, false],
    [{ prefix: 'ab' }, { minimum: 1 }, false],
    [{ minimum: 1 }, { minimum: 1 }, true],
    [{ minimum: 1 }, { minimum: 2 }, true],
    [{ minimum: 2 }, { minimum: 1 }, false],
    [{ minimum: 1 }, { maximum: 5 }, false],
    [{ maximum: 5 }, { minimum: 1 }, false],
    [{ maximum: 5 }, { maximum: 5 }, true],
    [{ maximum: 5 }, { maximum: 6 }, false],
    [{ minimum: -9, maximum: 9 }, { minimum: -1, maximum: 1 }, true],
    [{ minimum: 1, maximum: 5 }, { enum: [1, 5] }, true],
    [{ minimum: 1, maximum: 5 }, { enum: [1, 6] }, false],
    [{ paths: ['/srv/**', '/tmp/*'] }, { paths: ['/tmp/a', '/srv/a/b'] }, true],
    [{ paths: ['/srv/**'] }, { paths: ['/srv/a', '/tmp/a'] }, false],
    [{ paths: ['/srv/**'] }, { prefix: '/srv/' }, false],
    [{ paths: ['/srv/**'] }, { const: '/srv/a' }, true],
    [{ paths: ['/srv/**'] }, { const: '/tmp/a' }, false],
    [{ prefix: '/srv/' }, { prefix: '/srv/', paths: ['/tmp/a'] }, true],
  ])('under %j may be %j: %s', (parent, child, expected) => {
    expect(covers(parent, child)).toBe(expected);
  });

  it('keep each name of the parent, and may have more', () => {
    const parent = rules({ a: { const: 1 }, b: { const: 2 } });
    expect(coversArguments(parent, rules({ a: { const: 1 } }))).toBe(false);
    expect(coversArguments(parent, rules({ a: { const: 3 }, b: { const: 2 } }))).toBe(false);
    expect(
      coversArguments(parent, rules({ b: { const: 2 }, a: { const: 1 }, c: { const: 3 } })),
    ).toBe(true);
  });
});

describe('the arguments of a call', () => {
  it.each([
    ['[]', 'no object'],
    ['"a"', 'no object'],
    ['{"a":1,"a":2}', 'more than one way'],
    ['{', 'more than one way'],
  ])('are not read from %s', (text, why) => {
    try {
      readCallArguments(text);
    } catch (error) {
      expect(error).toBeInstanceOf(StarlingError);
      expect(error).toMatchObject({ code: 'STARLING_CALL_REFUSED', data: { rule: 'args' } });
      expect((error as Error).message).toContain(why);
      return;
    }
    throw new Error('they were read');
  });
});

describe('arguments that were parsed before', () => {
  const read = (text: string, parsed?: JsonObject): unknown => {
    try {
      return parsed === undefined
        ? readCallArguments(text, 3)
        : readParsedArguments(Buffer.from(text), parsed, 3);
    } catch (error) {
      return error instanceof StarlingError ? error.message : error;
    }
  };

  it.each([
    '{}',
    '{"a":[1,{"b":"c"}],"d":null}',
    '{"a":1,"a":2}',
    '{"a":{"b":1,"\\u0062":2}}',
    '{"__proto__":{"a":1}}',
    '{"a":{"b":{"c":{}}}}',
    '{"a":12345678901234567890}',
    '{"a":1e400,"b":0.1}',
    '{"a":[9007199254740993]}',
    '{"a":{"b":[9007199254740993]}}',
    '{"a":0.1000000000000000055}',
    '{"a":-5E-324,"b":2e-400}',
    '{"12345678901234567890":"1e400 \\" 12345678901234567890"}',
    '{"a":true,"e":[1,2],"b":123456789012345 , "c":0.30000000000000004}',
  ])('mean the same as those that were not: %s', (text) => {
    expect(read(text, JSON.parse(text) as JsonObject)).toEqual(read(text));
  });

  it('are those that were parsed, where nothing is odd about them', () => {
    const parsed: JsonObject = { a: 'b', n: 1 };
    expect(readParsedArguments(Buffer.from('{"a":"b","n":1}'), parsed)).toBe(parsed);
  });

  it('mean the same whatever is in them', () => {
    const digits = fc.stringMatching(/^-?(0|[1-9]\d{0,19})(\.\d{1,19})?([eE][+-]?\d{1,3})?$/);
    const members = fc.array(fc.tuple(fc.string(), fc.oneof(digits, fc.json())), { maxLength: 4 });
    fc.assert(
      fc.property(members, (list) => {
        const text = `{${list.map(([name, value]) => `${JSON.stringify(name)}:${value}`).join()}}`;
        expect(read(text, JSON.parse(text) as JsonObject)).toEqual(read(text));
      }),
    );
  });
});
