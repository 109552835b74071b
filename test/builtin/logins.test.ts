/** The tools that log in and out, with logins that a test plays. */
import { describe, expect, it } from 'vitest';
import { loginTools } from '../../src/builtin/index.ts';
import type { LoginComponents } from '../../src/builtin/index.ts';
import type { JsonObject } from '../../src/core/index.ts';

type Logins = LoginComponents['logins'];

const view = {
  id: 'l1',
  server: 'far',
  state: 'waiting',
  url: 'https://x/',
  expiresAt: 1,
} as const;

function tool(name: string, logins: Partial<Logins>): (args: JsonObject) => Promise<JsonObject> {
  const never = (): never => {
    throw new Error('not asked for');
  };
  const tools = loginTools({ logins: { start: never, wait: never, logout: never, ...logins } });
  const found = tools.find(({ definition }) => definition.name === name);
  if (found === undefined) throw new Error(`no ${name}`);
  const { signal } = new AbortController();
  return (args) => found.call(args, { principal: { kind: 'operator' }, signal });
}

describe('mcp_login', () => {
  it('gives the address at once, and waits when it is called with the id', async () => {
    const waits: unknown[] = [];
    const login = tool('mcp_login', {
      start: async () => view,
      wait: async (id, { timeoutMs }) => {
        waits.push([id, timeoutMs]);
        return { ...view, state: 'done' };
      },
    });
    expect(await login({ server: 'far' })).toEqual(view);
    expect(await login({ server: 'far', id: 'l1', timeout_s: 5 })).toMatchObject({ state: 'done' });
    expect(await login({ server: 'far', timeout_s: 2 })).toMatchObject({ state: 'done' });
    expect(waits).toEqual([
      ['l1', 5000],
      ['l1', 2000],
    ]);
  });

  it('and mcp_logout are for the operator only', () => {
    const logins = { start: async () => view, wait: async () => view, logout: async () => true };
    expect(loginTools({ logins }).map(({ clients, peers }) => [clients, peers])).toEqual([
      ['no', 'no'],
      ['no', 'no'],
    ]);
  });
});

describe('mcp_logout', () => {
  it('says whether there was a login', async () => {
    const logout = tool('mcp_logout', { logout: async (server) => server === 'far' });
    expect(await logout({ server: 'far' })).toEqual({ server: 'far', loggedOut: true });
    expect(await logout({ server: 'near' })).toEqual({ server: 'near', loggedOut: false });
  });
});
