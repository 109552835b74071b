/** How many writes the entries of one turn of the event loop share. */
import { describe, expect, it } from 'vitest';
import { verifyLog } from '../../src/audit/index.ts';
import { openSegment } from '../../src/audit/segments/segment-file.ts';
import type { OpenSegment } from '../../src/audit/segments/segment-file.ts';
import { createTestClock } from '../core/test-clock.ts';
import { NODE, decision, startAudit } from './arrange.ts';

/** A disk that counts writes. */
function countingDisk(): { readonly open: OpenSegment; writes: number } {
  const disk = {
    writes: 0,
    open: async (path: string) => {
      const file = await openSegment(path);
      return {
        ...file,
        writeNow(bytes: Buffer, position: number) {
          disk.writes += 1;
          file.writeNow?.(bytes, position);
        },
        write(bytes: Buffer, position: number) {
          disk.writes += 1;
          return file.write(bytes, position);
        },
      } satisfies Awaited<ReturnType<OpenSegment>>;
    },
  };
  return disk;
}

describe('one turn of the event loop', () => {
  it('ends after the first entry that is waited for is written, with the notes before it', async () => {
    const disk = countingDisk();
    const clock = createTestClock();
    const { audit, folder } = await startAudit({ clock, openSegment: disk.open });
    await audit.append(decision(1));
    disk.writes = 0;
    let turns = 0;
    setImmediate(() => {
      turns += 1;
    });
    audit.note(decision(2));
    expect(await audit.append(decision(3))).toBe(3);
    expect(turns).toBe(0);
    expect(disk.writes).toBe(1);
    await audit.stop();
    expect((await verifyLog(folder, { did: NODE.did })).ok).toBe(true);
  });

  it('writes once what comes together, however many entries are waited for', async () => {
    const disk = countingDisk();
    const clock = createTestClock();
    const { audit, folder } = await startAudit({ clock, openSegment: disk.open });
    await audit.append(decision(1));
    disk.writes = 0;
    const all = Array.from({ length: 300 }, (_, n) => {
      audit.note(decision(n));
      return audit.append(decision(n));
    });
    const seqs = await Promise.all(all);
    expect(seqs).toEqual(Array.from({ length: 300 }, (_, n) => 3 + 2 * n));
    expect(disk.writes).toBe(1);
    await audit.stop();
    expect((await verifyLog(folder, { did: NODE.did })).ok).toBe(true);
  });

  it('has one write for all, at its end, after a turn in which many were waited for', async () => {
    const disk = countingDisk();
    const clock = createTestClock();
    const { audit } = await startAudit({ clock, openSegment: disk.open });
    const apart = async (count: number): Promise<number> => {
      const all: Promise<number>[] = [];
      await new Promise((resolve) => {
        setImmediate(resolve);
      });
      disk.writes = 0;
      for (let n = 0; n < count; n += 1) {
        all.push(audit.append(decision(n)));
        await new Promise<void>((resolve) => {
          process.nextTick(resolve);
        });
      }
      await Promise.all(all);
      return disk.writes;
    };
    await audit.append(decision(0));
    expect(await apart(2)).toBe(2);
    expect(await apart(20)).toBe(2);
    expect(await apart(2)).toBe(1);
    expect(await apart(2)).toBe(2);
  });

  it('waits for a sync, where each entry is synced', async () => {
    const disk = countingDisk();
    const clock = createTestClock();
    const { audit } = await startAudit({ clock, openSegment: disk.open, sync: 'always' });
    await audit.append(decision(1));
    disk.writes = 0;
    const all = Array.from({ length: 20 }, (_, n) => audit.append(decision(n)));
    expect(disk.writes).toBe(0);
    await Promise.all(all);
    expect(disk.writes).toBe(1);
  });
});
