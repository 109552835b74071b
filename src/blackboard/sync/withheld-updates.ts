/** Updates whose right has not come yet, by board: kept for a while and not more than a bound, and then tried again. */
import type { Did, PeerId } from '../../core/index.ts';

/** An update, and who sent it as its author. */
export interface Withheld {
  readonly peer: PeerId;
  readonly author: Did;
  readonly update: Uint8Array;
}

/** Updates of one peer that wait, and bytes of all. */
const COUNT_MAX = 256;
const BYTES_MAX = 1024 * 1024;

/** What waits. */
export interface WithheldUpdates {
  /** Keeps an update; where there is no room, what waits longest goes. */
  put(board: string, withheld: Withheld): void;
  /** Takes out all of a board, in the order in which they came. */
  take(board: string): readonly Withheld[];
  clear(): void;
}

/** Makes an empty one. */
export function createWithheldUpdates(): WithheldUpdates {
  let waiting: { readonly board: string; readonly withheld: Withheld }[] = [];
  let sizeBytes = 0;
  return {
    put(board, withheld) {
      waiting.push({ board, withheld });
      sizeBytes += withheld.update.length;
      while (waiting.length > COUNT_MAX || sizeBytes > BYTES_MAX) {
        sizeBytes -= waiting.shift()?.withheld.update.length ?? 0;
      }
    },
    take(board) {
      const taken = waiting.filter((one) => one.board === board).map(({ withheld }) => withheld);
      waiting = waiting.filter((one) => one.board !== board);
      for (const { update } of taken) sizeBytes -= update.length;
      return taken;
    },
    clear() {
      waiting = [];
      sizeBytes = 0;
    },
  };
}
