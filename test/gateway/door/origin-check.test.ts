/** From where a request may come. */
import { describe, expect, it } from 'vitest';
import { createAddressCheck, createOriginCheck } from '../../../src/gateway/door/origin-check.ts';
import { requestOf } from './arrange.ts';

const PLAIN = { host: '127.0.0.1', allowedOrigins: [], allowedHosts: [], allowedAddresses: [] };

describe('a request', () => {
  const check = createOriginCheck({
    ...PLAIN,
    allowedOrigins: ['https://app.example'],
    allowedHosts: ['mcp.example', 'other.example:8443'],
  });

  it.each([
    { host: 'localhost:4100' },
    { host: '[::1]:4100' },
    { host: 'MCP.example' },
    { host: 'mcp.example:443' },
    { host: 'other.example:8443' },
    { host: 'localhost', origin: 'https://app.example' },
    { host: 'localhost:4100', origin: 'http://localhost:4100' },
    { host: 'LocalHost:80', origin: 'http://localhost' },
  ])('may name %o', (headers) => {
    expect(check(requestOf(headers))).toBeUndefined();
  });

  it.each([
    [{ host: 'evil.example' }, /Host header names 'evil.example'/],
    [{ host: '' }, /Host header/],
    [{ host: 'other.example:1' }, /Host header/],
    [{ host: 'localhost.evil.example' }, /Host header/],
    [{ host: 'localhost@evil.example' }, /Host header/],
    [{ host: 'localhost', origin: 'https://evil.example' }, /Origin header names/],
    [{ host: 'localhost', origin: 'null' }, /Origin header/],
    [{ host: 'localhost:4100', origin: 'http://localhost:5173' }, /Origin header names/],
    [{ host: 'localhost:4100', origin: 'http://localhost' }, /Origin header names/],
    [{ host: 'localhost:4100', origin: 'http://127.0.0.1:4100' }, /Origin header names/],
    [{ host: 'localhost:4100', origin: 'https://localhost:4100' }, /Origin header names/],
    [{ host: 'localhost:4100', origin: 'http://localhost:4100/' }, /Origin header names/],
    [{ host: 'localhost', origin: 'https://app.example.evil.example' }, /Origin header/],
    [{ host: 'localhost', origin: 'http://localhost.evil.example' }, /Origin header/],
  ])('may not name %o', (headers, why) => {
    const refusal = check(requestOf(headers));
    expect(refusal?.status).toBe(403);
    expect(refusal?.error.message).toMatch(why);
  });
});

describe('an address', () => {
  const isAllowed = createAddressCheck(['10.0.0.0/8', '192.0.2.7', '2001:db8::/32']);

  it.each(['10.1.2.3', '192.0.2.7', '2001:db8::1', '::ffff:10.1.2.3', '::FFFF:192.0.2.7'])(
    '%s is allowed',
    (address) => expect(isAllowed(address)).toBe(true),
  );

  it.each(['11.0.0.1', '192.0.2.8', '::ffff:11.0.0.1', '::1', '127.0.0.1', '2001:db9::1', '', 'x'])(
    '%j is not',
    (address) => expect(isAllowed(address)).toBe(false),
  );

  it('is matched whatever its zone, and must be there', () => {
    expect(createAddressCheck(['fe80::/10'])('fe80::1%eth0')).toBe(true);
    expect(isAllowed(undefined)).toBe(false);
  });

  it('is never let in by a hidden exception for loopback', () => {
    const check = createOriginCheck({ ...PLAIN, allowedAddresses: ['192.0.2.0/24'] });
    expect(check(requestOf({}, '127.0.0.1'))?.error.message).toContain('is not allowed');
    expect(check(requestOf({}, '::ffff:192.0.2.9'))).toBeUndefined();
  });

  it('does not matter where no list was made', () => {
    expect(createAddressCheck([])(undefined)).toBe(true);
  });

  it('that is none is refused when the list is made', () => {
    expect(() => createAddressCheck(['example.org'])).toThrow(/http\.allowedAddresses/);
  });
});
