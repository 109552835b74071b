/** Length-prefixed messages: any message in any chunks; nothing else gets through. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createFrameDecoder, encodeLength } from '../../../src/network/streams/framing.ts';
import { codeOf } from '../support.ts';

function frame(message: Uint8Array): Buffer {
  return Buffer.concat([encodeLength(message.length), message]);
}

describe('framing', () => {
  it('gives back every message, however the bytes are cut', () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ maxLength: 400 }), { maxLength: 20 }),
        fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1 }),
        (messages, cuts) => {
          const bytes = Buffer.concat(messages.map(frame));
          const heard: Uint8Array[] = [];
          const decoder = createFrameDecoder(400, (message) => heard.push(Buffer.from(message)));
          for (let at = 0, turn = 0; at < bytes.length; turn++) {
            const size = cuts[turn % cuts.length] ?? 1;
            decoder.push(bytes.subarray(at, at + size));
            at += size;
          }
          expect(heard.map((message) => [...message])).toEqual(messages.map((m) => [...m]));
          expect(decoder.atBoundary).toBe(true);
        },
      ),
    );
  });

  it('throws only its two codes on arbitrary bytes, and never gives an oversize message', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 50 })), (chunks) => {
        const sizes: number[] = [];
        const decoder = createFrameDecoder(64, (message) => sizes.push(message.length));
        const code = codeOf(() => {
          for (const chunk of chunks) decoder.push(chunk);
        });
        expect(code).toMatch(/^(none|STARLING_LIMIT_EXCEEDED|STARLING_PROTOCOL_VIOLATION)$/);
        expect(Math.max(0, ...sizes)).toBeLessThanOrEqual(64);
      }),
    );
  });

  it('refuses a length over the limit before its bytes come', () => {
    const decoder = createFrameDecoder(1000, () => undefined);
    expect(() => decoder.push(encodeLength(1001))).toThrow(/at most 1000/);
  });

  it.each([
    ['not in its shortest form', [0x80, 0x00]],
    ['without an end', [0x80, 0x80, 0x80, 0x80, 0x80]],
  ])('refuses a length %s', (_what, bytes) => {
    const decoder = createFrameDecoder(1000, () => undefined);
    expect(() => decoder.push(Uint8Array.from(bytes))).toThrow(/length/);
  });

  it('writes the lengths of the multiformats table', () => {
    expect([...encodeLength(0)]).toEqual([0]);
    expect([...encodeLength(127)]).toEqual([127]);
    expect([...encodeLength(128)]).toEqual([0x80, 1]);
    expect([...encodeLength(300)]).toEqual([0xac, 2]);
    expect([...encodeLength(16_384)]).toEqual([0x80, 0x80, 1]);
    expect([...encodeLength(2_000_000)]).toEqual([0x80, 0x89, 0x7a]);
  });

  it('takes a message as long as the limit', () => {
    const sizes: number[] = [];
    const decoder = createFrameDecoder(1000, (message) => sizes.push(message.length));
    decoder.push(frame(new Uint8Array(1000)));
    expect(sizes).toEqual([1000]);
  });

  it('is between messages only when nothing of one has come', () => {
    const decoder = createFrameDecoder(1000, () => undefined);
    expect(decoder.atBoundary).toBe(true);
    decoder.push(Uint8Array.of(0x80));
    expect(decoder.atBoundary).toBe(false);
    decoder.push(Uint8Array.of(1));
    expect(decoder.atBoundary).toBe(false);
    decoder.push(new Uint8Array(127));
    expect(decoder.atBoundary).toBe(false);
    decoder.push(new Uint8Array(1));
    expect(decoder.atBoundary).toBe(true);
  });

  it('hands on a message that came whole without copying it, and not with what follows', () => {
    const heard: Uint8Array[] = [];
    const decoder = createFrameDecoder(1000, (message) => heard.push(message));
    const chunk = Uint8Array.of(2, 7, 8, 1, 9);
    decoder.push(chunk);
    expect(heard.map((message) => [...message])).toEqual([[7, 8], [9]]);
    expect(heard[0]?.buffer).toBe(chunk.buffer);
    expect(heard[1]?.buffer).toBe(chunk.buffer);
  });
});
