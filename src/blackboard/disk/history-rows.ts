/**
 * Rows of a board's history: the lines of a change as JSON; or, of what a peer sent in bulk, the update that says them, as it was
 * applied: it is a third as long and need not be written anew. Which one a row is its first byte says.
 */
import type { Did, Json } from '../../core/index.ts';
import { HIDDEN } from '../document/document.ts';
import { inspectUpdate } from '../lanes/inspect-update.ts';
import { decodeUpdate } from '../lanes/update.ts';
import { LIMITS } from '../limits.ts';
import type { BoardChange, HistoryLine, PastLine } from '../types.ts';

/** Of a row of JSON. */
const JSON_START = '['.charCodeAt(0);

/** What of a change is kept; nothing of an entry that ended by itself, which says itself when it ends. */
export function lineOf({ key, entry, gone }: BoardChange): readonly PastLine[] {
  if (entry !== undefined) {
    const { value, by, at, until, via } = entry;
    return [
      {
        key,
        value,
        by,
        at,
        ...(until === undefined ? {} : { until }),
        ...(via === undefined ? {} : { via }),
      },
    ];
  }
  return gone === undefined ? [] : [{ key, by: gone.by, at: gone.at }];
}

/** A row of lines. */
export function rowOf(lines: readonly PastLine[]): Uint8Array {
  return Buffer.from(JSON.stringify(lines));
}

/** The lines of a row that stands at `position`; none of a damaged one: the others are read. */
export function linesOf(value: Uint8Array, position: string): readonly HistoryLine[] {
  const lines = value[0] === JSON_START ? linesInText(value) : linesInUpdate(value);
  return lines.map((line) => ({ ...line, position }));
}

function linesInText(value: Uint8Array): readonly PastLine[] {
  try {
    return JSON.parse(Buffer.from(value).toString()) as {
      readonly key: string;
      readonly value?: Json;
      readonly by: Did;
      readonly at: number;
    }[];
  } catch {
    // Damaged.
    return [];
  }
}

/** What an update says of keys that it writes for the first time, which is all that updates in a history do. */
function linesInUpdate(bytes: Uint8Array): readonly PastLine[] {
  const lines: PastLine[] = [];
  for (const { did, update } of decodeUpdate(bytes)?.parts ?? []) {
    const facts = update && inspectUpdate(update, LIMITS, LIMITS.structs);
    for (const { key, write } of facts?.items ?? []) {
      if (key === undefined || write === undefined || key.startsWith(HIDDEN)) continue;
      const { v: value, m: at, b } = write.raw;
      const by = (b as Did | undefined) ?? did;
      const via = by === did ? {} : { via: did };
      lines.push(value === undefined ? { key, by, at } : { key, value, by, at, ...via });
    }
  }
  return lines;
}
