/** What tells the two eras of MCP apart, and what a modern request says of its client. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { StarlingError } from '../../../src/core/index.ts';
import {
  META,
  capabilitiesKey,
  checkModern,
  clientOf,
  eraOf,
  isLogLevel,
  metaOf,
  objectOf,
  reaches,
} from '../../../src/gateway/wire/era.ts';
import { parseFrame } from '../../../src/gateway/wire/frame.ts';
import type { RequestFrame } from '../../../src/gateway/types.ts';

const request = (params: unknown): RequestFrame =>
  parseFrame(
    Buffer.from(JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'x', params })),
  ) as RequestFrame;

describe('the era of a request', () => {
  it('is the modern one where it names a version, whatever that is', () => {
    const named = (version: unknown): RequestFrame =>
      request({ _meta: { [META.protocolVersion]: version } });
    expect(['2026-07-28', '2099-01-01', 7, null].map((version) => eraOf(named(version)))).toEqual(
      Array(4).fill('modern'),
    );
    expect(
      [{}, { _meta: {} }, { _meta: [] }, { _meta: 'x' }].map((p) => eraOf(request(p))),
    ).toEqual(Array(4).fill('legacy'));
  });

  it('can be told and checked for any request: nothing but our own errors is thrown', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), (version, capabilities) => {
        const frame = request({
          _meta: { [META.protocolVersion]: version, [META.clientCapabilities]: capabilities },
        });
        expect(eraOf(frame)).toBe('modern');
        try {
          checkModern(frame);
          expect(version).toBe('2026-07-28');
        } catch (error) {
          if (!(error instanceof StarlingError)) throw error;
          expect([-32022, -32602]).toContain(error.data['rpc']);
        }
      }),
      { seed: 2 },
    );
  });
});

describe('the client of a modern request', () => {
  it('is what the request says, and nobody where it says nothing proper', () => {
    const _meta = {
      [META.clientCapabilities]: { sampling: {} },
      [META.clientInfo]: { name: 'x' },
    };
    expect(clientOf(request({ _meta }))).toEqual({
      capabilities: { sampling: {} },
      clientInfo: { name: 'x' },
    });
    const odd = { [META.clientCapabilities]: [], [META.clientInfo]: 'x' };
    expect(clientOf(request({ _meta: odd }))).toEqual({ capabilities: {}, clientInfo: {} });
  });

  it('has a key by what it can do, whatever the order', () => {
    const one = { sampling: { a: 1, b: 2 }, roots: {} };
    const same = { roots: {}, sampling: { b: 2, a: 1 } };
    expect(capabilitiesKey(one)).toBe(capabilitiesKey(same));
    expect(capabilitiesKey(one)).not.toBe(capabilitiesKey({ ...one, roots: { x: 1 } }));
  });
});

describe('levels of the log', () => {
  it('are those of syslog, and no others', () => {
    expect(['debug', 'notice', 'emergency'].every(isLogLevel)).toBe(true);
    expect(['loud', '', 7, null, undefined, {}].some((value) => isLogLevel(value as never))).toBe(
      false,
    );
  });

  it('reach who asked for them or for milder ones', () => {
    expect(reaches('error', 'warning')).toBe(true);
    expect(reaches('warning', 'warning')).toBe(true);
    expect(reaches('info', 'warning')).toBe(false);
    expect(reaches(undefined, 'emergency')).toBe(true);
    expect(reaches('made up', 'debug')).toBe(false);
  });
});

describe('objects in messages', () => {
  it('are taken for empty where they are something else', () => {
    for (const value of [undefined, null, 1, 'x', [], [1]]) expect(objectOf(value)).toEqual({});
    expect(objectOf({ a: 1 })).toEqual({ a: 1 });
    expect(metaOf({ _meta: 'x' })).toEqual({});
  });
});
