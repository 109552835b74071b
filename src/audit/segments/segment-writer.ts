/**
 * The end of the log: appends to the newest segment and begins the next. A write that failed in the
 * middle is cut off before the next one, so that the file never holds half a line for long.
 */
import type { Clock } from '../../core/index.ts';
import { segmentAt } from './folder.ts';
import type { Segment } from './folder.ts';
import { PromptWrites } from './prompt-writes.ts';
import type { OpenSegment, SegmentFile } from './segment-file.ts';

/** Where a log goes on. */
export interface SegmentEnd {
  readonly segment: Segment;
  readonly sizeBytes: number;
}

/** The end of a log. One call at a time, but for `sync`. */
export interface SegmentWriter {
  /** Bytes of the segment at hand; 0 when the next write begins one. */
  sizeBytes(): number;
  /**
   * Appends lines, all or nothing; with `sync`, to the disk itself. `first` is the `seq` of the first
   * line, after which a new segment is named.
   */
  write(bytes: Buffer, init: { readonly first: number; readonly sync: boolean }): Promise<void>;
  /**
   * `write` without `sync`, at once. Does nothing and gives false where the thread might wait: the segment is not
   * open yet, part of an earlier write must be cut off, a sync is under way, or the disk was slow lately.
   */
  writeNow(bytes: Buffer): boolean;
  sync(): Promise<void>;
  /** Ends the segment: the next write begins another. */
  rotate(): Promise<void>;
  /** Closes the file, also one that can't be synced. Rejects when it could not be synced. */
  close(): Promise<void>;
}

/** Makes a writer that goes on at `end`, or begins with a new segment. */
export function createSegmentWriter(init: {
  readonly folder: string;
  readonly end: SegmentEnd | undefined;
  readonly openSegment: OpenSegment;
  readonly clock: Pick<Clock, 'now'>;
}): SegmentWriter {
  const { folder, openSegment, clock } = init;
  let end = init.end;
  let file: SegmentFile | undefined;
  let isUnsynced = false;
  /** The file may hold more than `sizeBytes`: part of a write that failed. */
  let isStale = false;
  const prompt = new PromptWrites(clock);

  async function closeFile(): Promise<void> {
    const closing = file;
    file = undefined;
    try {
      if (isStale) await closing?.truncate(end?.sizeBytes ?? 0);
      isStale = false;
    } finally {
      await prompt.close(closing);
    }
  }

  const writer: SegmentWriter = {
    sizeBytes: () => end?.sizeBytes ?? 0,
    async write(bytes, { first, sync }) {
      const at = end ?? { segment: segmentAt(folder, first), sizeBytes: 0 };
      file ??= await openSegment(at.segment.path);
      const target = file;
      if (isStale) await target.truncate(at.sizeBytes);
      isStale = true;
      await target.write(bytes, at.sizeBytes);
      if (sync) await prompt.sync(target);
      isStale = false;
      isUnsynced = !sync;
      end = { segment: at.segment, sizeBytes: at.sizeBytes + bytes.length };
    },
    writeNow(bytes) {
      if (end === undefined || file === undefined || isStale || !prompt.takes(file)) return false;
      isStale = true;
      prompt.write(file, bytes, end.sizeBytes);
      isStale = false;
      isUnsynced = true;
      end = { segment: end.segment, sizeBytes: end.sizeBytes + bytes.length };
      return true;
    },
    async sync() {
      if (!isUnsynced || file === undefined) return;
      isUnsynced = false;
      try {
        await prompt.sync(file);
      } catch (error) {
        isUnsynced = true;
        throw error;
      }
    },
    async rotate() {
      // A segment that can't be synced stays open: the next attempt syncs the same file.
      await writer.sync();
      await closeFile();
      end = undefined;
    },
    async close() {
      try {
        await writer.sync();
      } finally {
        await closeFile();
      }
    },
  };
  return writer;
}
