/** Frames: parsed once, and changed only where a relay must change them. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { StarlingError } from '../../../src/core/index.ts';
import {
  RPC,
  errorBytes,
  errorFrom,
  errorOf,
  notificationBytes,
  parseFrame,
  renumbered,
  requestBytes,
  resultBytes,
  rewriteFrame,
  spansOf,
  toLine,
} from '../../../src/gateway/wire/frame.ts';
import { ownResultFrame } from '../../../src/gateway/wire/own-frame.ts';

type FrameEdits = Parameters<typeof rewriteFrame>[1];

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

const TOP = new Set(['jsonrpc', 'id', 'method', 'params', 'result', 'error']);

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
    ['{"jsonrpc":"2.0","id":{},"method":"ping"}', -32600],
    ['{"jsonrpc":"2.0","id":null,"method":"ping"}', -32600],
    ['{"jsonrpc":"2.0","id":1,"method":7}', -32600],
    ['{"jsonrpc":"2.0","id":1,"method":"x","params":[1]}', -32600],
    ['{"jsonrpc":"2.0","id":1}', -32600],
    ['{"jsonrpc":"2.0","id":1,"method":"ping","result":{}}', -32600],
    ['{"jsonrpc":"2.0","method":"notifications/x","error":{"code":1,"message":"m"}}', -32600],
    ['{"jsonrpc":"2.0","id":1,"method":null}', -32600],
  ])('%s is none', (text, rpc) => {
    expect(violationOf(text).data['rpc']).toBe(rpc);
  });

  it.each([
    ['{"jsonrpc":"2.0","id":"mine","method":"ping",}', 'mine'],
    ['{"id":7,"jsonrpc":"2.0","method":ping}', 7],
    ['{"jsonrpc":"2.0","method":ping,"id":8}', 8],
    ['{"method":"ping","params":{"id":9},}', undefined],
    ['{"jsonrpc":"2.0","id":5,"result":{broken', undefined],
  ])('%s is none, and whoever waits for its id is told', (text, id) => {
    expect(violationOf(text).data).toMatchObject({
      rpc: -32700,
      ...(id === undefined ? {} : { id }),
    });
    expect(violationOf(text).data['id']).toBe(id);
  });

  it('that is not UTF-8 is none, and not read as if it were', () => {
    const text = Buffer.from('{"jsonrpc":"2.0","id":1,"method":"x?"}');
    text[text.indexOf('?')] = 0xff;
    expect(violationOf(text).data['rpc']).toBe(-32700);
    expect(violationOf(text).message).toContain('UTF-8');
  });

  it('of an error keeps its code, its text and its data, and any id', () => {
    const frame = parseFrame(
      bytes('{"jsonrpc":"2.0","id":7,"error":{"code":-1,"message":"no","data":{"a":1}}}'),
    );
    expect(frame).toMatchObject({ id: 7, error: { code: -1, message: 'no', data: { a: 1 } } });
    const bare = parseFrame(bytes('{"jsonrpc":"2.0","error":{"code":-1,"message":5}}'));
    expect(bare).toMatchObject({ id: null, error: { code: -1, message: '5' } });
    expect('data' in (bare.kind === 'response' ? (bare.error ?? {}) : {})).toBe(false);
    const zero = parseFrame(bytes('{"jsonrpc":"2.0","id":0,"error":{"code":-1,"message":""}}'));
    expect(zero).toMatchObject({ id: 0 });
  });

  it('is scanned once', () => {
    const frame = parseFrame(bytes('{"jsonrpc":"2.0","id":1,"method":"ping"}'));
    const spans = spansOf(frame);
    expect(spans.id).toMatchObject({ start: 22, end: 23 });
    expect(spansOf(frame)).toBe(spans);
    const another = { ...frame, bytes: bytes('{"id":22}') };
    expect(spansOf(another).id).toMatchObject({ start: 6, end: 8 });
  });

  it('of random bytes is refused and never breaks anything', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (random) => {
        expect(violationOf(Buffer.from(random)).code).toBe('STARLING_PROTOCOL_VIOLATION');
      }),
    );
  });

  it('may have null for each member that it has not', () => {
    const call =
      '{"jsonrpc":"2.0","id":1,"method":"ping","params":null,"result":null,"error":null}';
    expect(parseFrame(bytes(call))).toMatchObject({ kind: 'request', method: 'ping' });
    const answer = '{"jsonrpc":"2.0","id":1,"method":null,"result":{"a":1},"error":null}';
    const frame = parseFrame(bytes(answer));
    expect(frame).toMatchObject({ kind: 'response', result: { a: 1 } });
    // Clients take no answer with a method.
    expect(frame.bytes.toString()).toBe('{"jsonrpc":"2.0","id":1,"result":{"a":1}}');
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
      // Who differs from a deciding name by case alone is refused: see `envelope.test.ts`.
      extra: fc.dictionary(
        fc.string().filter((key) => !TOP.has(key.normalize('NFKC').toLowerCase())),
        json,
      ),
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
        const frame = parseFrame(bytes(JSON.stringify(message)));
        const rewritten = rewriteFrame(frame, { id: newId, name: newName });
        const changed = { ...message.params, arguments: args ?? {}, name: newName };
        const expected = { ...message, id: newId, params: changed };
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
    expect(violationOf(text).message).toMatch(/repeats the key/);
    expect(violationOf(text).data['id']).toBeDefined();
  });

  const edited = (text: string, edits: FrameEdits): unknown =>
    JSON.parse(rewriteFrame(parseFrame(bytes(text)), edits).toString());

  it.each<[string, string, FrameEdits, string]>([
    ['a URI', '{"uri":"a://x"}', { uri: 'b://y' }, '{"uri":"b://y"}'],
    ['the name of a prompt', '{"ref":{"name":"a"}}', { refName: 'b' }, '{"ref":{"name":"b"}}'],
    ['the URI of a template', '{"ref":{"uri":"a"}}', { refUri: 'b' }, '{"ref":{"uri":"b"}}'],
    ['the request that is cancelled', '{"requestId":1}', { requestId: 2 }, '{"requestId":2}'],
    [
      'what a client can do',
      '{"_meta":{"io.modelcontextprotocol/clientCapabilities":{"roots":{}}}}',
      { clientCapabilities: {} },
      '{"_meta":{"io.modelcontextprotocol/clientCapabilities":{}}}',
    ],
    ['more params', '{"a":1}', { params: { b: 2 } }, '{"b":2,"a":1}'],
    ['params in an empty object', '{ }', { params: { b: 2 } }, '{"b":2}'],
    ['no params at all', '{"a":1}', { params: {} }, '{"a":1}'],
    ['more metadata', '{"_meta":{"a":1}}', { meta: { b: 2 } }, '{"_meta":{"b":2,"a":1}}'],
    ['metadata where there was none', '{"a":1}', { meta: { b: 2 } }, '{"_meta":{"b":2},"a":1}'],
    [
      'params with much behind them',
      `{${' '.repeat(200)}"a":1}`,
      { params: { b: 2 } },
      '{"b":2,"a":1}',
    ],
  ])('may have %s', (_what, params, edits, expected) => {
    const head = '{"jsonrpc":"2.0","id":1,"method":"m"';
    expect(edited(`${head},"params":${params}}`, edits)).toEqual(
      JSON.parse(`${head},"params":${expected}}`),
    );
  });

  it('may get params and metadata that it came without', () => {
    const text = '{"jsonrpc":"2.0","id":1,"method":"m"}';
    const message = { jsonrpc: '2.0', id: 1, method: 'm' };
    expect(edited(text, { params: { b: 2 } })).toEqual({ ...message, params: { b: 2 } });
    expect(edited(text, { meta: { b: 2 } })).toEqual({ ...message, params: { _meta: { b: 2 } } });
  });

  it('may get more into its result; an error has none to add to', () => {
    const result = '{"jsonrpc":"2.0","id":1,"result":{"a":1}}';
    expect(edited(result, { result: { b: 2 } })).toMatchObject({ result: { a: 1, b: 2 } });
    expect(edited(result, {})).toEqual(JSON.parse(result));
    const error = '{"jsonrpc":"2.0","id":1,"error":{"code":-1,"message":""}}';
    expect(edited(error, { result: { b: 2 } })).toEqual(JSON.parse(error));
  });

  it('is changed in many places at once, in whatever order they stand', () => {
    const text =
      '{"params":{"_meta":{"progressToken":"t"},"name":"a"},"method":"m","id":1,"jsonrpc":"2.0"}';
    expect(edited(text, { id: 2, name: 'b', progressToken: 3 })).toEqual({
      params: { _meta: { progressToken: 3 }, name: 'b' },
      method: 'm',
      id: 2,
      jsonrpc: '2.0',
    });
  });

  it('finds the progress token of a notification in its params', () => {
    const text =
      '{"jsonrpc":"2.0","method":"p","params":{"progressToken":1,"_meta":{"progressToken":7}}}';
    expect(edited(text, { progressToken: 2 })).toMatchObject({
      params: { progressToken: 2, _meta: { progressToken: 7 } },
    });
  });

  it('is refused when the place to change is not there', () => {
    const frame = parseFrame(bytes('{"jsonrpc":"2.0","id":1,"method":"m"}'));
    expect(() => rewriteFrame(frame, { name: 'x' })).toThrow(/has no "params.name"/);
    expect(() => rewriteFrame(frame, { clientCapabilities: {} })).toThrow(/has no client cap/);
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

describe('a line', () => {
  it('is the message itself where there is nothing to change, and a copy where there is', () => {
    const plain = bytes('{"a":1}');
    expect(toLine(plain)).toBe(plain);
    for (const end of ['\n', '\r']) {
      const broken = bytes(`{${end}"a":1}${end}`);
      expect(toLine(broken).toString()).toBe('{ "a":1} ');
      expect(broken.toString()).toBe(`{${end}"a":1}${end}`);
    }
  });
});

describe('a message of our own', () => {
  it.each([1, 'text', 'Grüße "hier"', ''])(
    'with the id %j has the places that a scan finds',
    (id) => {
      const own = ownResultFrame(id, { content: [], structuredContent: { text: 'ä"}' } });
      const read = parseFrame(own.bytes);
      expect(own).toMatchObject({ kind: 'response', id, result: { content: [] } });
      expect(own.spans).toEqual(read.spans);
      expect(rewriteFrame(own, { id: 'other' })).toEqual(rewriteFrame(read, { id: 'other' }));
    },
  );

  it('is what the protocol wants', () => {
    expect(requestBytes(1, 'm', { a: 1 }).toString()).toBe(
      '{"jsonrpc":"2.0","id":1,"method":"m","params":{"a":1}}',
    );
    expect(notificationBytes('m').toString()).toBe('{"jsonrpc":"2.0","method":"m"}');
    expect(notificationBytes('m', { a: 1 }).toString()).toBe(
      '{"jsonrpc":"2.0","method":"m","params":{"a":1}}',
    );
    expect(resultBytes('x', {}).toString()).toBe('{"jsonrpc":"2.0","id":"x","result":{}}');
    expect(errorBytes(null, { code: -1, message: 'no' }).toString()).toBe(
      '{"jsonrpc":"2.0","id":null,"error":{"code":-1,"message":"no"}}',
    );
    // JSON-RPC 2.0, section 5.1.
    expect(RPC).toMatchObject({
      parse: -32_700,
      invalidRequest: -32_600,
      methodNotFound: -32_601,
      invalidParams: -32_602,
      internal: -32_603,
    });
  });
});

describe('an error on its way through JSON-RPC', () => {
  const error = new StarlingError('STARLING_TIMEOUT', 'too late', {
    hint: 'try again',
    data: { peer: 'p' },
  });

  it('says its code, reason, hint and facts, and comes back as it was', () => {
    const sent = errorOf(error);
    expect(sent).toEqual({
      code: error.row.rpc,
      message: 'too late — try again',
      data: {
        code: 'STARLING_TIMEOUT',
        reason: 'too late',
        retryable: error.row.retryable,
        hint: 'try again',
        peer: 'p',
      },
    });
    expect(errorFrom(sent)).toMatchObject({
      code: 'STARLING_TIMEOUT',
      message: 'too late',
      hint: 'try again',
      data: { rpc: error.row.rpc },
    });
  });

  it('names the id of what was refused as a number or as text', () => {
    const told = (text: string): unknown => errorOf(violationOf(text)).data;
    expect(told('{"jsonrpc":"2.0","id":2.0,"method":7}')).toMatchObject({ id: 2 });
    expect(told('{"jsonrpc":"2.0","id":"a","method":7}')).toMatchObject({ id: 'a' });
  });

  it('without a hint has none, and may have a JSON-RPC code of its own', () => {
    const bare = new StarlingError('STARLING_TIMEOUT', 'too late', { data: { rpc: -7 } });
    const sent = errorOf(bare);
    expect(sent).toMatchObject({ code: -7, message: 'too late' });
    expect(Object.keys(sent.data as object)).toEqual(['code', 'reason', 'retryable']);
    expect(errorFrom(sent).hint).toBeUndefined();
  });

  it('that is none of ours tells nothing of what went wrong inside', () => {
    expect(errorOf(new TypeError('secret'))).toEqual({
      code: -32_603,
      message: 'internal error',
      data: { reason: 'internal', retryable: false },
    });
  });

  it.each([
    [undefined, 'no'],
    ['text', 'no'],
    [{ code: 7, reason: 'x' }, 'no'],
    [{ code: 'OTHER', reason: 'x' }, 'no'],
    [{ code: 'toString', reason: 'x' }, 'no'],
    [{ code: 'STARLING_TIMEOUT' }, 'no'],
  ])('of a server that knows nothing of us is that of an upstream: %j', (data, message) => {
    const read = errorFrom({ code: -1, message: 'no', ...(data === undefined ? {} : { data }) });
    const isOurs = typeof data === 'object' && data.code === 'STARLING_TIMEOUT';
    expect(read).toMatchObject({
      code: isOurs ? 'STARLING_TIMEOUT' : 'STARLING_UPSTREAM_UNAVAILABLE',
      message,
      data: { rpc: -1 },
    });
  });
});

describe('a message under another id, and perhaps another name', () => {
  const texts = fc.oneof(
    fc.string({ unit: 'grapheme', maxLength: 12 }),
    // Longer than what is copied byte by byte.
    fc.string({ minLength: 60, maxLength: 70 }),
  );
  const ids = fc.oneof(fc.integer(), texts);
  const edits = fc.record({ id: ids, name: fc.option(texts, { nil: undefined }) });

  it('is what the general way makes of it, whatever the order and the white space', () => {
    const keys = fc.shuffledSubarray(['id', 'method', 'params', 'jsonrpc'], { minLength: 4 });
    fc.assert(
      fc.property(
        keys,
        ids,
        texts,
        fc.constantFrom('', '\r', '  \r\n'),
        edits,
        (order, id, name, space, { id: newId, name: newName }) => {
          const members: Record<string, string> = {
            jsonrpc: '"2.0"',
            id: JSON.stringify(id),
            method: '"tools/call"',
            params: JSON.stringify({ arguments: { name: 'ä' }, name }),
          };
          const text = order.map((key) => `"${key}":${space}${members[key]}`).join(',');
          const frame = parseFrame(bytes(`{${text}${space}}`));
          const changed = newName === undefined ? { id: newId } : { id: newId, name: newName };
          expect(renumbered(frame, newId, newName)).toEqual(rewriteFrame(frame, changed));
          const read = JSON.parse(renumbered(frame, newId, newName).toString('utf8')) as unknown;
          expect(read).toMatchObject({ id: newId, params: { name: newName ?? name } });
        },
      ),
    );
  });

  it('is one line, also where it was short, and of one that was long', () => {
    for (const filler of ['', 'x'.repeat(300), 'ä', '\u007f']) {
      for (const space of ['\r', '\n', '\t', ' ']) {
        const params = `{"name":"t",${space}"arguments":{"x":${space}"${filler}"}}`;
        const text = `{"jsonrpc":"2.0","id":1,${space}"method":"tools/call","params":${params}}`;
        const line = renumbered(parseFrame(bytes(text)), 12, 'other');
        expect(line.toString()).not.toMatch(/[\r\n]/);
        expect(toLine(line)).toEqual(line);
        const read = { id: 12, params: { name: 'other', arguments: { x: filler } } };
        expect(JSON.parse(line.toString())).toMatchObject(read);
      }
    }
  });

  it('is refused where it has no place for them', () => {
    const nameless = parseFrame(bytes('{"jsonrpc":"2.0","id":1,"method":"x","params":{}}'));
    expect(() => renumbered(nameless, 2, 'tool')).toThrow('params.name');
    const notice = parseFrame(bytes('{"jsonrpc":"2.0","method":"notifications/x"}'));
    expect(() => renumbered(notice, 2)).toThrow('"id"');
  });
});
