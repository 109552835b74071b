/** What is planted in strong boards, to see that runs find it, and how runs judge what callers were told. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseAst } from 'rolldown/parseAst';
import { describe, expect, it } from 'vitest';
import { FAULTS, allEdits, plantedIn } from '../../../sim/bench/board/runs/faults.ts';
import { sideBySide } from '../../../sim/bench/board/runs/side-by-side.ts';
import { StrongHistory } from '../../../sim/bench/board/runs/strong-history.ts';
import type { ValueAsk } from '../../../sim/bench/board/runs/strong-history.ts';
import { FAULTS as WORLD_FAULTS } from '../../blackboard/quorum/quorum-world.ts';
import type { JsonObject } from '../../../src/core/index.ts';
import { projectRoot } from '../../../sim/project-root.ts';

const QUORUM = join(projectRoot(), 'src/blackboard/quorum');

it('each place at which a fault is planted is in the sources once, and what stands there instead can be run', async () => {
  const files = new Set(allEdits().map(({ file }) => file));
  expect(files.size).toBeGreaterThan(6);
  for (const file of files) {
    const planted = plantedIn(file, await readFile(join(QUORUM, file), 'utf8'));
    expect(parseAst(planted, { lang: 'ts' }).body.length).toBeGreaterThan(0);
    for (const { text, instead } of allEdits().filter((edit) => edit.file === file)) {
      expect([text, planted.includes(instead)]).toEqual([text, true]);
    }
  }
  expect(() => plantedIn('groups.ts', 'another source')).toThrow(/groups.ts does not hold once/);
});

it('each fault that is planted in processes is found in the simulated worlds of the suite as well', () => {
  expect(FAULTS.filter((fault) => !WORLD_FAULTS.some((one) => one === fault))).toEqual([]);
});

it('runs that go on at once have places of their own, and what each has shown stays in order', async () => {
  const busy = new Set<number>();
  const places = new Set<number>();
  const results = await sideBySide([3, 1, 2, 0, 5], 2, async (job, place) => {
    expect(busy.has(place)).toBe(false);
    busy.add(place);
    places.add(place);
    for (let turn = 0; turn < job; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    busy.delete(place);
    return job * 10;
  });
  expect([results, [...places]]).toEqual([
    [30, 10, 20, 0, 50],
    [0, 1],
  ]);
  await expect(
    sideBySide([1], 2, async () => {
      throw new Error('no such run');
    }),
  ).rejects.toThrow('no such run');
});

/** A request and its outcome; undefined where nobody knows that. */
type Told = readonly [ValueAsk, JsonObject | undefined];

describe('a history of a strong board', () => {
  const set = (value: string): ValueAsk => ({ t: 'set', value });
  const done = (version: number) => ({ ok: true, version });
  const judge = (...told: readonly Told[]): string => {
    const history = new StrongHistory(['k']);
    // Each one begins after the one before has ended.
    for (const [at, [request, outcome]] of told.entries()) {
      history.add('k', request, { from: 2 * at, to: 2 * at + 1, outcome });
    }
    return history.judge().join();
  };

  const compared: Told = [
    { t: 'cas', value: 'c', expect: 'b' },
    { ok: false, version: 1, value: 'a' },
  ];
  const stale: Told = [{ t: 'get' }, { ok: true, version: 1, value: 'a' }];

  it.each<readonly [string, readonly Told[]]>([
    [
      'changes in turn',
      [
        [set('a'), done(1)],
        [{ t: 'delete' }, done(2)],
        [set('b'), done(3)],
      ],
    ],
    ['what a change and a failed comparison show', [[set('a'), done(1)], compared]],
    [
      'a change that nobody heard of and that happened',
      [
        [set('a'), undefined],
        [set('b'), done(2)],
      ],
    ],
    [
      'a change that nobody heard of and that did not',
      [
        [set('a'), undefined],
        [set('b'), done(1)],
      ],
    ],
  ])('fits where there are %s', (_, told) => {
    expect(judge(...told)).toBe('');
  });

  it.each<readonly [string, readonly Told[]]>([
    [
      'a change was lost',
      [
        [set('a'), done(1)],
        [set('b'), done(1)],
      ],
    ],
    [
      'a change came twice',
      [
        [set('a'), done(1)],
        [set('b'), done(3)],
      ],
    ],
    ['a change was told to have failed and did not', [[set('b'), done(2)]]],
    ['a reading is stale', [[set('a'), done(1)], [set('b'), done(2)], stale]],
  ])('does not fit where %s', (_, told) => {
    expect(judge(...told)).toMatch(/no order explains/);
  });

  it('has one holder of a lease, and later ones have higher numbers', () => {
    const history = new StrongHistory([]);
    history.addLease({ holder: 'ann', token: 4, from: 0, to: 1 });
    history.addLease({ holder: 'bob', token: 4, from: 0, to: 1 });
    history.addLease({ holder: 'cyd', token: 3, from: 2, to: 3 });
    expect(history.judge()).toEqual([
      'ann and bob both hold the lease 4',
      'the lease 3 was given after 4',
    ]);
  });
});
