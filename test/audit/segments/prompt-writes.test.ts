/** A disk that is slow is told from a machine that is busy. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { processorWaitMs } from '../../../src/audit/segments/processor-wait.ts';
import { PromptWrites } from '../../../src/audit/segments/prompt-writes.ts';
import type { SegmentFile } from '../../../src/audit/segments/segment-file.ts';
import { createTestClock } from '../../core/test-clock.ts';

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
  const writes = new PromptWrites(clock, () => {
    looks += 1;
    return waitedMs;
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
    expect(processorWaitMs(path)).toBe(ms);
  }
  rmSync(folder, { recursive: true });
  expect(processorWaitMs(path)).toBe(0);
});

it.skipIf(process.platform !== 'linux')(
  'is some time of this thread, and never less than before',
  () => {
    const first = processorWaitMs();
    expect(first).toBeGreaterThan(0);
    expect(processorWaitMs()).toBeGreaterThanOrEqual(first);
  },
);
