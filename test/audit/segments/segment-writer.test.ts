import { describe, expect, it } from 'vitest';
import { createSegmentWriter } from '../../../src/audit/segments/segment-writer.ts';
import { createTestClock } from '../../core/test-clock.ts';
import type { TestClock } from '../../core/test-clock.ts';
import type { SegmentFile } from '../../../src/audit/segments/segment-file.ts';
import type { SegmentWriter } from '../../../src/audit/segments/segment-writer.ts';

/** A disk that keeps count of open files, and syncs when it can. */
function countingDisk(): {
  readonly writer: SegmentWriter;
  readonly files: { opened: number; closed: number; syncs: boolean };
} {
  const files = { opened: 0, closed: 0, syncs: true };
  const openSegment = async (): Promise<SegmentFile> => {
    files.opened += 1;
    return {
      write: async () => undefined,
      truncate: async () => undefined,
      async sync() {
        if (!files.syncs) throw new Error('EIO: i/o error');
      },
      async close() {
        files.closed += 1;
      },
    };
  };
  const writer = createSegmentWriter({
    folder: '/log',
    end: undefined,
    openSegment,
    clock: createTestClock(),
  });
  return { writer, files };
}

/** A disk that writes at once where it may; `sync` waits until it is let go on. */
function promptDisk(): {
  readonly writer: SegmentWriter;
  readonly clock: TestClock;
  readonly written: string[];
  /** How long a write at once takes. */
  slowMs: number;
  readonly letSync: () => void;
} {
  const clock = createTestClock();
  const written: string[] = [];
  let synced: () => void = () => undefined;
  const disk = { slowMs: 0 };
  const openSegment = async (): Promise<SegmentFile> => ({
    writeNow(bytes, position) {
      clock.advance(disk.slowMs);
      written.push(`now ${position}:${bytes.length}`);
    },
    async write(bytes, position) {
      written.push(`pool ${position}:${bytes.length}`);
    },
    truncate: async () => undefined,
    sync: () =>
      new Promise((resolve) => {
        synced = resolve;
      }),
    close: async () => undefined,
  });
  const writer = createSegmentWriter({ folder: '/log', end: undefined, openSegment, clock });
  return Object.assign(disk, { writer, clock, written, letSync: () => synced() });
}

const LINE = Buffer.from('{}\n');

describe('a write at once', () => {
  it('waits for nothing: not for a file to be opened, nor for a sync', async () => {
    const { writer, written, letSync } = promptDisk();
    expect(writer.writeNow(LINE)).toBe(false);
    await writer.write(LINE, { first: 1, sync: false });
    expect(writer.writeNow(LINE)).toBe(true);
    const syncing = writer.sync();
    expect(writer.writeNow(LINE)).toBe(false);
    await writer.write(LINE, { first: 3, sync: false });
    letSync();
    await syncing;
    expect(writer.writeNow(LINE)).toBe(true);
    expect(written).toEqual(['pool 0:3', 'now 3:3', 'pool 6:3', 'now 9:3']);
  });

  it('is left to the pool for a while after one that took long', async () => {
    const disk = promptDisk();
    const { writer, clock } = disk;
    await writer.write(LINE, { first: 1, sync: false });
    disk.slowMs = 51;
    expect([writer.writeNow(LINE), writer.writeNow(LINE)]).toEqual([true, false]);
    disk.slowMs = 0;
    clock.advance(1_999);
    expect(writer.writeNow(LINE)).toBe(false);
    clock.advance(1);
    expect(writer.writeNow(LINE)).toBe(true);
  });
});

describe('the file of a segment', () => {
  it('is closed with the log, also on a disk that fails', async () => {
    const { writer, files } = countingDisk();
    await writer.write(Buffer.from('{}\n'), { first: 1, sync: false });
    files.syncs = false;
    await expect(writer.close()).rejects.toThrow('i/o error');
    expect(files).toMatchObject({ opened: 1, closed: 1 });
  });

  it('stays the same until it is on the disk: only then the next begins', async () => {
    const { writer, files } = countingDisk();
    await writer.write(Buffer.from('{}\n'), { first: 1, sync: false });
    files.syncs = false;
    await expect(writer.rotate()).rejects.toThrow('i/o error');
    await expect(writer.sync()).rejects.toThrow('i/o error');
    expect(files).toMatchObject({ opened: 1, closed: 0 });
    files.syncs = true;
    await writer.rotate();
    await writer.write(Buffer.from('{}\n'), { first: 2, sync: true });
    expect(files).toMatchObject({ opened: 2, closed: 1 });
  });
});
