/** Where in a segment to begin when one looks back from an entry in the middle of the segment. */
import { open } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { unreadable } from './folder.ts';
import { readEntry } from '../format.ts';

/** A look at one place reads so much: room for a piece of a line, and a whole one behind it. */
const LOOK_BYTES = 64 * 1024;
/** Nothing is gained by coming nearer: so much is read at once anyway. */
const NEAR_BYTES = 256 * 1024;
const NEWLINE = 0x0a;

/**
 * A place in the file at `path` up to which all lines are read that stand before entry `seq`, and few others: always the
 * beginning of a line, or the end of the file. Found by halving, since lines stand in the order of their entries; where that
 * does not hold, or no entry can be read, more is read than is needed. @throws STARLING_STATE_UNUSABLE
 */
export async function placeBefore(path: string, seq: number): Promise<number> {
  const file = await open(path, 'r').catch((error: unknown) => {
    throw unreadable(path, error);
  });
  try {
    let low = 0;
    let high = (await file.stat()).size;
    while (high - low > NEAR_BYTES) {
      const found = await entryAfter(file, Math.floor((low + high) / 2));
      if (found === undefined || found.at >= high) break;
      if (found.seq < seq) low = found.at;
      else high = found.at;
    }
    return high;
  } catch (error) {
    throw unreadable(path, error);
  } finally {
    await file.close();
  }
}

/** The first entry of which the line begins behind `from`, and where the line begins. */
async function entryAfter(
  file: FileHandle,
  from: number,
): Promise<{ readonly at: number; readonly seq: number } | undefined> {
  const { buffer, bytesRead } = await file.read(
    Buffer.allocUnsafe(LOOK_BYTES),
    0,
    LOOK_BYTES,
    from,
  );
  const bytes = buffer.subarray(0, bytesRead);
  let start = bytes.indexOf(NEWLINE) + 1;
  for (let end = bytes.indexOf(NEWLINE, start); start > 0 && end !== -1;) {
    const entry = readEntry(bytes.subarray(start, end));
    if (typeof entry !== 'string') return { at: from + start, seq: entry.seq };
    start = end + 1;
    end = bytes.indexOf(NEWLINE, start);
  }
  return undefined;
}
