/**
 * What this node has seen of strong keys as it asked for changes: how many changes each has had, at the least, and
 * whether all of the last ones were this node's own. Of such a key this node proposes the next change best itself; any
 * other is left to the replica that all prefer alike, so that no two replicas take turns from each other. Hints only.
 */
import type { Cell } from './format.ts';

/** Keys that are remembered; of more, what was seen of the oldest is forgotten. */
const KEYS_MAX = 4096;
/** So many own changes without one of anybody else. Higher: fewer turns go back and forth; lower: sooner one hop less. */
const ALONE = 8;

interface Seen {
  readonly count: number;
  /** Own changes since the last one of somebody else. */
  readonly alone: number;
}

/** Keys that this node has asked about. */
export class SeenKeys {
  readonly #keys = new Map<string, Seen>();

  /** How many changes the key has had, at the least. */
  countOf(cell: Cell): number {
    return this.#keys.get(nameOf(cell))?.count ?? 0;
  }

  /** The key has had `count` changes by now, the last of which was made here if `isOwn`. */
  note(cell: Cell, count: number, isOwn: boolean): void {
    const name = nameOf(cell);
    const before = this.#keys.get(name);
    // Answers may come in another order than changes were made.
    if (before !== undefined && count <= before.count) return;
    const isNext = isOwn && count === (before?.count ?? 0) + 1;
    const isFull = before === undefined && this.#keys.size >= KEYS_MAX;
    const [oldest] = isFull ? this.#keys.keys() : [];
    if (oldest !== undefined) this.#keys.delete(oldest);
    this.#keys.set(name, { count, alone: isNext ? (before?.alone ?? 0) + 1 : 0 });
  }

  /** Whether nobody else has changed the key for a while. */
  isOwn(cell: Cell): boolean {
    return (this.#keys.get(nameOf(cell))?.alone ?? 0) >= ALONE;
  }
}

function nameOf({ board, key }: Cell): string {
  return `${board}/${key}`;
}
