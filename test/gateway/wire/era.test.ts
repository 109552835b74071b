/** What tells the two eras of MCP apart, and what a modern request says of its client. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { StarlingError } from '../../../src/core/index.ts';
import {
  META,
  MODERN_RPC,
  capabilitiesKey,
  checkModern,
  checkRequest,
  checkVersion,
  clientOf,
  eraOf,
  isLogLevel,
  metaOf,
  objectOf,
  reaches,
  unknownMethod,
} from '../../../src/gateway/wire/era.ts';
import { parseFrame } from '../../../src/gateway/wire/frame.ts';
import type { RequestFrame } from '../../../src/gateway/frame-types.ts';

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

describe('a request at the wrong time', () => {
  const modern = (method: string, meta: object = {}): RequestFrame => ({
    ...request({
      _meta: {
        [META.protocolVersion]: '2026-07-28',
        [META.clientCapabilities]: {},
        ...meta,
      },
    }),
    method,
  });
  const rpcOf = (check: () => void): unknown => {
    try {
      check();
      return 'fine';
    } catch (error) {
      return error instanceof StarlingError ? error.data['rpc'] : error;
    }
  };

  it('is one that the modern era has no more, or that lacks what that era wants', () => {
    const check = (frame: RequestFrame): unknown =>
      rpcOf(() => checkRequest(frame, 'modern', false));
    expect(check(modern('tools/list'))).toBe('fine');
    for (const method of [
      'initialize',
      'ping',
      'logging/setLevel',
      'resources/subscribe',
      'resources/unsubscribe',
    ]) {
      expect(check(modern(method))).toBe(-32_601);
    }
    expect(check(modern('tools/list', { [META.protocolVersion]: '2099-01-01' }))).toBe(-32_022);
    expect(check(modern('tools/list', { [META.protocolVersion]: 7 }))).toBe(-32_602);
    for (const odd of [undefined, null, 'x', 7, []]) {
      expect(check(modern('tools/list', { [META.clientCapabilities]: odd }))).toBe(-32_602);
    }
  });

  it('is any but initialize and ping before the session is initialized, in the legacy era', () => {
    const check = (method: string, isInitialized: boolean): unknown =>
      rpcOf(() => checkRequest({ ...request({}), method }, 'legacy', isInitialized));
    expect(['initialize', 'ping', 'tools/list'].map((method) => check(method, false))).toEqual([
      'fine',
      'fine',
      -32_600,
    ]);
    expect(['initialize', 'ping', 'tools/list'].map((method) => check(method, true))).toEqual(
      Array(3).fill('fine'),
    );
  });

  it('is a probe for the modern era that is answered with what it lacks', () => {
    const probe = { ...request({}), method: 'server/discover' };
    expect(rpcOf(() => checkRequest(probe, 'legacy', false))).toBe(-32_602);
    const sound = modern('server/discover');
    expect(rpcOf(() => checkRequest(sound, 'legacy', false))).toBe(-32_600);
  });

  it('names the versions that we speak, and the one that we do not', () => {
    expect(() => checkVersion('2026-07-28')).not.toThrow();
    expect(() => checkVersion('2025-11-25')).toThrowError(
      expect.objectContaining({
        code: 'STARLING_VERSION_UNSUPPORTED',
        data: { rpc: -32_022, supported: ['2026-07-28'], requested: '2025-11-25' },
      }) as Error,
    );
  });

  it('is refused by the code of its era, and with no more of it than fits', () => {
    expect(MODERN_RPC).toEqual({
      headerMismatch: -32_020,
      missingCapability: -32_021,
      unsupportedVersion: -32_022,
    });
    const error = unknownMethod('x'.repeat(1000));
    expect(error).toMatchObject({ code: 'STARLING_PROTOCOL_VIOLATION', data: { rpc: -32_601 } });
    expect(error.message.length).toBeLessThan(200);
  });
});
