/** Frames of this process's own making: the same as a reader makes of their text, which is written only where it is read. */
import { describe, expect, it } from 'vitest';
import type { JsonObject } from '../../../src/core/index.ts';
import { strictArgumentsOf } from '../../../src/gateway/clearance/call-arguments.ts';
import type { Frame, RequestFrame, ResponseFrame } from '../../../src/gateway/frame-types.ts';
import { parseFrame, rewriteFrame, spansOf } from '../../../src/gateway/wire/frame.ts';
import { ownCallFrame, ownResultFrame } from '../../../src/gateway/wire/own-frame.ts';

const META: JsonObject = { 'io.modelcontextprotocol/protocolVersion': '2026-07-28', token: 1 };

function callOf(args: unknown): Frame {
  return ownCallFrame(7, { name: 'files__read', args: args as JsonObject, meta: META });
}

function requestOf(args: unknown): RequestFrame {
  const frame = callOf(args);
  if (frame.kind !== 'request') throw new Error(frame.kind);
  return frame;
}

describe('a call', () => {
  it.each([
    [{}],
    [{ path: '/srv', deep: [1, { b: 'ü\n"', a: null }] }],
    [{ 'a "name"': -0.5e-7, big: 2 ** 60, gone: undefined, when: new Date(0) }],
    [JSON.parse('{"toString":1,"constructor":{"x":[]}}')],
  ])('of %j is what a reader makes of its text', (args) => {
    const frame = requestOf(args);
    const { id, kind, method, params } = frame;
    const read = parseFrame(frame.bytes);
    expect(read).toMatchObject({ kind, id, method, params });
    expect(spansOf(frame)).toEqual(spansOf(read));
    expect(rewriteFrame(frame, { id: 'other', name: 'read' })).toEqual(
      rewriteFrame(read, { id: 'other', name: 'read' }),
    );
    expect(strictArgumentsOf(frame, 512)).toEqual(strictArgumentsOf(read as RequestFrame, 512));
  });

  it('has the arguments of the moment, whatever the program does with them later', () => {
    const args = { list: [1] };
    const frame = requestOf(args);
    args.list.push(2);
    expect(frame.params['arguments']).toEqual({ list: [1] });
    expect(frame.bytes.toString()).toContain('"arguments":{"list":[1]}');
  });

  it.each([
    ['__proto__', '{"__proto__":{"admin":true}}'],
    ['depth', `{"a":${'['.repeat(600)}${']'.repeat(600)}}`],
  ])('is judged as one that has come: %s', (_, text) => {
    const frame = requestOf(JSON.parse(text));
    const read = parseFrame(frame.bytes) as RequestFrame;
    const refused = expect.objectContaining({ code: 'STARLING_CALL_REFUSED' });
    expect(() => strictArgumentsOf(frame, 512)).toThrow(refused);
    expect(() => strictArgumentsOf(read, 512)).toThrow(refused);
  });

  it('takes null for no arguments', () => {
    expect(callOf(null)).toMatchObject({ kind: 'request', params: { arguments: {} } });
  });

  it('is none where the arguments have no JSON', () => {
    expect(() => callOf({ count: 1n })).toThrow(TypeError);
    const ring: Record<string, unknown> = {};
    ring['self'] = ring;
    expect(() => callOf(ring)).toThrow(TypeError);
  });
});

describe('a result', () => {
  const result = { content: [{ type: 'text', text: '{"a":1}' }], structuredContent: { a: 1 } };

  it.each([[3], ['a "name"'], ['ü']])('under the id %j is what a reader makes of it', (id) => {
    const frame = ownResultFrame(id, result);
    const read = parseFrame(frame.bytes) as ResponseFrame;
    expect(frame.isOwn).toBe(true);
    expect(read).toMatchObject({ id, result });
    expect(read.isOwn).toBeUndefined();
    expect(rewriteFrame(frame, { id: 9 })).toEqual(rewriteFrame(read, { id: 9 }));
  });

  it('is written once, and not before it is read', () => {
    let written = 0;
    const text = (): string => {
      written += 1;
      return JSON.stringify(result);
    };
    const frame = ownResultFrame(1, result, { text });
    expect(written).toBe(0);
    expect(frame.bytes).toBe(frame.bytes);
    rewriteFrame(frame, { id: 2 });
    expect(written).toBe(1);
  });

  it('that is made by a function is made once, for the first who reads it, and not for its text', () => {
    let made = 0;
    const make = (): typeof result => {
      made += 1;
      return result;
    };
    const init = { text: () => JSON.stringify(result), isError: false };
    const frame = ownResultFrame(1, make, init);
    expect([parseFrame(frame.bytes), frame.isError, made]).toMatchObject([{ result }, false, 0]);
    expect([frame.result, frame.result, made]).toEqual([result, result, 1]);
  });

  it('says of itself whether its tool has failed', () => {
    expect(ownResultFrame(1, { isError: true }).isError).toBe(true);
    expect(ownResultFrame(1, () => ({ isError: true })).isError).toBe(true);
    expect(ownResultFrame(1, result).isError).toBe(false);
  });
});
