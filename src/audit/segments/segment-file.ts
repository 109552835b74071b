/** The file of a segment, on whatever disk. */
import { constants, writeSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { syncFolder } from '../../core/index.ts';

/** A file that is written at positions. */
export interface SegmentFile {
  /** Writes within this turn of the event loop. Absent: only `write` is there. */
  writeNow?(bytes: Buffer, position: number): void;
  write(bytes: Buffer, position: number): Promise<void>;
  truncate(sizeBytes: number): Promise<void>;
  /** Resolves once what was written survives the end of the machine. */
  sync(): Promise<void>;
  close(): Promise<void>;
}

/** Opens a segment for writing, making it when it is not there; tests put a failing disk here. */
export type OpenSegment = (path: string) => Promise<SegmentFile>;

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
    writeNow(bytes, position) {
      let written = 0;
      while (written < bytes.length) {
        written += writeSync(file.fd, bytes, written, bytes.length - written, position + written);
      }
    },
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
