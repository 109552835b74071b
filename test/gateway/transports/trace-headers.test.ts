/** The trace in headers of HTTP: of a client put into the message, and of a message told to a server. */
import { expect, it } from 'vitest';
import {
  traceMetaOf,
  withTraceOf,
  withTraceOfAll,
} from '../../../src/gateway/transports/trace-headers.ts';
import { traceHeadersOf } from '../../../src/gateway/upstreams/url/request-headers.ts';
import { parseIncoming } from '../../../src/gateway/wire/batch.ts';
import { parseFrame } from '../../../src/gateway/wire/frame.ts';
import type { RequestFrame } from '../../../src/gateway/frame-types.ts';

const PARENT = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
const OTHER = '00-11111111111111111111111111111111-1111111111111111-00';

function frameOf(params: string): RequestFrame {
  const text = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":${params}}`;
  const frame = parseFrame(Buffer.from(text));
  if (frame.kind !== 'request') throw new Error('no request');
  return frame;
}

it('of a client go into the message, which must not name another one', () => {
  const headers = { traceparent: PARENT, tracestate: 'v=1' };
  const told = withTraceOf(headers, frameOf('{"name":"a"}'));
  expect(told.params).toEqual({ name: 'a', _meta: { traceparent: PARENT, tracestate: 'v=1' } });
  expect(told.bytes.toString()).toContain(PARENT);
  for (const params of [
    `{"name":"a","_meta":{"traceparent":"${OTHER}"}}`,
    '{"name":"a","_meta":{"traceparent":7}}',
    '{"name":"a","_meta":7}',
  ]) {
    const frame = frameOf(params);
    expect(withTraceOf(headers, frame)).toBe(frame);
  }
  const withState = withTraceOf(headers, frameOf('{"name":"a","_meta":{"tracestate":"mine"}}'));
  expect(withState.params['_meta']).toEqual({ traceparent: PARENT, tracestate: 'mine' });
});

it('of a client go into each request of a batch, and into nothing else of it', () => {
  const own = `{"jsonrpc":"2.0","id":2,"method":"ping","params":{"_meta":{"traceparent":"${OTHER}"}}}`;
  const batch = parseIncoming(
    Buffer.from(
      `[{"jsonrpc":"2.0","id":1,"method":"ping"},${own},{"jsonrpc":"2.0","method":"notifications/x"},{"no":"message"}]`,
    ),
  );
  const headers = { traceparent: PARENT };
  const told = withTraceOfAll(headers, batch);
  if (told.kind !== 'batch') throw new Error('no batch');
  expect(
    told.frames.map((frame) => [frame.kind, 'params' in frame ? frame.params : undefined]),
  ).toEqual([
    ['request', { _meta: { traceparent: PARENT } }],
    ['request', { _meta: { traceparent: OTHER } }],
    ['notification', {}],
    ['invalid', undefined],
  ]);
  expect(withTraceOfAll({}, batch)).toBe(batch);
});

it('that are no trace say nothing', () => {
  const frame = frameOf('{"name":"a"}');
  expect(withTraceOf({}, frame)).toBe(frame);
  expect(withTraceOf({ traceparent: 'x' }, frame)).toBe(frame);
  expect(traceMetaOf({ tracestate: 'v=1' })).toEqual({});
  for (const tracestate of ['', 'x'.repeat(513), 'v=\u0007', 'v=ä']) {
    expect(traceMetaOf({ traceparent: PARENT, tracestate })).toEqual({ traceparent: PARENT });
  }
});

it('of a message are told to a server at a URL, if they are what they must be', () => {
  const told = (meta: object): unknown =>
    traceHeadersOf(frameOf(JSON.stringify({ name: 'a', _meta: meta })).bytes);
  expect(told({ traceparent: PARENT, tracestate: 'v=1' })).toEqual({
    traceparent: PARENT,
    tracestate: 'v=1',
  });
  expect(told({ traceparent: 'x\r\nevil: 1' })).toEqual({});
  expect(told({ traceparent: PARENT, tracestate: 'x\r\nevil: 1' })).toEqual({
    traceparent: PARENT,
  });
  expect(traceHeadersOf(frameOf('{"arguments":{"traceparent":"x"},"name":"a"}').bytes)).toEqual({});
});
