/**
 * Replicas among each other: in which order they are asked for a key, and groups of them, of each of which more than half is needed:
 * one, or two while replicas change. Pure.
 */
import { createHash } from 'node:crypto';
import type { Did } from '../../core/index.ts';

/** Names of replicas; who is in two groups counts in both. */
export type Groups = readonly (readonly string[])[];

/** Whether more than half of each group is among `yes`. */
export function isMajority(groups: Groups, yes: ReadonlySet<string>): boolean {
  return groups.every((group) => countOf(group, yes) >= majorityOf(group));
}

/** Whether so many of a group say no that the others are too few. */
export function isLost(groups: Groups, no: ReadonlySet<string>): boolean {
  return groups.some((group) => countOf(group, no) > group.length - majorityOf(group));
}

/** All replicas of all groups, each once. */
export function allOf(groups: Groups): readonly string[] {
  return [...new Set(groups.flat())];
}

/** More than half of a group. */
export function majorityOf({ length }: readonly unknown[]): number {
  return Math.floor(length / 2) + 1;
}

function countOf(group: readonly string[], names: ReadonlySet<string>): number {
  return group.filter((name) => names.has(name)).length;
}

/** Replicas in the order in which they are asked for a key: who is there first, of these by a hash that all nodes compute alike. */
export function rankedFor(
  { board, key }: { readonly board: string; readonly key: string },
  replicas: readonly Did[],
  isThere: (replica: Did) => boolean,
): readonly Did[] {
  const weight = (replica: Did): string =>
    createHash('sha256').update(`${board}/${key} ${replica}`).digest('hex');
  return replicas
    .map((replica) => ({ replica, rank: `${isThere(replica) ? 0 : 1}${weight(replica)}` }))
    .toSorted((a, b) => (a.rank < b.rank ? -1 : 1))
    .map(({ replica }) => replica);
}
