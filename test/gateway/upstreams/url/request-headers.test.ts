/** Which header wins on a request to a server at a URL. */
import { describe, expect, it } from 'vitest';
import { Secret } from '../../../../src/core/index.ts';
import { requestHeaders } from '../../../../src/gateway/upstreams/url/request-headers.ts';

const TOKEN = new Secret('t0ken');

function configured(headers: Readonly<Record<string, string>>): Record<string, Secret> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name, new Secret(value)]),
  );
}

describe('of headers with one name', () => {
  it('that of the request wins over the configured one, in whatever case both are', () => {
    expect(
      requestHeaders(
        configured({ 'Content-Type': 'text/plain', 'MCP-Session-Id': 'mine' }),
        { 'content-type': 'application/json', 'Mcp-Session-Id': 'theirs' },
        undefined,
      ),
    ).toEqual({ 'content-type': 'application/json', 'mcp-session-id': 'theirs' });
  });

  it('the token of a login wins over both', () => {
    expect(
      requestHeaders(configured({ Authorization: 'Basic a' }), { AUTHORIZATION: 'Basic b' }, TOKEN),
    ).toEqual({ authorization: 'Bearer t0ken' });
  });

  it('the later one of a config wins, where it names the header in two cases', () => {
    const [first, second] = [{ 'X-A': 'first' }, { 'x-a': 'second' }];
    expect(requestHeaders(configured({ ...first, ...second }), {}, undefined)).toEqual({
      'x-a': 'second',
    });
    expect(requestHeaders(configured({ ...second, ...first }), {}, undefined)).toEqual({
      'x-a': 'first',
    });
  });
});

describe('headers that nothing else names', () => {
  it('are sent from all three: the config, the request and the login', () => {
    expect(requestHeaders(configured({ 'X-Key': 'k' }), { accept: 'a' }, TOKEN)).toEqual({
      'x-key': 'k',
      accept: 'a',
      authorization: 'Bearer t0ken',
    });
  });

  it('carry no authorization without a login', () => {
    expect(requestHeaders({}, {}, undefined)).toEqual({});
  });
});
