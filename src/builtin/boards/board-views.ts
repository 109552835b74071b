/** Entries of boards as tools give them. */
import type {
  BoardChange,
  BoardComing,
  BoardEntry,
  StrongOutcome,
  Tombstone,
} from '../../blackboard/index.ts';
import type { PeerId } from '../../core/index.ts';
import type { ShownChange, ShownEntry, ShownTombstone, StatusResult } from '../results.ts';

/** An entry, with what its writer had seen. */
export function shownEntry({ clock, until, ...entry }: BoardEntry): ShownEntry {
  return {
    ...entry,
    vector_clock: clock,
    tombstone: false,
    ...(until === undefined ? {} : { expires: until }),
  };
}

/** What a strong board holds under a key; undefined when that is nothing. */
export function strongEntry(
  key: string,
  { value, by, at, version }: StrongOutcome,
): ShownEntry | undefined {
  if (value === undefined || by === undefined || at === undefined) return undefined;
  return shownEntry({ key, value, by, at, clock: {}, version });
}

/** A deletion, with what its writer had seen. */
export function shownTombstone({ clock, ...deletion }: Tombstone): ShownTombstone {
  return { ...deletion, vector_clock: clock, tombstone: true };
}

/** As `board_watch` tells it: the entry that is there now, or what became of it. */
export function shownChange({ key, entry, gone }: BoardChange): ShownChange {
  return {
    key,
    ...(entry === undefined ? {} : { entry: shownEntry(entry) }),
    ...(gone === undefined ? {} : { deleted: shownTombstone(gone) }),
  };
}

/** Boards that come in, by the aliases of those who send them; nothing where none does. */
export function boardsComingOf(
  coming: readonly (BoardComing & { readonly board: string })[],
  aliasOf: (peer: PeerId) => string,
): Pick<StatusResult, 'boardsComing'> {
  if (coming.length === 0) return {};
  return { boardsComing: coming.map((one) => ({ ...one, from: aliasOf(one.from) })) };
}
