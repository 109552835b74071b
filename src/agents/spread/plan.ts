/**
 * What the parent of a spread agent does next, as pure functions of its row and of what was seen of the parts: which nodes
 * have one, how many processes each, which begin anew with one that fell (OTP's strategies), and when all are given up.
 */
import type { Did } from '../../core/index.ts';
import type { PartView } from '../types.ts';
import type { PartRow, SpreadRow } from './rows.ts';

/** In which so many restarts by the parent are allowed. */
export const PERIOD_MS = 60_000;

/** Processes that one part always has, and has at most. */
export interface Share {
  readonly least: number;
  readonly most: number;
}

/** What was seen of a part: how it does, or why its node has none. */
export type Seen = { readonly view: PartView } | { readonly gone: string };

/** What follows from what was seen. */
export interface Step {
  readonly row: SpreadRow;
  /** Nodes whose parts begin anew with those that fell. */
  readonly renew: readonly Did[];
  /** Nodes whose part is no more there, and why. */
  readonly lost: ReadonlyMap<Did, string>;
}

/** How many processes each of `count` parts has; together they have what is wanted, and each has one at least. */
export function sharesOf({ least, most }: Share, count: number): readonly Share[] {
  const part = (all: number, at: number): number =>
    Math.floor(all / count) + (at < all % count ? 1 : 0);
  return Array.from({ length: count }, (_, at) => {
    const own = part(most, at);
    return { least: Math.min(own, Math.max(1, part(least, at))), most: own };
  });
}

/**
 * The row with parts on as many of the nodes `there` as there are processes: those that have one keep it, then come the
 * others in the order in which they were named. The same row where nothing is to be changed.
 */
export function placed(row: SpreadRow, on: readonly Did[], there: ReadonlySet<Did>): SpreadRow {
  const kept = row.parts.filter(({ node }) => there.has(node));
  const free = on.filter((node) => there.has(node) && !kept.some((part) => part.node === node));
  const wanted = Math.min(row.terms.most, there.size);
  const added = free.slice(0, Math.max(0, wanted - kept.length));
  if (added.length === 0 && kept.length === row.parts.length) return row;
  const parts = [
    ...kept,
    ...added.map((node, at): PartRow => ({ node, since: row.turn + at, fell: 0 })),
  ];
  return { ...row, parts, turn: row.turn + added.length };
}

/** The share of each part, by its node. */
export function sharesIn({ parts, terms }: SpreadRow): ReadonlyMap<Did, Share> {
  const shares = sharesOf(terms, Math.max(1, parts.length));
  return new Map(parts.map(({ node }, at) => [node, shares[at] ?? { least: 1, most: 1 }]));
}

/** Takes in what was seen of the parts at `now`. */
export function afterSeen(row: SpreadRow, seen: ReadonlyMap<Did, Seen>, now: number): Step {
  const { restarts, strategy } = row.terms;
  const fallen = new Set<Did>();
  const lost = new Map<Did, string>();
  for (const part of row.parts) {
    const one = seen.get(part.node);
    if (one === undefined) continue;
    if ('gone' in one) lost.set(part.node, one.gone);
    else if (one.view.isOver) lost.set(part.node, one.view.error ?? 'it has ended too often');
    // A part that was just begun has no earlier life that could have ended.
    const had = part.life !== undefined;
    if (had && (lost.has(part.node) || hasFallen(part, one))) fallen.add(part.node);
  }
  const parts = row.parts
    .filter(({ node }) => !lost.has(node))
    .map((part) => withSeen(part, seen.get(part.node)));
  const renew = strategy === 'one_for_one' ? [] : othersOf(row, parts, fallen);
  // What restarts by itself is no restart of the parent: where nobody else begins anew with it, its own node counts.
  const count =
    strategy === 'one_for_one'
      ? [...lost.keys()].filter((node) => fallen.has(node)).length
      : fallen.size;
  const lately = [
    ...row.lately.filter((at) => at > now - PERIOD_MS && at <= now),
    ...Array.from({ length: count }, () => now),
  ];
  const next = { ...row, parts, lately };
  if (lately.length <= restarts) return { row: isSame(row, next) ? row : next, renew, lost };
  const why = `its parts ended ${lately.length} times within a minute, and ${restarts} are allowed`;
  return { row: { ...next, ended: { how: 'failed', why, done: [] } }, renew: [], lost };
}

/** The row after `node` has begun its part anew, as `view` says. */
export function renewed(row: SpreadRow, node: Did, view: PartView): SpreadRow {
  const parts = row.parts.map((part) => (part.node === node ? withSeen(part, { view }) : part));
  return { ...row, parts };
}

function hasFallen({ fell, life }: PartRow, seen: Seen): boolean {
  return 'view' in seen && (seen.view.life !== life || seen.view.fell > fell);
}

function withSeen(part: PartRow, seen: Seen | undefined): PartRow {
  if (seen === undefined || 'gone' in seen) return part;
  const { fell, life } = seen.view;
  return part.life === life && part.fell === fell ? part : { ...part, life, fell };
}

/** Those that begin anew with the fallen: all others, or those that were begun after one of them. */
function othersOf(
  { parts: before, terms }: SpreadRow,
  parts: readonly PartRow[],
  fallen: ReadonlySet<Did>,
): readonly Did[] {
  const since = before.filter(({ node }) => fallen.has(node)).map((part) => part.since);
  if (since.length === 0) return [];
  const from = terms.strategy === 'one_for_all' ? -1 : Math.min(...since);
  return parts
    .filter((part) => !fallen.has(part.node) && part.since > from && part.life !== undefined)
    .map(({ node }) => node);
}

function isSame(one: SpreadRow, other: SpreadRow): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}
