/** Event streams as servers write them, and as nobody should. */
import { describe, expect, it } from 'vitest';
import { createEventStreamDecoder } from '../../../../src/gateway/upstreams/url/event-stream.ts';
import type { EventStreamDecoder } from '../../../../src/gateway/upstreams/url/event-stream.ts';

function decode(
  text: string,
  maxBytes = 1000,
  step = text.length,
): { readonly events: string[]; readonly decoder: EventStreamDecoder; readonly whole: boolean } {
  const events: string[] = [];
  const decoder = createEventStreamDecoder(maxBytes, ({ type, data }) =>
    events.push(`${type}:${data.toString('utf8')}`),
  );
  const bytes = Buffer.from(text);
  let whole = true;
  for (let at = 0; at < bytes.length; at += step)
    whole &&= decoder.push(bytes.subarray(at, at + step));
  return { events, decoder, whole };
}

describe('an event stream', () => {
  it('gives type and data of each event, however it is cut', () => {
    const text =
      '\uFEFFdata: a\ndata:b\n\r\nevent: endpoint\ndata: /x\n\n: comment\n\nevent: y\n\n';
    for (const step of [1, 2, 3, 7, 100]) {
      expect(decode(text, 1000, step).events).toEqual(['message:a\nb', 'endpoint:/x']);
    }
  });

  it('has lines that end with CR, CR LF or LF, also where these are cut in two', () => {
    const text = 'data: a\rdata:b\r\rdata: c\r\n\r\ndata: d\n\r\nevent: y\rdata\r\r';
    for (const step of [1, 2, 3, 5, 100]) {
      expect(decode(text, 1000, step).events).toEqual(['message:a\nb', 'message:c', 'message:d']);
    }
    // The event is there with the first half of its end.
    expect(decode('data: now\r\r').events).toEqual(['message:now']);
  });

  it('keeps the last id, also of an event without data, once the event has ended', () => {
    const { decoder, events } = decode('id: 7\ndata:\n\nid: 8\ndata: half');
    expect(decoder.lastEventId).toBe('7');
    expect(events).toEqual([]);
    decoder.push(Buffer.from('\n\n'));
    expect(decoder.lastEventId).toBe('8');
  });

  it('has no id when the server resets it, or gives one that can not be sent back', () => {
    expect(decode('id: 7\n\nid\n\n').decoder.lastEventId).toBeUndefined();
    expect(decode('id: a\u0000b\n\n').decoder.lastEventId).toBeUndefined();
    expect(decode(`id: ${'x'.repeat(5000)}\n\n`, 10_000).decoder.lastEventId).toBeUndefined();
  });

  it('hears how long to wait, and nothing that is no number', () => {
    expect(decode('retry: 250\n\n').decoder.retryMs).toBe(250);
    expect(decode('retry: soon\nretry: -1\n\n').decoder.retryMs).toBeUndefined();
  });

  it('is given up when an event is over the limit, in one line or in many', () => {
    expect(decode(`data: ${'x'.repeat(101)}\n\n`, 100)).toMatchObject({ whole: false, events: [] });
    expect(decode(`data: ${'x'.repeat(60)}\n`.repeat(2), 100).whole).toBe(false);
    expect(decode(`data: ${'x'.repeat(100)}\n\n`, 100).whole).toBe(true);
  });
});
