/** The mutation run itself: what it changes, that it finds out who minds, and that its lists are up to date. */
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { EQUIVALENTS } from './equivalents.ts';
import { mutate } from './mutants.ts';
import { TARGETS } from './targets.ts';
import { patienceMs, tryMutants } from './try-mutants.ts';
import { upTo } from '../long/extent.ts';
import { longIt } from '../long/long-it.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const SAMPLE = join(import.meta.dirname, 'sample');
const changesOf = (source: string): string[] =>
  mutate(source).mutants.map(({ from, to }) => `${from} → ${to}`);

describe('a mutant', () => {
  it.each([
    ['x = a < b;', ['a < b → a <= b', 'a < b → a >= b']],
    ['x = a === b;', ['a === b → a !== b']],
    ['x = a + b;', ['a + b → a - b']],
    ["x = a + 'text';", []],
    ['x = a && b;', ['a && b → (a) || (b)']],
    ['x = a ?? b;', ['a ?? b → (a) && (b)']],
    ['x = !a;', ['!a → a']],
    ['x += 1;', ['x += 1 → x -= 1']],
    ['x = a ? 1 : 2;', ['a → true', 'a → false']],
    ['if (a) b = 1;', ['a → true', 'a → false']],
    ['while (a) { b = 1; }', ['a → false']],
    ['x = true;', ['true → false']],
    ['x = list.filter(f);', ['list.filter(f) → list']],
    ['x = a?.list.filter(f);', []],
    ['x = Math.min(a, b);', ['Math.min(a, b) → Math.max(a, b)']],
    ['x = a.min(b);', []],
    ['x = a.toString();', []],
  ])('of %s is %j', (source, changes) => {
    const found = changesOf(source).filter((change) => !change.endsWith('→ {}'));
    expect(found).toEqual(changes);
  });

  it('is a statement that is not there, or an answer that is not given', () => {
    expect(changesOf('function f() { g(); if (a) return 1; return h(a); }')).toEqual([
      'g(); → {}',
      'a → true',
      'a → false',
      'return h(a); → return undefined;',
    ]);
  });

  it('is none of what people read: log lines and the texts of errors', () => {
    expect(changesOf("logger.debug({ a: !b }, 'x'); this.#logger.info(a + b);")).toEqual([]);
    expect(changesOf('const e = new StarlingError(a, b > c ? d : e);')).toEqual([]);
  });

  it('is none of a type', () => {
    expect(changesOf('interface A { b: true } type C = A extends B ? true : false;')).toEqual([]);
  });
});

describe('a mutated file', () => {
  it('does what it did while every mutant is off', () => {
    const source = readFileSync(join(SAMPLE, 'clamp.ts'), 'utf8').replace('export ', '');
    const { code } = mutate(source.replaceAll(': number', ''));
    const off = { on: () => false, tick: () => undefined };
    // oxlint-disable-next-line no-implied-eval
    const clamp = new Function('__mutants__', `${code}; return clamp;`)(off) as (
      n: number,
    ) => number;
    expect([0, 3, 10, 30].map(clamp)).toEqual([0, 3, 10, 10]);
  });
});

describe('the lists', () => {
  const mutants = new Map(
    TARGETS.map(({ file }) => [file, mutate(readFileSync(join(ROOT, file), 'utf8')).mutants]),
  );

  it('name each file once, and tests that exist', () => {
    expect(mutants.size).toBe(TARGETS.length);
    for (const { tests } of TARGETS) for (const path of tests) readFileSync(join(ROOT, path));
  });

  it('hold no equivalent whose place is gone', () => {
    const gone = EQUIVALENTS.filter(
      ({ file, line, from, to }) =>
        mutants
          .get(file)
          ?.some((each) => each.lineText === line && each.from === from && each.to === to) !== true,
    );
    expect(gone).toEqual([]);
  });
});

describe('a run', () => {
  const source = join(SAMPLE, 'clamp.ts');
  const { mutants } = mutate(readFileSync(source, 'utf8'));
  const named = ({ from, to }: (typeof mutants)[number]): string => `${from} → ${to}`;
  const run = async (tests: string, tried = mutants): Promise<string[]> => {
    const ids = tried.map(({ id }) => id);
    const { killed } = await tryMutants({ source, tests: [join(SAMPLE, tests)], ids });
    return tried.filter(({ id }) => !killed.has(id)).map(named);
  };

  it('finds every mutant killed by good tests, also one without an end and one of the load', async () => {
    // At the limit itself both answers are one.
    expect(await run('strong-tests.ts')).toEqual(['counted > LIMIT → counted >= LIMIT']);
  });

  it('finds who survives tests that look at nothing', async () => {
    // Each survivor costs a process of its own, so that only some are tried.
    const survivors = ['counted > LIMIT → false', 'Math.min(10, 20) → Math.max(10, 20)'].slice(
      0,
      upTo(1, 2),
    );
    const dead = 'return counted > LIMIT ? LIMIT : counted; → return undefined;';
    const tried = mutants.filter((mutant) => [...survivors, dead].includes(named(mutant)));
    expect(tried).toHaveLength(survivors.length + 1);
    expect((await run('weak-tests.ts', tried)).toSorted()).toEqual(survivors.toSorted());
  });

  longIt('has no survivor in a small file of ours', async () => {
    const file = 'src/core/time/duration.ts';
    const target = TARGETS.find((each) => each.file === file);
    const all = mutate(readFileSync(join(ROOT, file), 'utf8')).mutants.map(({ id }) => id);
    const { killed } = await tryMutants({
      source: join(ROOT, file),
      tests: (target?.tests ?? []).map((path) => join(ROOT, path)),
      ids: all,
    });
    expect(all.filter((id) => !killed.has(id))).toEqual([]);
  });
});

it('nothing is held against a process that a busy machine has not loaded within a minute', () => {
  expect(patienceMs('')).toBeGreaterThan(60_000);
  expect(patienceMs('{"kind":"begin","id":1}\n')).toBeLessThan(60_000);
});
