import { describe, expect, it } from 'vitest';
import { createSegmentWriter } from '../../src/audit/segment-writer.ts';
import type { SegmentFile, SegmentWriter } from '../../src/audit/segment-writer.ts';

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
  const writer = createSegmentWriter({ folder: '/log', end: undefined, openSegment });
  return { writer, files };
}

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
