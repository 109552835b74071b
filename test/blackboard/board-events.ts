/** What can happen to boards and to their nodes, links and disks, for fast-check to choose and to make shorter. */
import fc from 'fast-check';

/** Nodes of a world, the first of which made the boards; a world has the first three to five of them. */
export const NAMES = ['ann', 'bob', 'cyd', 'dan', 'eve'] as const;
/** A board whose creator gives and takes back the right to write, and one that all may write. */
export const BOARDS = ['plan', 'wall'] as const;
export const KEYS = ['a', 'b', 'c', 'd'] as const;

/** How far a node's clock may be off, ms. */
export const SKEW_MS = 3000;

/** What one wrote whose right was taken back then, seen by ann before that and not seen. */
export const seenKeyOf = (name: string): string => `${name}/seen`;
export const unseenKeyOf = (name: string): string => `${name}/unseen`;

const who = fc.nat(NAMES.length - 1);
const other = who;
const board = fc.constantFrom(...BOARDS);
const key = fc.constantFrom(...KEYS);
/** Turns of the event loop before the next event: with none, the write is under way then. */
const turns = fc.nat(6);

const named = <K extends string, T extends object>(
  kind: K,
  more: { readonly [P in keyof T]: fc.Arbitrary<T[P]> },
): fc.Arbitrary<{ readonly kind: K; readonly who: number; readonly turns: number } & T> =>
  fc.record({ kind: fc.constant(kind), who, turns, ...more }) as never;

/** All that can happen: nothing is left out of {@link event}. */
export const KINDS: readonly BoardEvent['kind'][] = [
  'again',
  'away',
  'compact',
  'cut',
  'delete',
  'fail',
  'grant',
  'heal',
  'lose',
  'pass',
  'puts',
  'reads',
  'restart',
  'revoke',
  'set',
  'skew',
  'split',
];

/** One event. Numbers of nodes are taken modulo how many there are. */
export const event = fc.oneof(
  {
    weight: 9,
    arbitrary: named('set', {
      board,
      key,
      /** 0: the entry stays. */
      ttlMs: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 4000 })),
    }),
  },
  { weight: 4, arbitrary: named('delete', { board, key }) },
  // A key ends or is deleted, and lanes are begun anew, by writes that are dead at once; by large ones the log is folded.
  {
    weight: 3,
    arbitrary: named('compact', { key, ends: fc.boolean(), isLarge: fc.boolean() }),
  },
  { weight: 3, arbitrary: named('pass', { ms: fc.integer({ min: 1, max: 5000 }) }) },
  // A clock that is set forward or back.
  { weight: 2, arbitrary: named('skew', { ms: fc.integer({ min: -SKEW_MS, max: SKEW_MS }) }) },
  // Who is away for a month, while ann writes over what that one left, whose lanes ann adopts then.
  { weight: 2, arbitrary: named('away', {}) },
  // With something that ann has not seen of whom ann revokes, or without; on a disk that fails, or not.
  { weight: 3, arbitrary: named('revoke', { isUnseen: fc.boolean(), fails: fc.boolean() }) },
  { weight: 2, arbitrary: named('grant', {}) },
  { weight: 3, arbitrary: named('cut', { other }) },
  { weight: 1, arbitrary: named('split', { sides: fc.nat(31) }) },
  { weight: 3, arbitrary: named('heal', {}) },
  { weight: 2, arbitrary: named('restart', { isKilled: fc.boolean() }) },
  { weight: 2, arbitrary: named('lose', { other }) },
  // What was sent at any time comes again: twice, late, or after what was sent later.
  { weight: 3, arbitrary: named('again', { which: fc.nat() }) },
  {
    weight: 3,
    arbitrary: named('fail', {
      board,
      key,
      writes: fc.integer({ min: 1, max: 3 }),
      isKept: fc.boolean(),
    }),
  },
  // A client that goes from node to node with what it was told last.
  { weight: 5, arbitrary: named('reads', { board }) },
  { weight: 4, arbitrary: named('puts', { board, key }) },
);

/** One event. */
export type BoardEvent = typeof event extends fc.Arbitrary<infer T> ? T : never;

/** One event of a kind. */
export type EventOf<K extends BoardEvent['kind']> = Extract<BoardEvent, { readonly kind: K }>;

/** How many nodes there are, what happens to them, and what follows from `chance`: see `chance.ts`. */
export const story = fc.record({
  nodes: fc.integer({ min: 3, max: NAMES.length }),
  events: fc.array(event, { minLength: 20, maxLength: 60, size: 'max' }),
  chance: fc.nat(),
});

/** What happens in one world. */
export type Story = typeof story extends fc.Arbitrary<infer T> ? T : never;
