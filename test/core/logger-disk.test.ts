/** A log whose disk is full: whoever logs goes on, and the lines are there once there is room. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { createLogger } from '../../src/core/index.ts';
import { createSmallDisk, smallDiskMissing } from '../store/small-disk.ts';

const missing = await smallDiskMissing();

it.skipIf(missing !== undefined)('stops nobody, and keeps lines for later', async () => {
  const disk = await createSmallDisk(1024 * 1024);
  try {
    const file = join(disk.path, 'log');
    const logger = createLogger({ spec: 'debug', file });
    logger.debug({ at: 0 }, 'there is room');
    await disk.fill();
    // What is beyond the bound is left out, and nothing waits for it.
    for (let at = 1; at <= 1000; at += 1) logger.debug({ at, text: 'x'.repeat(4000) }, 'full');
    await disk.free();
    logger.debug({ at: 1001 }, 'there is room again');
    const lines = (await readFile(file, 'utf8')).trimEnd().split('\n');
    const ats = lines.map((line) => (JSON.parse(line) as { readonly at: number }).at);
    expect(ats.slice(0, 100)).toEqual(Array.from({ length: 100 }, (_, at) => at));
    expect(ats.length).toBeLessThan(300);
    expect(ats.at(-1)).toBe(1001);
  } finally {
    await disk.remove();
  }
});
