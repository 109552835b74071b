/** The log as JSON Lines, oldest first, each line byte for byte as it is, so that it can be verified. */
import { listSegments, readLines } from './segments/folder.ts';
import { readEntry } from './format.ts';
import { fits } from './query.ts';
import type { AuditFilter } from './types.ts';

/**
 * Whole lines of the log in `folder`, a few at a time, each with its line feed. A line that is no
 * entry is left out when `filter` asks for anything. `read` hears which share of the files was read, 0 to 1.
 * @throws STARLING_STATE_UNUSABLE
 */
export async function* exportLog(
  folder: string,
  filter: AuditFilter = {},
  read: (share: number) => void = () => undefined,
): AsyncGenerator<string> {
  const isAll = Object.values(filter).every((value) => value === undefined);
  const segments = await listSegments(folder);
  for (const [index, segment] of segments.entries()) {
    read(index / segments.length);
    for await (const lines of readLines(segment.path)) {
      const wanted = lines.filter(({ bytes, whole }) => {
        if (!whole) return false;
        if (isAll) return true;
        const entry = readEntry(bytes);
        return typeof entry !== 'string' && fits(entry, filter);
      });
      if (wanted.length > 0) {
        yield wanted.map(({ bytes }) => `${bytes.toString('utf8')}\n`).join('');
      }
    }
  }
}
