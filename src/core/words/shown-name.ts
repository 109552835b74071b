/** The name of a peer for lists: with the one that it has taken, for a time. Pure. */

/** What a peer is called here, and what it calls itself since not long ago. */
export interface Named {
  readonly alias: string;
  readonly newName?: string | undefined;
}

/** `laptop`, or `laptop (now bob)` while both names are shown. */
export function shownName({ alias, newName }: Named): string {
  return newName === undefined ? alias : `${alias} (now ${newName})`;
}
