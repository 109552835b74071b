/** Groups of replicas, of each of which more than half is needed: one, or two while replicas change. Pure. */

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
