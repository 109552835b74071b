import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ResponseFrame } from '../../../src/gateway/frame-types.ts';
import { parseFrame } from '../../../src/gateway/wire/frame.ts';

function answer(text: string): ResponseFrame {
  const frame = parseFrame(Buffer.from(text));
  if (frame.kind !== 'response') throw new Error('this is no answer');
  return frame;
}

describe('an answer that is not as JSON-RPC wants it', () => {
  it.each([
    ['an error that is null', '{"jsonrpc":"2.0","id":1,"result":{"n":1e2},"error":null}', 'result'],
    [
      'a result that is null',
      '{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"m"},"result":null}',
      'error',
    ],
    ['no version', '{"id":1,"result":{"n":12345678901234567890}}', 'result'],
    ['another version', '{"jsonrpc":"1.0","id":1,"result":{}}', 'result'],
    ['a version that is a number', '{"jsonrpc":2.0,"id":1,"result":{}}', 'result'],
    ['an error that is a text', '{"jsonrpc":"2.0","id":1,"error":"boom"}', 'error'],
    ['an error without a code', '{"jsonrpc":"2.0","id":1,"error":{"message":"boom"}}', 'error'],
    [
      'a code that is a text',
      '{"jsonrpc":"2.0","id":1,"error":{"code":"E1","message":"boom"}}',
      'error',
    ],
    ['an error without a text', '{"jsonrpc":"2.0","id":1,"error":{"code":5}}', 'error'],
    ['no id', '{"jsonrpc":"2.0","result":{}}', 'result'],
  ])('is taken with %s, in an envelope that is right', (_, text, key) => {
    const frame = answer(text);
    expect(frame.odd).toBeUndefined();
    const written = JSON.parse(frame.bytes.toString()) as Record<string, unknown>;
    expect(Object.keys(written)).toEqual(['jsonrpc', 'id', key]);
    expect(written['jsonrpc']).toBe('2.0');
    if (key === 'error') {
      expect(frame.error).toEqual(written['error']);
      expect(frame.error).toEqual({ code: expect.any(Number), message: expect.any(String) });
    }
  });

  it('keeps the bytes of its result', () => {
    const frame = answer('{"id":1,"error":null,"result":{ "n":12345678901234567890, "x":1e400 }}');
    expect(frame.bytes.toString()).toBe(
      '{"jsonrpc":"2.0","id":1,"result":{ "n":12345678901234567890, "x":1e400 }}',
    );
  });

  it.each([
    ['{"jsonrpc":"2.0","id":1,"result":{},"error":{"code":1,"message":""}}', 'both'],
    ['{"jsonrpc":"2.0","id":1,"result":7}', 'a number'],
    ['{"jsonrpc":"2.0","id":1,"result":"x"}', 'text'],
    ['{"jsonrpc":"2.0","id":1,"result":[]}', 'a list'],
    ['{"jsonrpc":"2.0","id":1,"result":null}', 'null'],
    ['{"jsonrpc":"2.0","id":1,"result":null,"error":null}', 'null'],
    ['{"id":1,"result":{"a":1},"result":{"a":2}}', 'twice'],
    ['{"jsonrpc":"2.0","id":1,"Result":{},"error":{"code":1,"message":""}}', '"Result"'],
    ['{"jsonrpc":"2.0","id":2,"result":{},"id":1}', '"id" twice'],
    ['{"jsonrpc":"2.0","id":1,"result":{"a":1},"r\\u0065sult":{"a":2}}', '"result" twice'],
    [
      '{"jsonrpc":"2.0","id":1,"result":{"resultType":"input_required","resultType":"complete"}}',
      '"resultType" twice',
    ],
    [
      '{"jsonrpc":"2.0","id":1,"result":{"inputRequests":{},"x":[{}],"inputRequests":{"a":{}}}}',
      '"inputRequests" twice',
    ],
    ['{"jsonrpc":"2.0","id":1,"result":{"taskId":"a","task\\u0049d":"b"}}', '"taskId" twice'],
    ['{"jsonrpc":"2.0","id":1,"result":{"taskId":"a","taskId":null}}', '"taskId" twice'],
    [
      '{"jsonrpc":"2.0","id":1,"result":{"inputRequests":{"a":{"method":"roots/list","method":"x"}}}}',
      '"inputRequests" can\'t be read in one way',
    ],
    ['{"jsonrpc":"2.0","id":1,"result":{"task":{"taskId":"a","taskId":"b"}}}', '"task" can\'t'],
  ])('says what is wrong with it: %s', (text, words) => {
    expect(answer(text).odd).toContain(words);
    expect(answer(text).id).toBe(1);
  });

  it.each([
    '{"jsonrpc":"2.0","id":1,"result":{"isError":false,"isError":true,"IsError":false}}',
    '{"jsonrpc":"2.0","id":1,"result":{"task_id":"a","taskId":"b","content":[{"taskId":"c"}]}}',
    '{"jsonrpc":"2.0","id":1,"result":{"structuredContent":{"taskId":1,"taskId":2}}}',
  ])('passes what this node does not decide by as it came: %s', (text) => {
    const frame = answer(text);
    expect(frame.odd).toBeUndefined();
    expect(frame.bytes.toString()).toBe(text);
  });

  it('never throws, whatever its members are', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), fc.jsonValue(), (id, result, error) => {
        const frame = answer(JSON.stringify({ id, result, error: error ?? 0 }));
        expect(['string', 'number', 'object']).toContain(typeof frame.id);
        expect(() => JSON.parse(frame.bytes.toString()) as unknown).not.toThrow();
      }),
    );
  });

  it('takes nothing that comes as JSON for an id that was written', () => {
    const frame = answer('{"jsonrpc":"2.0","id":{"written":"1,\\"x\\":2"},"result":{}}');
    expect(frame.id).toBe(null);
  });
});
