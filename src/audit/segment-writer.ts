/**
 * The end of the log: appends to the newest segment and begins the next. A write that failed in the
 * middle is cut off before the next one, so that the file never holds half a line for long.
 */
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { syncFolder } from '../core/index.ts';
import { segmentAt } from './folder.ts';
import type { Segment } from './folder.ts';

/** A file that is written at positions. */
export interface SegmentFile {
  write(bytes: Buffer, position: number): Promise<void>;
  truncate(sizeBytes: number): Promise<void>;
  /** Resolves once what was written survives the end of the machine. */
  sync(): Promise<void>;
  close(): Promise<void>;
}

/** Opens a segment for writing, making it when it is not there; tests put a failing disk here. */
export type OpenSegment = (path: string) => Promise<SegmentFile>;

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
}): SegmentWriter {
  const { folder, openSegment } = init;
  let end = init.end;
  let file: SegmentFile | undefined;
  let isUnsynced = false;
  /** The file may hold more than `sizeBytes`: part of a write that failed. */
  let isStale = false;

  async function fileAt(segment: Segment): Promise<SegmentFile> {
    file ??= await openSegment(segment.path);
    return file;
  }

  async function closeFile(): Promise<void> {
    const closing = file;
    file = undefined;
    try {
      if (isStale) await closing?.truncate(end?.sizeBytes ?? 0);
      isStale = false;
    } finally {
      await closing?.close();
    }
  }

  const writer: SegmentWriter = {
    sizeBytes: () => end?.sizeBytes ?? 0,
    async write(bytes, { first, sync }) {
      const at = end ?? { segment: segmentAt(folder, first), sizeBytes: 0 };
      const target = await fileAt(at.segment);
      if (isStale) await target.truncate(at.sizeBytes);
      isStale = true;
      await target.write(bytes, at.sizeBytes);
      if (sync) await target.sync();
      isStale = false;
      isUnsynced = !sync;
      end = { segment: at.segment, sizeBytes: at.sizeBytes + bytes.length };
    },
    async sync() {
      if (!isUnsynced || file === undefined) return;
      isUnsynced = false;
      try {
        await file.sync();
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

/** {@link OpenSegment} of the real disk: mode 0600, never through a link. */
export async function openSegment(path: string): Promise<SegmentFile> {
  const flags = constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW;
  const file = await open(path, flags, 0o600);
  try {
    await syncFolder(dirname(path));
  } catch (error) {
    await file.close();
    throw error;
  }
  return {
    async write(bytes, position) {
      let written = 0;
      while (written < bytes.length) {
        const { bytesWritten } = await file.write(
          bytes,
          written,
          bytes.length - written,
          position + written,
        );
        written += bytesWritten;
      }
    },
    truncate: (sizeBytes) => file.truncate(sizeBytes),
    sync: () => file.datasync(),
    close: () => file.close(),
  };
}
