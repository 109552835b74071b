/** Pieces of lanes: how they are cut, by size and by time. */
import type { Lane, Winner } from './lane.ts';
import type { Stamp } from './stamp.ts';
import type { LanePart } from './update.ts';

/** Bytes of a piece of a long update, about: what is applied in one go. */
export const PIECE_BYTES = 48 * 1024;

/** The stamp of the last write of a lane. */
export function lastOf({ live, highest }: Lane): Stamp {
  const last = live.get(highest);
  return last === undefined ? [0, 0] : [last.ms, last.n];
}

/** What of a part is not stamped too far ahead: of a whole one what is in time, else up to the first that is not. */
export function inTime(part: LanePart, latestMs: number, isWhole: boolean): LanePart {
  const first = part.entries.findIndex(({ ms }) => ms > latestMs);
  if (first === -1) return part;
  if (isWhole) return { ...part, entries: part.entries.filter(({ ms }) => ms <= latestMs) };
  const to = (part.entries[first]?.number ?? part.to) - 1;
  return { ...part, to, entries: part.entries.slice(0, first) };
}

/** Writes in pieces of about {@link PIECE_BYTES}. */
export function* inPieces(winners: Iterable<Winner>): Iterable<readonly Winner[]> {
  let piece: Winner[] = [];
  let sizeBytes = 0;
  for (const winner of winners) {
    piece.push(winner);
    sizeBytes += winner.sizeBytes;
    if (sizeBytes < PIECE_BYTES) continue;
    yield piece;
    piece = [];
    sizeBytes = 0;
  }
  if (piece.length > 0) yield piece;
}
