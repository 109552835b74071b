/** A disk that is slow is told from a machine that is busy. */
import { mkdtempSync, readdirSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { ProcessorWait } from '../../../src/audit/segments/processor-wait.ts';
import { PromptWrites } from '../../../src/audit/segments/prompt-writes.ts';
import type { SegmentFile } from '../../../src/audit/segments/segment-file.ts';
import { createTestClock } from '../../core/test-clock.ts';
import { decision, startAudit } from '../arrange.ts';

const LINE = Buffer.from('{}\n');

function slowly(wait: (at: number) => { tookMs: number; busyMs: number }) {
  const clock = createTestClock();
  let [waitedMs, looks, at] = [1000, 0, 0];
  const file: SegmentFile = {
    writeNow() {
      const { tookMs, busyMs } = wait(at);
      at += 1;
      waitedMs += busyMs;
      clock.advance(tookMs);
    },
    write: async () => undefined,
    truncate: async () => undefined,
    sync: async () => undefined,
    close: async () => undefined,
  };
  const writes = new PromptWrites(clock, {
    ms() {
      looks += 1;
      return waitedMs;
    },
    close: () => undefined,
  });
  return {
    clock,
    write: () => writes.write(file, LINE, 0),
    takes: () => writes.takes(file),
    looks: () => looks,
  };
}

it('leaves writing to the pool for two seconds after a write that waited for the disk, not for a processor', () => {
  for (const [tookMs, busyMs, isSlow] of [
    [51, 0, true],
    [50, 0, false],
    [400, 390, false],
    [400, 300, true],
    [60, 60, false],
  ] as const) {
    const { clock, takes, write } = slowly(() => ({ tookMs, busyMs }));
    write();
    expect([tookMs, busyMs, takes()]).toEqual([tookMs, busyMs, !isSlow]);
    clock.advance(2001);
    expect(takes()).toBe(true);
  }
});

it('looks at that no oftener than every 50 ms while writes are prompt, and again when one was not', () => {
  const made = slowly((at) =>
    at === 1000 ? { tookMs: 400, busyMs: 0 } : { tookMs: 0, busyMs: 0 },
  );
  for (let at = 0; at < 1000; at += 1) {
    made.write();
    made.clock.advance(1);
  }
  expect(made.looks()).toBeLessThan(25);
  made.write();
  expect(made.takes()).toBe(false);
});

it('is told by the kernel how long this thread has waited, and takes anything else for no time', () => {
  const folder = mkdtempSync(join(tmpdir(), 'starling-wait-'));
  const path = join(folder, 'schedstat');
  for (const [text, ms] of [
    ['7 2500000 3\n', 2.5],
    ['', 0],
    ['nothing', 0],
    ['1 -4 2', 0],
    ['1 99999999999999999999 2', 0],
  ] as const) {
    writeFileSync(path, text);
    const wait = new ProcessorWait(path);
    expect([wait.ms(), wait.ms()]).toEqual([ms, ms]);
    wait.close();
  }
  rmSync(folder, { recursive: true });
  expect(new ProcessorWait(path).ms()).toBe(0);
});

it.skipIf(process.platform !== 'linux')(
  'is some time of this thread, and never less than before',
  () => {
    const wait = new ProcessorWait();
    const first = wait.ms();
    expect(first).toBeGreaterThan(0);
    for (let look = 0; look < 10; look += 1) expect(wait.ms()).toBeGreaterThanOrEqual(first);
    wait.close();
  },
);

it.skipIf(process.platform !== 'linux')(
  'is read from one file, which is closed when the log is, and opened by a later look',
  async () => {
    const { audit } = await startAudit({ clock: createTestClock() });
    const before = openLooks();
    // The first opens the segment, by a thread of the pool.
    for (let n = 0; n < 3; n += 1) await audit.append(decision(n));
    expect(openLooks()).toBe(before + 1);
    await audit.stop();
    expect(openLooks()).toBe(before);
    const wait = new ProcessorWait();
    for (let look = 0; look < 3; look += 1) wait.ms();
    expect(openLooks()).toBe(before + 1);
    wait.close();
    wait.close();
    expect(openLooks()).toBe(before);
    expect(wait.ms()).toBeGreaterThan(0);
    wait.close();
  },
);

/** How many such files this process has open. */
function openLooks(): number {
  const names = readdirSync('/proc/self/fd').map((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`);
    } catch {
      // The folder that is listed here is closed by now.
      return '';
    }
  });
  return names.filter((name) => name.endsWith('/schedstat')).length;
}
