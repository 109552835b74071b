/**
 * Where a log goes on after its node ended, however it ended. What a crash left unfinished is cut off
 * and told in the log. What may be the trace of a change is left as it is, and the log goes on behind
 * a gap that shows in every verification.
 */
import { truncate, unlink } from 'node:fs/promises';
import { isSealed } from '../checkpoint.ts';
import { listSegments, readHead, readLines } from './folder.ts';
import type { Head, Segment } from './folder.ts';
import { GENESIS, hashLine, readEntry } from '../format.ts';
import type { SegmentEnd } from './segment-writer.ts';
import type { Checkpoint } from '../types.ts';

/** Where a chain stands. */
export interface ChainEnd {
  /** Of the last entry; 0 before the first. */
  readonly seq: number;
  /** Of its line. */
  readonly hash: string;
  /** Entries after the last checkpoint. */
  readonly unsigned: number;
}

/** What was found or cut off: the log tells of it in an entry of its own. */
export interface RecoveryNote {
  readonly ability: 'audit/cut' | 'audit/damaged';
  /** File that it is about. */
  readonly file: string;
  readonly reason: string;
}

/** Where and how a log goes on. */
export interface Recovered {
  readonly chain: ChainEnd;
  /** Absent: with a new segment. */
  readonly end: SegmentEnd | undefined;
  readonly head: Head;
  readonly notes: readonly RecoveryNote[];
}

interface Scan {
  /** The last entry. */
  readonly chain: ChainEnd | undefined;
  /** Bytes up to the end of its line. */
  readonly goodBytes: number;
  /** Bytes after it that are no entries. */
  readonly restBytes: number;
  readonly restHash: string;
  /** Line where the chain does not hold. */
  readonly brokenLine: number | undefined;
}

/** Looks at the folder of a log, and repairs what a crash left. @throws STARLING_STATE_UNUSABLE */
export async function recover(folder: string): Promise<Recovered> {
  const notes: RecoveryNote[] = [];
  const head = await soundHead(folder, notes);
  const floor = floorOf(head);
  const segments = [...(await listSegments(folder))];
  await dropLeftovers(segments, head.removed?.seq ?? 0);
  for (let last = segments.pop(); last !== undefined; last = segments.pop()) {
    const scan = await scanSegment(last);
    const { chain } = scan;
    if (scan.brokenLine !== undefined) {
      notes.push(
        damaged(last.name, `line ${scan.brokenLine} does not belong to what is before it`),
      );
    }
    if ((chain?.seq ?? last.first - 1) < (floor?.seq ?? 0)) break;
    if (scan.restBytes > 0) {
      notes.push({
        ability: 'audit/cut',
        file: last.name,
        reason: `${scan.restBytes} bytes of an unfinished write after entry ${chain?.seq ?? last.first - 1} were cut off (sha-256 ${scan.restHash})`,
      });
    }
    if (chain === undefined) {
      await unlink(last.path);
      continue;
    }
    if (scan.restBytes > 0) await truncate(last.path, scan.goodBytes);
    return { chain, end: { segment: last, sizeBytes: scan.goodBytes }, head, notes };
  }
  if (floor !== undefined) {
    notes.push(
      damaged(
        'head.json',
        `the log ended before entry ${floor.seq}, up to which this node signed it`,
      ),
    );
  }
  const chain = { seq: floor?.seq ?? 0, hash: floor?.hash ?? GENESIS, unsigned: 0 };
  return { chain, end: undefined, head, notes };
}

/** The farthest place of the log that the head vouches for. */
export function floorOf(head: Head): Checkpoint | undefined {
  const { checkpoint, removed } = head;
  return (checkpoint?.seq ?? 0) >= (removed?.seq ?? 0) ? (checkpoint ?? removed) : removed;
}

async function soundHead(folder: string, notes: RecoveryNote[]): Promise<Head> {
  const head = await readHead(folder);
  if (head === 'damaged') {
    notes.push(damaged('head.json', 'it does not parse'));
    return {};
  }
  const { checkpoint, removed } = head;
  const isSound =
    (checkpoint === undefined || isSealed(checkpoint, 'checkpoint')) &&
    (removed === undefined || isSealed(removed, 'removal'));
  if (isSound) return head;
  notes.push(damaged('head.json', 'its signature does not hold'));
  return {};
}

/** Removes what a crash left of segments whose removal was signed. */
async function dropLeftovers(segments: Segment[], removedThrough: number): Promise<void> {
  for (;;) {
    const [oldest, next] = segments;
    if (oldest === undefined || next === undefined || next.first > removedThrough + 1) return;
    await unlink(oldest.path);
    segments.shift();
  }
}

async function scanSegment(segment: Segment): Promise<Scan> {
  let chain: ChainEnd | undefined;
  let goodBytes = 0;
  let rest: Buffer[] = [];
  let line = 0;
  let brokenLine: number | undefined;
  for await (const lines of readLines(segment.path)) {
    for (const { bytes, offset, whole } of lines) {
      line += 1;
      const entry = whole ? readEntry(bytes) : '';
      if (typeof entry === 'string') {
        rest.push(bytes, Buffer.from(whole ? '\n' : ''));
        continue;
      }
      const follows = chain === undefined || entry.prev === chain.hash;
      if (!follows || rest.length > 0) brokenLine ??= line;
      rest = [];
      goodBytes = offset + bytes.length + 1;
      chain = {
        seq: entry.seq,
        hash: hashLine(bytes),
        unsigned: entry.kind === 'checkpoint' ? 0 : (chain?.unsigned ?? 0) + 1,
      };
    }
  }
  const restBytes = rest.reduce((sum, bytes) => sum + bytes.length, 0);
  return { chain, goodBytes, restBytes, restHash: hashLine(Buffer.concat(rest)), brokenLine };
}

function damaged(file: string, reason: string): RecoveryNote {
  return { ability: 'audit/damaged', file, reason };
}
