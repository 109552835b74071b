/**
 * The log's folder as a reader sees it: segments named by their first entry, and `head.json`. Reads
 * lines forwards and backwards in pieces, so that no size of a log needs more memory than one piece.
 */
import { open, readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { StarlingError, messageOf, writeFileAtomic } from '../../core/index.ts';
import { LINE_BYTES_MAX, isCheckpoint } from '../format.ts';
import type { Checkpoint } from '../types.ts';

const SEGMENT = /^(\d{16})\.jsonl$/;
const HEAD = 'head.json';
const HEAD_BYTES_MAX = 4096;
const PIECE_BYTES = 256 * 1024;
const NEWLINE = 0x0a;

/** One file of the log. */
export interface Segment {
  readonly name: string;
  readonly path: string;
  /** `seq` of its first entry, as its name says. */
  readonly first: number;
}

/** One line as it stands in a file. */
export interface RawLine {
  /** Without the line feed; of a line over the limit only its beginning. */
  readonly bytes: Buffer;
  /** Where it begins in the file. */
  readonly offset: number;
  /** False for the last one when no line feed ends it. */
  readonly whole: boolean;
}

/** What the node remembers of its log outside of it. */
export interface Head {
  readonly checkpoint?: Checkpoint;
  readonly removed?: Checkpoint;
}

/** The segment whose first entry is `first`. */
export function segmentAt(folder: string, first: number): Segment {
  const name = `${String(first).padStart(16, '0')}.jsonl`;
  return { name, path: join(folder, name), first };
}

/** The segments, oldest first. @throws STARLING_STATE_UNUSABLE also when there is no folder */
export async function listSegments(folder: string): Promise<readonly Segment[]> {
  const names = await readdir(folder).catch((error: unknown) => {
    if (!isAbsent(error)) throw unreadable(folder, error);
    throw new StarlingError('STARLING_STATE_UNUSABLE', `there is no audit log in ${folder}`, {
      hint: 'name its folder with --folder, or the state folder with --state',
    });
  });
  return names
    .flatMap((name) => {
      const digits = SEGMENT.exec(name)?.[1];
      return digits === undefined ? [] : [segmentAt(folder, Number(digits))];
    })
    .sort((a, b) => a.first - b.first);
}

/** Reads `head.json`; `damaged` when it is there and unfit. Signatures are not checked. */
export async function readHead(folder: string): Promise<Head | 'damaged'> {
  let text: string;
  try {
    text = await readFile(join(folder, HEAD), 'utf8');
  } catch (error) {
    if (isAbsent(error)) return {};
    throw unreadable(join(folder, HEAD), error);
  }
  if (text.length > HEAD_BYTES_MAX) return 'damaged';
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== 'object' || value === null) return 'damaged';
    const { checkpoint, removed } = value as Partial<Record<string, unknown>>;
    if (checkpoint !== undefined && !isCheckpoint(checkpoint)) return 'damaged';
    if (removed !== undefined && !isCheckpoint(removed)) return 'damaged';
    return {
      ...(checkpoint === undefined ? {} : { checkpoint }),
      ...(removed === undefined ? {} : { removed }),
    };
  } catch (error) {
    if (error instanceof SyntaxError) return 'damaged';
    throw error;
  }
}

/** Replaces `head.json`. @throws STARLING_STATE_UNUSABLE */
export function writeHead(folder: string, head: Head): Promise<void> {
  return writeFileAtomic(join(folder, HEAD), `${JSON.stringify(head)}\n`, 0o600);
}

/** Lines of a file in order, a piece at a time. @throws STARLING_STATE_UNUSABLE */
export async function* readLines(path: string): AsyncGenerator<readonly RawLine[]> {
  const file = await open(path, 'r').catch((error: unknown) => {
    throw unreadable(path, error);
  });
  try {
    let offset = 0;
    let begun = Buffer.alloc(0);
    /** Bytes of an endless line that are not kept. */
    let dropped = 0;
    for (;;) {
      const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(PIECE_BYTES), 0);
      if (bytesRead === 0) break;
      const bytes = Buffer.concat([begun, buffer.subarray(0, bytesRead)]);
      const lines: RawLine[] = [];
      let start = 0;
      for (let end = bytes.indexOf(NEWLINE); end !== -1; end = bytes.indexOf(NEWLINE, start)) {
        lines.push({ bytes: bytes.subarray(start, end), offset, whole: true });
        offset += dropped + end - start + 1;
        dropped = 0;
        start = end + 1;
      }
      begun = bytes.subarray(start);
      const surplus = begun.length - (LINE_BYTES_MAX + 1);
      if (surplus > 0) {
        dropped += surplus;
        begun = begun.subarray(0, LINE_BYTES_MAX + 1);
      }
      yield lines;
    }
    if (begun.length > 0) yield [{ bytes: begun, offset, whole: false }];
  } catch (error) {
    throw unreadable(path, error);
  } finally {
    await file.close();
  }
}

/**
 * Whole lines of a file up to the byte `end`, last one first, a piece at a time; of the whole file where no end is given.
 * @throws STARLING_STATE_UNUSABLE
 */
export async function* readLinesBackward(
  path: string,
  end = Infinity,
): AsyncGenerator<readonly Buffer[]> {
  const file = await open(path, 'r').catch((error: unknown) => {
    throw unreadable(path, error);
  });
  try {
    let position = Math.min(end, (await file.stat()).size);
    /** What stands before the first line feed of the piece after; unfinished at the file's end. */
    let begun: Buffer | undefined;
    while (position > 0) {
      const length = Math.min(PIECE_BYTES, position);
      position -= length;
      const piece = Buffer.allocUnsafe(length);
      const { bytesRead } = await file.read(piece, 0, length, position);
      const read = piece.subarray(0, bytesRead);
      const lines: Buffer[] = [];
      let until = read.length;
      for (let at = read.lastIndexOf(NEWLINE); at !== -1; at = lastBefore(read, at)) {
        const part = read.subarray(at + 1, until);
        if (begun !== undefined)
          lines.push(begun.length === 0 ? part : Buffer.concat([part, begun]));
        begun = Buffer.alloc(0);
        until = at;
      }
      // Before the last line feed of the file nothing is a whole line.
      if (begun !== undefined) {
        begun = Buffer.concat([read.subarray(0, until), begun]).subarray(0, LINE_BYTES_MAX + 1);
      }
      yield lines;
    }
    if (begun !== undefined) yield [begun];
  } catch (error) {
    throw unreadable(path, error);
  } finally {
    await file.close();
  }
}

function lastBefore(bytes: Buffer, at: number): number {
  return at === 0 ? -1 : bytes.lastIndexOf(NEWLINE, at - 1);
}

function isAbsent(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}

/** The error for a file of the log that can't be read. */
export function unreadable(path: string, error: unknown): StarlingError {
  if (error instanceof StarlingError) return error;
  return new StarlingError(
    'STARLING_STATE_UNUSABLE',
    `the audit log ${path} can't be read: ${messageOf(error)}`,
    { hint: 'check who owns it; if the node has just removed it for its age, ask again' },
  );
}
