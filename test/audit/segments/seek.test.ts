/** A place in the middle of a segment, from which one looks back, is found without reading the segment. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { placeBefore } from '../../../src/audit/segments/seek.ts';
import { seededNumbers } from '../../../sim/seeded-random.ts';
import { temporaryFolder } from '../arrange.ts';

/** What may be read in vain: a piece that is read at once, and a line. */
const VAIN_BYTES = 384 * 1024;
const LINES = 1600;

/** A segment of lines of many lengths; `spoil` gives another text for some of them. */
async function segment(spoil: (seq: number, text: string) => string = (_, text) => text) {
  const random = seededNumbers(5);
  const texts = Array.from({ length: LINES }, (_, index) => {
    const entry = {
      seq: index + 1,
      at: index + 1,
      kind: 'decision',
      who: 'x'.repeat(Math.floor(random() ** 4 * 6000)),
      what: { ability: 'tool/call', resource: 'tool:files/read' },
      outcome: 'allowed',
      prev: '0'.repeat(64),
    };
    return `${spoil(entry.seq, JSON.stringify(entry))}\n`;
  });
  const path = join(await temporaryFolder(), '0000000000000001.jsonl');
  await writeFile(path, texts.join(''));
  const ends = [0];
  for (const { length } of texts) ends.push((ends.at(-1) ?? 0) + length);
  /** Where the lines before an entry end. */
  const endBefore = (seq: number): number => ends[Math.min(seq - 1, LINES)] ?? 0;
  return { path, ends, endBefore, size: endBefore(LINES + 1) };
}

it('all before an entry stands before the place, and little else', async () => {
  const { path, ends, endBefore, size } = await segment();
  expect(size).toBeGreaterThan(4 * VAIN_BYTES);
  for (const seq of [1, 2, 300, 800, LINES - 1, LINES, LINES + 1, 1e9]) {
    const place = await placeBefore(path, seq);
    expect(place, String(seq)).toBeGreaterThanOrEqual(endBefore(seq));
    expect(place - endBefore(seq), String(seq)).toBeLessThan(VAIN_BYTES);
    expect(ends.includes(place), String(seq)).toBe(true);
  }
});

it('where lines are no entries, more is read, and nothing is left out', async () => {
  const some = await segment((seq, text) => (seq % 3 === 0 ? '{"seq":'.repeat(9) : text));
  for (const seq of [10, 500, 1200]) {
    expect(await placeBefore(some.path, seq)).toBeGreaterThanOrEqual(some.endBefore(seq));
  }
  const none = await segment((_, text) => 'x'.repeat(text.length));
  expect(await placeBefore(none.path, 5)).toBe(none.size);
});

it('a file that is gone is told as such', async () => {
  const path = join(await temporaryFolder(), '0000000000000001.jsonl');
  await expect(placeBefore(path, 5)).rejects.toMatchObject({ code: 'STARLING_STATE_UNUSABLE' });
});
