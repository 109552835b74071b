/**
 * Method: a plain splitter over the whole input says what the lines are; the decoder must find the
 * same however the input is cut into chunks.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createLineDecoder } from '../../src/core/index.ts';
import { upTo } from '../long/extent.ts';

type Found =
  | { readonly line: string }
  | { readonly oversize: number; readonly head: string; readonly tail: string }
  | { readonly empty: true };

function decode(chunks: readonly Uint8Array[], maxBytes: number): Found[] {
  const found: Found[] = [];
  const decoder = createLineDecoder(maxBytes, {
    line: (bytes) => found.push({ line: bytes.toString('latin1') }),
    oversize: (sizeBytes, head, tail) =>
      found.push({
        oversize: sizeBytes,
        head: head.toString('latin1'),
        tail: tail.toString('latin1'),
      }),
    empty: () => found.push({ empty: true }),
  });
  for (const chunk of chunks) decoder.push(chunk);
  return found;
}

/** What the decoder should find, said in another way. */
function expected(input: Buffer, maxBytes: number): Found[] {
  const lines = input.toString('latin1').split('\n').slice(0, -1);
  return lines.map((line) => {
    if (line.length > maxBytes) {
      return { oversize: line.length, head: line.slice(0, 256), tail: line.slice(-256) };
    }
    const text = line.replace(/\r$/, '');
    return text === '' ? { empty: true } : { line: text };
  });
}

function cut(input: Buffer, places: readonly number[]): Uint8Array[] {
  const at = [...new Set([0, ...places.map((place) => place % (input.length + 1)), input.length])];
  at.sort((a, b) => a - b);
  return at.slice(1).map((end, index) => Uint8Array.from(input.subarray(at[index], end)));
}

const piece = fc.oneof(
  { weight: 4, arbitrary: fc.uint8Array({ maxLength: 40 }) },
  { weight: 3, arbitrary: fc.constantFrom(Buffer.from('\n'), Buffer.from('\r\n')) },
  { weight: 1, arbitrary: fc.uint8Array({ minLength: 200, maxLength: 900 }) },
);

describe('the line decoder', () => {
  it('takes what is left for a line when the stream is over, and nothing for none', () => {
    const lines: string[] = [];
    const decoder = createLineDecoder(100, {
      line: (bytes) => lines.push(bytes.toString()),
      oversize: (sizeBytes) => lines.push(`over: ${sizeBytes}`),
    });
    decoder.end();
    decoder.push(Buffer.from('a\nb'));
    decoder.end();
    decoder.end();
    decoder.push(Buffer.alloc(101));
    decoder.end();
    expect(lines).toEqual(['a', 'b', 'over: 101']);
  });

  it('finds the same lines however the bytes are cut into chunks', () => {
    fc.assert(
      fc.property(
        fc.array(piece, { maxLength: 30 }).map((parts) => Buffer.concat(parts)),
        fc.array(fc.nat(), { maxLength: 30 }),
        fc.integer({ min: 1, max: 700 }),
        (input, places, maxBytes) => {
          expect(decode(cut(input, places), maxBytes)).toEqual(expected(input, maxBytes));
        },
      ),
      { seed: 7, numRuns: upTo(200, 500) },
    );
  });

  it('finds the same lines when the bytes come one by one', () => {
    const input = Buffer.from(`${'a'.repeat(300)}\r\n\n${'b'.repeat(1200)}\nrest\nunfinished`);
    const single = [...input].map((byte) => Uint8Array.of(byte));
    expect(decode(single, 1000)).toEqual(expected(input, 1000));
  });

  it('keeps a line of exactly the limit and drops one that is a byte longer', () => {
    const input = Buffer.from('12345\n123456\n');
    expect(decode([input], 5)).toEqual([
      { line: '12345' },
      { oversize: 6, head: '123456', tail: '123456' },
    ]);
  });

  it('says how much has come of a line also when that is over the limit and no longer kept', () => {
    const decoder = createLineDecoder(10, { line: () => undefined, oversize: () => undefined });
    const held = (text: string): number => {
      decoder.push(Buffer.from(text));
      return decoder.keptBytes;
    };
    expect([held('12345'), held('1234567890'), held('x'.repeat(100)), held('\nab')]).toEqual([
      5, 15, 115, 2,
    ]);
  });

  it('goes on with the next line after an oversize one', () => {
    const big = Buffer.alloc(3_000_000, 'x');
    const found = decode([Buffer.from('before\n{"id":7,'), big, Buffer.from('"}\nafter\n')], 1024);
    expect(found.map((one) => Object.keys(one)[0])).toEqual(['line', 'oversize', 'line']);
    expect(found[1]).toMatchObject({ oversize: 3_000_000 + 10 });
    expect(JSON.stringify(found[1])).toContain('{\\"id\\":7,xx');
  });

  it('holds back a line that has not ended', () => {
    expect(decode([Buffer.from('half of a line')], 1024)).toEqual([]);
  });

  it('gives the bytes of a line untouched, also those that are no UTF-8', () => {
    const bytes = Buffer.from([0xff, 0x00, 0xc3, 0x28]);
    expect(decode([bytes, Buffer.from('\n')], 10)).toEqual([{ line: bytes.toString('latin1') }]);
  });

  it('holds a line that comes byte by byte in about its own size', () => {
    const lengthBytes = 1_000_000;
    const decoder = createLineDecoder(2 * lengthBytes, {
      line: (line) => expect(line).toHaveLength(lengthBytes),
      oversize: () => expect.unreachable(),
    });
    const before = process.memoryUsage().heapUsed;
    for (let index = 0; index < lengthBytes; index += 1) decoder.push(Uint8Array.of(0x61));
    const grownBytes = process.memoryUsage().heapUsed - before;
    decoder.push(Buffer.from('\n'));
    // One object a byte would be over 90 MB.
    expect(grownBytes).toBeLessThan(64 * 1024 * 1024);
    expect.assertions(2);
  });
});
