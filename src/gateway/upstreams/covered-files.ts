/**
 * Files that a process of a server would get from this node without anybody's wish: LevelDB opens its log, its lock
 * and its tables so that they stay open in whatever is started afterwards (LevelDB 1.20 sets no O_CLOEXEC), and no
 * sandbox takes an open file away. In the new process each of their numbers gets the empty device.
 */
import { closeSync, fstatSync, openSync, readdirSync } from 'node:fs';

/** The numbers of what a process has open: Linux and macOS. */
const OPEN = '/dev/fd';
const EMPTY = '/dev/null';
/** Those before are the standard streams. */
const FIRST = 3;

/** What stands in `stdio` from number 3 on. */
type Covered = readonly (number | 'ignore')[];

/** Runs `start`, which starts a process, with all files and folders covered; Windows hands down nothing by itself. */
export function withFilesCovered<T>(start: (covered: Covered) => T): T {
  const files = process.platform === 'win32' ? [] : openFiles();
  const last = files.at(-1);
  if (last === undefined) return start([]);
  const empty = openSync(EMPTY, 'r+');
  const isCovered = new Set(files);
  try {
    return start(
      Array.from({ length: last + 1 - FIRST }, (_, at) =>
        isCovered.has(at + FIRST) ? empty : 'ignore',
      ),
    );
  } finally {
    closeSync(empty);
  }
}

/** Numbers of open files and folders, in order. */
function openFiles(): readonly number[] {
  return readdirSync(OPEN)
    .map(Number)
    .filter((number) => number >= FIRST && isFile(number))
    .toSorted((a, b) => a - b);
}

function isFile(number: number): boolean {
  try {
    const stats = fstatSync(number);
    return stats.isFile() || stats.isDirectory();
  } catch {
    // The look itself had it open.
    return false;
  }
}
