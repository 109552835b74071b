/** The trace that a call names: read strictly, and put in its place in the bytes of a message. */
import { describe, expect, it } from 'vitest';
import { parseFrame, rewriteFrame } from '../../../src/gateway/wire/frame.ts';
import { readTraceParent, traceParentText } from '../../../src/gateway/wire/trace-parent.ts';

const TRACE = '0af7651916cd43dd8448eb211c80319c';
const SPAN = 'b7ad6b7169203331';
const PARENT = `00-${TRACE}-${SPAN}-01`;
const NEXT = `00-${TRACE}-00f067aa0ba902b7-01`;

it('is read, and written as it was read', () => {
  const read = readTraceParent(PARENT);
  expect(read).toEqual({ traceId: TRACE, spanId: SPAN, isSampled: true });
  expect(read === undefined ? '' : traceParentText(read)).toBe(PARENT);
  expect(readTraceParent(`00-${TRACE}-${SPAN}-00`)?.isSampled).toBe(false);
  // Of the flags one counts; a later version may say more.
  expect(readTraceParent(`00-${TRACE}-${SPAN}-fe`)?.isSampled).toBe(false);
  expect(readTraceParent(`cc-${TRACE}-${SPAN}-03-what-the-future-has`)?.isSampled).toBe(true);
});

it.each([
  undefined,
  null,
  7,
  {},
  [PARENT],
  '',
  '00-1',
  PARENT.toUpperCase(),
  `${PARENT}-more`,
  `${PARENT} `,
  ` ${PARENT}`,
  `${PARENT}\n`,
  `ff-${TRACE}-${SPAN}-01`,
  `00-${'0'.repeat(32)}-${SPAN}-01`,
  `00-${TRACE}-${'0'.repeat(16)}-01`,
  `cc-${TRACE}-${SPAN}-01-${'x'.repeat(600)}`,
  `00-${TRACE}${TRACE}-${SPAN}-01`,
])('is none: %j', (value) => expect(readTraceParent(value)).toBeUndefined());

describe('in a message', () => {
  const at = (params: string): string => {
    const text = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":${params}}`;
    const bytes = rewriteFrame(parseFrame(Buffer.from(text)), { traceparent: NEXT, id: 2 });
    const said = bytes.toString();
    expect(() => parseFrame(bytes)).not.toThrow();
    return said.slice(said.indexOf('"params":') + '"params":'.length, -1);
  };

  it('takes the place of the one that the caller named, and nothing else changes', () => {
    const named = `{"name":"a","_meta":{ "x":1.0, "traceparent" : "${PARENT}","tracestate":"v=1"}}`;
    expect(at(named)).toBe(named.replace(PARENT, NEXT));
  });

  it('is added where there was none', () => {
    expect(at('{"name":"a","_meta":{"x":1.0}}')).toBe(
      `{"name":"a","_meta":{"traceparent":"${NEXT}","x":1.0}}`,
    );
    expect(at('{"name":"a","_meta":{}}')).toBe(`{"name":"a","_meta":{"traceparent":"${NEXT}"}}`);
    expect(at('{"name":"a"}')).toBe(`{"_meta":{"traceparent":"${NEXT}"},"name":"a"}`);
  });

  it('takes the place of what is no text, and of a key that is written with escapes', () => {
    expect(at('{"name":"a","_meta":{"tracep\\u0061rent":{"a":[1]},"y":2}}')).toBe(
      `{"name":"a","_meta":{"tracep\\u0061rent":"${NEXT}","y":2}}`,
    );
  });

  it('that the caller names more than once stays as it came: it would grow with each', () => {
    const twice = `{"name":"a","_meta":{${'"traceparent":1,'.repeat(10_000)}"y":2}}`;
    expect(at(twice)).toBe(twice);
  });

  it('of arguments is theirs', () => {
    const args = `{"name":"a","arguments":{"_meta":{"traceparent":"${PARENT}"},"traceparent":1}}`;
    expect(at(args)).toBe(`{"_meta":{"traceparent":"${NEXT}"},${args.slice(1)}`);
  });

  it('is left out where no object stands for it', () => {
    expect(at('{"name":"a","_meta":7}')).toBe('{"name":"a","_meta":7}');
  });
});
