/** Frames: parsed once, and changed only where a relay must change them. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { StarlingError } from '../../../src/core/index.ts';
import { parseFrame, rewriteFrame, toLine } from '../../../src/gateway/wire/frame.ts';

const bytes = (text: string): Buffer => Buffer.from(text, 'utf8');

function violationOf(text: string | Buffer): StarlingError {
  try {
    parseFrame(typeof text === 'string' ? bytes(text) : text);
  } catch (error) {
    if (error instanceof StarlingError) return error;
    throw error;
  }
  throw new Error('this was taken for a message');
}

describe('a message', () => {
  it('is a request, a notification, a result or an error', () => {
    const kinds = [
      '{"jsonrpc":"2.0","id":1,"method":"ping"}',
      '{"jsonrpc":"2.0","method":"notifications/initialized"}',
      '{"jsonrpc":"2.0","id":"a","result":{}}',
      '{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"no"}}',
    ].map((text) => parseFrame(bytes(text)).kind);
    expect(kinds).toEqual(['request', 'notification', 'response', 'response']);
  });

  it.each([
    ['nonsense', -32700],
    ['{"jsonrpc":"2.0"', -32700],
    ['[]', -32600],
    ['[{"jsonrpc":"2.0","id":1,"method":"ping"}]', -32600],
    ['"text"', -32600],
    ['null', -32600],
    ['{"id":1,"method":"ping"}', -32600],
    ['{"jsonrpc":"1.0","id":1,"method":"ping"}', -32600],
    ['{"jsonrpc":"2.0","id":1.5,"method":"ping"}', -32600],
    ['{"jsonrpc":"2.0","id":{},"method":"ping"}', -32600],
    ['{"jsonrpc":"2.0","id":null,"method":"ping"}', -32600],
    ['{"jsonrpc":"2.0","id":1,"method":7}', -32600],
    ['{"jsonrpc":"2.0","id":1,"method":"x","params":[]}', -32600],
    ['{"jsonrpc":"2.0","id":1}', -32600],
    ['{"jsonrpc":"2.0","id":1,"result":{},"error":{"code":1,"message":""}}', -32600],
    ['{"jsonrpc":"2.0","id":1,"result":7}', -32600],
    ['{"jsonrpc":"2.0","id":1,"error":"no"}', -32600],
    ['{"jsonrpc":"2.0","result":{}}', -32600],
  ])('%s is none', (text, rpc) => {
    expect(violationOf(text).data['rpc']).toBe(rpc);
  });

  it('that is not UTF-8 is none', () => {
    expect(violationOf(Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x7d])).data['rpc']).toBe(-32700);
  });

  it('of random bytes is refused and never breaks anything', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (random) => {
        expect(violationOf(Buffer.from(random)).code).toBe('STARLING_PROTOCOL_VIOLATION');
      }),
    );
  });

  it('keeps the id of what is refused, so that the caller hears of it', () => {
    expect(violationOf('{"jsonrpc":"2.0","id":"x7","method":"m","params":3}').data['id']).toBe(
      'x7',
    );
  });
});

describe('a rewritten message', () => {
  it('differs only where it was meant to, to the byte', () => {
    const text =
      '{ "x":12345678901234567890, "jsonrpc":"2.0","id" : 1 ,"method":"tools/call","params":{"arguments":{"name":"not this","id":9,"n":1e400,"s":"\\u0041"},"name":"a__b","_meta":{"progressToken":"t", "traceparent":"00-1"}},"unknown":[{"id":3}]}';
    const rewritten = rewriteFrame(parseFrame(bytes(text)), {
      id: 42,
      name: 'b',
      progressToken: 42,
    });
    expect(rewritten.toString()).toBe(
      text
        .replace('"id" : 1 ', '"id" : 42 ')
        .replace('"name":"a__b"', '"name":"b"')
        .replace('"progressToken":"t"', '"progressToken":42'),
    );
  });

  it('has the edit and nothing else, for any message', () => {
    const json = fc.jsonValue({ maxDepth: 3 });
    const request = fc.record({
      id: fc.oneof(fc.integer(), fc.string()),
      name: fc.string(),
      args: json,
      extra: fc.dictionary(fc.string(), json),
      token: fc.option(fc.oneof(fc.integer(), fc.string()), { nil: undefined }),
      newId: fc.integer(),
      newName: fc.string(),
    });
    fc.assert(
      fc.property(request, ({ id, name, args, extra, token, newId, newName }) => {
        const message = {
          ...extra,
          method: 'tools/call',
          params: {
            ...(token === undefined ? {} : { _meta: { progressToken: token } }),
            name,
            arguments: args,
          },
          jsonrpc: '2.0',
          id,
        };
        delete (message as Partial<Record<string, unknown>>)['result'];
        delete (message as Partial<Record<string, unknown>>)['error'];
        const frame = parseFrame(bytes(JSON.stringify(message)));
        const rewritten = rewriteFrame(frame, { id: newId, name: newName });
        const expected = { ...message, id: newId, params: { ...message.params, name: newName } };
        expect(JSON.parse(rewritten.toString())).toEqual(JSON.parse(JSON.stringify(expected)));
      }),
    );
  });

  it.each([
    '{"jsonrpc":"2.0","id":1,"id":2,"method":"tools/call","params":{"name":"a"}}',
    '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"allowed","name":"forbidden"}}',
    '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","\\u006eame":"b"}}',
    '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a"},"params":{"name":"b"}}',
    '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","arguments":{},"arguments":{}}}',
    '{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/call","params":{"name":"a"}}',
  ])('is refused when two parsers could read it in two ways: %s', (text) => {
    const frame = parseFrame(bytes(text));
    expect(() => rewriteFrame(frame, { id: 5 })).toThrow(/repeats the key/);
  });

  it('fits on one line, however it came', () => {
    const frame = parseFrame(
      bytes('{\r\n  "jsonrpc": "2.0",\n  "id": 1,\n  "result": {"a": "b\\nc"}\n}\n'),
    );
    const line = rewriteFrame(frame, { id: 2 });
    expect(line.includes('\n')).toBe(false);
    expect(JSON.parse(line.toString())).toEqual({ jsonrpc: '2.0', id: 2, result: { a: 'b\nc' } });
    expect(toLine(bytes('{}'))).toEqual(bytes('{}'));
  });
});
