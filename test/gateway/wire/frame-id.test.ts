import { describe, expect, it } from 'vitest';
import { idAtEdge } from '../../../src/gateway/wire/edge-id.ts';
import { idText, keyOfId, ownIdOf } from '../../../src/gateway/wire/frame-id.ts';
import {
  cancelledBy,
  parseFrame,
  progressTokenOf,
  resultBytes,
  rewriteFrame,
} from '../../../src/gateway/wire/frame.ts';
import type { FrameId, NotificationFrame, RequestFrame } from '../../../src/gateway/frame-types.ts';

const request = (id: string, meta = '{}'): RequestFrame =>
  parseFrame(
    Buffer.from(`{"jsonrpc":"2.0","id":${id},"method":"ping","params":{"_meta":${meta}}}`),
  ) as RequestFrame;
const cancel = (id: string): NotificationFrame =>
  parseFrame(
    Buffer.from(
      `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":${id}}}`,
    ),
  ) as NotificationFrame;

describe('an id', () => {
  it.each(['1', '1.0', '1e3', '-7', '-0', '0.5', '12345678901234567890', '1E+2', '"1"', '"a\\"b"'])(
    'comes back as it was written: %s',
    (text) => {
      const { id } = request(text);
      expect(resultBytes(id, {}).toString()).toBe(`{"jsonrpc":"2.0","id":${text},"result":{}}`);
      const answer = parseFrame(Buffer.from('{"jsonrpc":"2.0","id":5,"result":{}}'));
      expect(rewriteFrame(answer, { id }).toString()).toContain(`"id":${text},`);
    },
  );

  it('is written as JSON, whatever a reader has made of it', () => {
    for (const id of [0, -7, 2 ** 53 - 1, 2 ** 60, 0.5, -0, 'a"b']) {
      expect(idText(id)).toBe(JSON.stringify(id));
    }
    // `1e400` is such a number to a reader, and JSON has none.
    expect(idText(Number.POSITIVE_INFINITY)).toBe('null');
    expect(idText(null)).toBe('null');
  });

  it('is the same however a number is written, and another than the next big number', () => {
    const key = (text: string): unknown => keyOfId(request(text).id);
    expect(key('1000')).toBe(key('1e3'));
    expect(key('1.0')).toBe(key('1'));
    expect(key('0.50')).toBe(key('5e-1'));
    expect(key('12345678901234567890')).toBe(key('1234567890123456789e1'));
    expect(key('12345678901234567890')).not.toBe(key('12345678901234567891'));
    expect(key('"1"')).not.toBe(key('1'));
  });

  it('is found again by who cancels it', () => {
    for (const text of ['7', '7.0', '"7"', '12345678901234567891']) {
      expect(cancelledBy(cancel(text))).toBe(keyOfId(request(text).id));
    }
    expect(cancelledBy(cancel('null'))).toBe(undefined);
  });

  it('of ours is known as a number and as text, and by nothing else', () => {
    const own: FrameId[] = [7, '7', request('7.0').id, request('70e-1').id];
    expect(own.slice(0, 3).map((id) => ownIdOf(id))).toEqual([7, 7, 7]);
    for (const id of ['7 ', '', ' ', '0x7', 'x', null]) expect(ownIdOf(id)).toBe(undefined);
  });

  it('is refused where it is none, or nobody’s', () => {
    for (const text of ['null', 'true', '{}', '[]', '9'.repeat(2000)]) {
      expect(() => request(text)).toThrow(/"id" must be/);
    }
  });

  it('is read at the ends of a message that is too long', () => {
    const at = (head: string, tail = ''): string | undefined => {
      const id = idAtEdge(Buffer.from(head), Buffer.from(tail));
      return id === undefined ? undefined : idText(id);
    };
    expect(at('{"jsonrpc":"2.0","id":"a-1","method":"x')).toBe('"a-1"');
    expect(at('{"jsonrpc":"2.0", "id" : 1e3 , "x')).toBe('1e3');
    expect(at('{"method":"x","params":{"t":"', '"},"jsonrpc":"2.0","id":"z"}')).toBe('"z"');
    expect(at('{"method":"x","params":{"id":3', '"}}')).toBe(undefined);
  });
});

describe('a progress token', () => {
  it('comes back as it was written, too', () => {
    const token = progressTokenOf(request('1', '{"progressToken":12345678901234567890}'));
    expect(token === undefined ? undefined : idText(token)).toBe('12345678901234567890');
    expect(progressTokenOf(request('1', '{"progressToken":"t"}'))).toBe('t');
    expect(progressTokenOf(request('1', '{"progressToken":null}'))).toBe(undefined);
  });
});

describe('what is null', () => {
  it('is read as nothing, and sent so', () => {
    const sent = (text: string): string => parseFrame(Buffer.from(text)).bytes.toString();
    const head = '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":';
    for (const params of ['null', '[]', '[ ]']) {
      expect(sent(`${head}${params}}`)).toBe(`${head}{}}`);
    }
    expect(sent(`${head}{"name":"a","arguments":null,"_meta":null}}`)).toBe(
      `${head}{"name":"a","arguments":{},"_meta":{}}}`,
    );
    const other = '{"jsonrpc":"2.0","id":1,"method":"vendor/x","params":{"arguments":null}}';
    expect(sent(other)).toBe(other);
  });

  it('is no more than a byte order mark before it', () => {
    const text = '{"jsonrpc":"2.0","id":1,"method":"ping"}';
    const frame = parseFrame(Buffer.from(`\ufeff${text}`));
    expect(frame.bytes.toString()).toBe(text);
  });
});
