/** Headers of the stateless era, against what the spec says and what the official server accepts. */
import { describe, expect, it } from 'vitest';
import {
  encodeHeaderValue,
  headerParamsOf,
  modernHeaders,
  paramHeadersOf,
} from '../../../src/gateway/wire/modern-headers.ts';

describe('headers of a request', () => {
  it('repeat version, method and name of the body', () => {
    const params = {
      name: 'add',
      _meta: { 'io.modelcontextprotocol/protocolVersion': '2027-01-01' },
    };
    expect(modernHeaders({ method: 'tools/call', params })).toEqual({
      'mcp-protocol-version': '2027-01-01',
      'mcp-method': 'tools/call',
      'mcp-name': 'add',
    });
  });

  it('name a resource by its URI, and nothing for other methods', () => {
    expect(modernHeaders({ method: 'resources/read', params: { uri: 'test://a' } })).toMatchObject({
      'mcp-name': 'test://a',
    });
    const listed = modernHeaders({ method: 'tools/list', params: { name: 'x' } });
    expect(listed).toEqual({ 'mcp-protocol-version': '2026-07-28', 'mcp-method': 'tools/list' });
    expect(modernHeaders({ method: 'constructor', params: {} })).not.toHaveProperty('mcp-name');
  });
});

describe('a header value', () => {
  it.each(['plain', 'two words', 'a\tb', '=?base64?open'])('crosses as it is: %j', (value) => {
    expect(encodeHeaderValue(value)).toBe(value);
  });

  it.each(['', ' led', 'trailed ', 'ü', 'a\r\nx-evil: 1', '=?base64?YQ==?=', '\u0000'])(
    'is wrapped where a header can not hold it: %j',
    (value) => {
      const [, inner = ''] = /^=\?base64\?(.*)\?=$/.exec(encodeHeaderValue(value)) ?? [];
      expect(Buffer.from(inner, 'base64').toString('utf8')).toBe(value);
    },
  );
});

describe('annotated parameters', () => {
  const schema = {
    type: 'object',
    properties: {
      region: { type: 'string', 'x-mcp-header': 'Region' },
      deep: { type: 'object', properties: { n: { type: 'integer', 'x-mcp-header': 'N' } } },
      plain: { type: 'string', default: { 'x-mcp-header': 'no annotation' } },
    },
  };

  it('become headers with the values of the call', () => {
    const params = headerParamsOf(schema);
    if (typeof params === 'string') throw new Error(params);
    expect(paramHeadersOf(params, { region: 'Zürich', deep: { n: 3 }, plain: 'x' })).toEqual({
      'mcp-param-region': encodeHeaderValue('Zürich'),
      'mcp-param-n': '3',
    });
    expect(paramHeadersOf(params, { region: null })).toEqual({});
    expect(paramHeadersOf(params, { region: true })).toEqual({ 'mcp-param-region': 'true' });
    expect(paramHeadersOf(params, { deep: { n: 1.5 } })).toEqual({ 'mcp-param-n': '1.5' });
    expect(paramHeadersOf(params, { deep: { n: Infinity } })).toEqual({});
    expect(paramHeadersOf(params, { deep: 7 })).toEqual({});
    expect(paramHeadersOf(params, { deep: { n: 2 ** 60 }, region: ['a'] })).toEqual({});
  });

  it.each([
    ['no name', { properties: { a: { type: 'string', 'x-mcp-header': '' } } }],
    ['line ends in the name', { properties: { a: { type: 'string', 'x-mcp-header': 'a\r\nb' } } }],
    ['an object', { properties: { a: { type: 'object', 'x-mcp-header': 'A' } } }],
    ['a number', { properties: { a: { type: 'number', 'x-mcp-header': 'A' } } }],
    ['the top', { type: 'string', 'x-mcp-header': 'A' }],
    ['items', { properties: { a: { items: { type: 'string', 'x-mcp-header': 'A' } } } }],
    ['a branch', { anyOf: [{ properties: { a: { type: 'string', 'x-mcp-header': 'A' } } }] }],
    [
      'one name twice',
      {
        properties: {
          a: { type: 'string', 'x-mcp-header': 'A' },
          b: { type: 'string', 'x-mcp-header': 'a' },
        },
      },
    ],
  ])('make a tool unusable: %s', (_, wrong) => {
    expect(headerParamsOf(wrong)).toBeTypeOf('string');
  });

  it('are told by the path where they stand, of which no more is said than fits', () => {
    const annotated = (path: readonly string[]): unknown =>
      path.reduceRight<unknown>((inner, key) => ({ properties: { [key]: inner } }), {
        type: 'null',
        'x-mcp-header': 'A',
      });
    expect(headerParamsOf(annotated(['a', 'b']) as never)).toMatch(/^a\.b: /);
    const deep = headerParamsOf(annotated(['x'.repeat(1000)]) as never);
    expect(String(deep).length).toBeLessThan(250);
  });

  it('are not taken from what only inherits them', () => {
    const params = [{ path: ['toString'], header: 'A' }];
    expect(paramHeadersOf(params, {})).toEqual({});
    expect(paramHeadersOf([{ path: ['a', 'length'], header: 'A' }], { a: 'text' })).toEqual({});
  });

  it('come in the order in which they stand', () => {
    expect(headerParamsOf(schema)).toEqual([
      { path: ['region'], header: 'Region' },
      { path: ['deep', 'n'], header: 'N' },
    ]);
  });

  it('are not looked for beyond any sensible depth, in lists neither', () => {
    let lists: unknown = { type: 'string' };
    for (let level = 0; level < 5000; level += 1) lists = [lists];
    expect(headerParamsOf({ anyOf: lists } as never)).toContain('levels deep');
    let properties: unknown = { type: 'string', 'x-mcp-header': 'A' };
    for (let level = 0; level < 5000; level += 1) properties = { properties: { a: properties } };
    expect(headerParamsOf(properties as never)).toContain('levels deep');
  });

  it('are not looked for beyond any sensible depth', () => {
    let deep: Record<string, unknown> = { type: 'string' };
    for (let level = 0; level < 5000; level += 1) deep = { not: deep };
    expect(headerParamsOf(deep as never)).toContain('levels deep');
  });
});
