import { describe, expect, it } from 'vitest';
import { createLineWriter } from '../../../src/gateway/wire/line-writer.ts';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('lines', () => {
  it('of everything that one turn of the event loop brings leave in one write', async () => {
    const written: string[] = [];
    const writer = createLineWriter((chunk) => written.push(chunk.toString()));
    writer.line(Buffer.from('first'));
    await Promise.resolve();
    writer.line(Buffer.from('second'));
    await new Promise<void>((resolve) => process.nextTick(resolve));
    writer.line(Buffer.from('third'));
    expect(written).toEqual([]);
    await turn();
    expect(written).toEqual(['first\nsecond\nthird\n']);
  });

  it('of a burst leave in parts, the first before the turn is over, all of them in order', async () => {
    const written: string[] = [];
    const writer = createLineWriter((chunk) => written.push(chunk.toString()));
    const lines = Array.from({ length: 40 }, (_, index) => `line ${index}`);
    for (const line of lines) writer.line(Buffer.from(line));
    const early = written.join('');
    expect(early).toMatch(/^line 0\n/);
    expect(`${lines.join('\n')}\n`.startsWith(early)).toBe(true);
    setImmediate(() => written.push('end\n'));
    await turn();
    expect(written.join('')).toBe(`${lines.join('\n')}\nend\n`);
    // A turn writes nothing for lines that have left.
    expect(written).not.toContain('');
  });

  it('are written before whatever is put off to the end of the turn after them', async () => {
    const events: string[] = [];
    const writer = createLineWriter((chunk) => events.push(chunk.toString()));
    writer.line(Buffer.from('last words'));
    setImmediate(() => events.push('end'));
    await turn();
    writer.line(Buffer.from('more'));
    await turn();
    expect(events).toEqual(['last words\n', 'end', 'more\n']);
  });
});
