/** Logins at upstream servers, with an authorization server and a browser that do what a test says. */
import { describe, expect, it } from 'vitest';
import type { HttpServer, ServerOAuth } from '../../../../src/config/index.ts';
import { Secret, StarlingError } from '../../../../src/core/index.ts';
import type { Logger } from '../../../../src/core/index.ts';
import { createLogins } from '../../../../src/gateway/index.ts';
import type { Logins } from '../../../../src/gateway/index.ts';
import type { UpstreamConnection } from '../../../../src/gateway/upstreams/connection-types.ts';
import { connectHttp } from '../../../../src/gateway/upstreams/url/streamable-http.ts';
import { createIdentity, sealerOf } from '../../../../src/identity/index.ts';
import { createTestClock } from '../../../core/test-clock.ts';
import type { TestClock } from '../../../core/test-clock.ts';
import { memoryTable } from '../../../grants/memory-table.ts';
import { authWorld } from '../../support/auth-server.ts';
import type { AuthInit, AuthWorld } from '../../support/auth-server.ts';
import { defer, useCleanup } from '../../support/gateways.ts';
import { BOUNDS, COMMON, call, components, json } from '../../support/url-server.ts';
import { createLoginStore } from '../../../../src/secrets/index.ts';

useCleanup();

interface World extends AuthWorld {
  readonly logins: Logins;
  readonly clock: TestClock;
  readonly table: ReturnType<typeof memoryTable>;
  /** Every line that was logged. */
  readonly lines: string[];
  readonly connect: () => UpstreamConnection;
  /** A node that starts anew on the same database. */
  readonly restart: () => World;
  /** Logs in as a person does. */
  readonly logIn: () => Promise<void>;
}

const soon = (): { timeoutMs: number; signal: AbortSignal } => ({
  timeoutMs: 60_000,
  signal: new AbortController().signal,
});

/** Where tokens were asked for. */
const tokenPaths = ({ auth }: World): readonly string[] =>
  auth.asked.map(({ url }) => url.pathname).filter((path) => path.startsWith('/token'));

/** A world whose config names another token endpoint than the one that is discovered. */
async function elsewhere(init: AuthInit, oauth: Partial<ServerOAuth>): Promise<World> {
  const auth = await authWorld(init);
  const tokenUrl = `${auth.auth.origin}/tokens-elsewhere`;
  return nodeAt(auth, memoryTable(), createTestClock(), { ...oauth, tokenUrl });
}

async function world(init: AuthInit = {}, oauth?: Partial<ServerOAuth>): Promise<World> {
  return nodeAt(await authWorld(init), memoryTable(), createTestClock(), oauth);
}

function nodeAt(
  auth: AuthWorld,
  table: World['table'],
  clock: TestClock,
  oauth: Partial<ServerOAuth> | undefined,
): World {
  const lines: string[] = [];
  const logger = recorder(lines);
  const server: HttpServer = {
    type: 'http',
    url: auth.mcp.url,
    headers: {},
    ...COMMON,
    ...(oauth === undefined
      ? {}
      : { oauth: { grant: 'authorization_code', scopes: [], ...oauth } }),
  };
  const identity = createIdentity(Buffer.alloc(32, 5));
  const tokens = createLoginStore({ table, sealer: sealerOf(identity, 'logins'), logger });
  const logins = createLogins({ servers: () => ({ far: server }), tokens, clock, logger });
  defer(() => logins.stop());
  return {
    ...auth,
    logins,
    clock,
    table,
    lines,
    connect() {
      const connection = connectHttp(
        { ...components(undefined, logger), credentials: logins.credentials('far') },
        { ...BOUNDS, name: 'far', server },
      );
      defer(() => connection.close());
      return connection;
    },
    restart: () => nodeAt(auth, table, clock, oauth),
    async logIn() {
      const { id, url } = await logins.start('far');
      if (url === undefined) throw new Error('nobody has to agree');
      expect((await auth.browse(url)).status).toBe(200);
      await logins.wait(id, soon());
    },
  };
}

function recorder(lines: string[]): Logger {
  const line = (fields: unknown, message: string): void => {
    lines.push(`${message} ${JSON.stringify(fields)}`);
  };
  return { debug: line, info: line, warn: line, error: line, child: () => recorder(lines) };
}

function allOf(error: unknown): string {
  const { message, hint, data, cause } = error as Record<string, unknown>;
  return JSON.stringify([message, hint, data, String(cause)]);
}

describe('a server that asks for a login', () => {
  it('is down with the command that logs in, until somebody does', async () => {
    const { connect, logIn, mcp } = await world();
    const refused = connect();
    await expect(call(refused).answer).rejects.toMatchObject({
      code: 'STARLING_UPSTREAM_UNAVAILABLE',
      hint: expect.stringContaining('starling mcp login far') as string,
    });
    await refused.ended;
    await logIn();
    expect((await call(connect()).answer).result).toEqual({ ok: true });
    expect(mcp.asked.at(-1)?.headers.authorization).toMatch(/^Bearer access-/);
  });

  it('is asked with PKCE, its resource and a state, as a client that registered itself', async () => {
    const { connect, logIn, logins, auth } = await world();
    await expect(call(connect()).answer).rejects.toThrow('log in');
    const { url = '' } = await logins.start('far');
    const query = Object.fromEntries(new URL(url).searchParams);
    expect(query).toMatchObject({
      response_type: 'code',
      code_challenge_method: 'S256',
      scope: 'read',
      resource: expect.stringMatching(/\/mcp$/) as string,
      redirect_uri: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+\/callback$/) as string,
      state: expect.stringMatching(/^[\w-]{43}$/) as string,
    });
    await logIn();
    const registrations = auth.asked.filter(({ url }) => url.pathname === '/register');
    expect(registrations.map(({ body }) => body['redirect_uris'])).toEqual([
      [query['redirect_uri']],
    ]);
  });

  it('keeps us logged in over a restart, and its tokens unreadable on disk', async () => {
    const before = await world();
    await before.logIn();
    const after = before.restart();
    expect((await call(after.connect()).answer).result).toEqual({ ok: true });
    const [bytes] = [...before.table.rows.values()].map((value) => Buffer.from(value));
    expect(before.issued.length).toBeGreaterThan(0);
    for (const token of before.issued) expect(bytes?.includes(token)).toBe(false);
  });

  it('logs nobody in whose login the disk refuses, and leaves no trace of that', async () => {
    const { logins, table, browse, connect, logIn } = await world();
    const put = table.put.bind(table);
    table.put = () =>
      Promise.reject(new StarlingError('STARLING_STATE_UNUSABLE', 'the disk is full'));
    const { id, url = '' } = await logins.start('far');
    await browse(url);
    await expect(logins.wait(id, soon())).rejects.toMatchObject({
      code: 'STARLING_STATE_UNUSABLE',
      message: expect.stringMatching(/'far'.*not kept.*the disk is full/) as string,
    });
    await expect(call(connect()).answer).rejects.toMatchObject({
      hint: expect.stringContaining('starling mcp login far') as string,
    });
    table.put = put;
    await logIn();
    expect((await call(connect()).answer).result).toBeDefined();
  });

  it('gets no token of ours once it has another URL', async () => {
    const before = await world();
    await before.logIn();
    const moved = nodeAt(
      { ...before, mcp: (await authWorld()).mcp },
      before.table,
      before.clock,
      undefined,
    );
    await expect(call(moved.connect()).answer).rejects.toThrow('log in');
    expect(moved.mcp.asked.every(({ headers }) => headers.authorization === undefined)).toBe(true);
  });

  it('that a person begins to log in at as the node stops opens no address for the answer', async () => {
    const { auth, mcp, logins } = await world();
    const starting = logins.start('far');
    logins.stop();
    await expect(starting).rejects.toMatchObject({ code: 'STARLING_STOPPED' });
    expect([...auth.asked, ...mcp.asked]).toEqual([]);
  });

  it('forgets us by a logout', async () => {
    const { connect, logIn, logins, table } = await world();
    await logIn();
    expect(await logins.logout('far')).toBe(true);
    expect(await logins.logout('far')).toBe(false);
    expect(table.rows.size).toBe(0);
    await expect(call(connect()).answer).rejects.toThrow('log in');
  });
});

describe('an answer to the login', () => {
  it('with a wrong state changes nothing, and the right one still counts, once', async () => {
    const { browse, logins, forms } = await world();
    const { id, url = '' } = await logins.start('far');
    expect((await browse(url, { state: 'guessed' })).status).toBe(400);
    expect((await browse(url, { state: undefined, code: 'x' })).status).toBe(400);
    expect(forms).toEqual([]);
    expect((await browse(url)).status).toBe(200);
    await logins.wait(id, soon());
    await expect(browse(url)).rejects.toThrow('fetch failed');
  });

  it.each([
    ['another server', 'https://evil.example'],
    ['nobody', undefined],
  ])('from %s is not taken to the token endpoint', async (_, iss) => {
    const { browse, logins, forms } = await world();
    const { id, url = '' } = await logins.start('far');
    await browse(url, { iss });
    await expect(logins.wait(id, soon())).rejects.toMatchObject({
      code: 'STARLING_UPSTREAM_INVALID',
      message: expect.stringContaining('came from another authorization server') as string,
    });
    expect(forms).toEqual([]);
  });

  it('that says no is told by its name', async () => {
    const { browse, logins } = await world();
    const { id, url = '' } = await logins.start('far');
    await browse(url, { error: 'access_denied', code: undefined });
    await expect(logins.wait(id, soon())).rejects.toThrow('access_denied');
  });

  it('that never comes ends the login after five minutes', async () => {
    const { browse, clock, logins } = await world();
    const { id, url = '' } = await logins.start('far');
    const waiting = logins.wait(id, { ...soon(), timeoutMs: 400_000 });
    clock.advance(300_000);
    await expect(waiting).rejects.toMatchObject({ code: 'STARLING_TIMEOUT' });
    await expect(browse(url)).rejects.toThrow('fetch failed');
  });
});

describe('an authorization server', () => {
  it('that calls itself by another name is not used', async () => {
    const { logins } = await world({ metadata: () => ({ issuer: 'https://honest.example' }) });
    await expect(logins.start('far')).rejects.toMatchObject({
      code: 'STARLING_UPSTREAM_INVALID',
      message: expect.stringContaining('by another name') as string,
    });
  });

  it.each([
    ['PKCE', { code_challenge_methods_supported: ['plain'] }, 'PKCE'],
    ['a safe login page', { authorization_endpoint: 'http://evil.example/a' }, 'is not https'],
    ['a page that is one', { authorization_endpoint: 'file:///etc/passwd' }, 'is not https'],
    ['registration', { registration_endpoint: undefined }, 'lets no unknown client log in'],
  ])('without %s is not used', async (_, metadata, message) => {
    const { logins } = await world({ metadata: () => metadata });
    await expect(logins.start('far')).rejects.toThrow(message);
  });

  it('that does not register clients takes one that is configured', async () => {
    const { logins, browse, forms } = await world(
      { metadata: () => ({ registration_endpoint: undefined }) },
      { clientId: 'known', scopes: ['write'] },
    );
    const { id, url = '' } = await logins.start('far');
    const query = new URL(url).searchParams;
    expect([query.get('client_id'), query.get('scope')]).toEqual(['known', 'write']);
    await browse(url);
    await logins.wait(id, soon());
    expect(forms[0]?.get('client_id')).toBe('known');
  });

  it.each([
    ['understands such ids', true, 'https://starling.example/client.json'],
    ['does not', false, /^client-/],
  ])('gets the address of our description as an id where it %s', async (_, supported, id) => {
    const { logins } = await world(
      { metadata: () => ({ client_id_metadata_document_supported: supported }) },
      { clientId: 'https://starling.example/client.json', scopes: [] },
    );
    const { url = '' } = await logins.start('far');
    expect(new URL(url).searchParams.get('client_id')).toEqual(
      typeof id === 'string' ? id : (expect.stringMatching(id) as string),
    );
  });

  it('is told that we are a native application, and a way to authenticate that it knows', async () => {
    const methods = ['private_key_jwt', 'client_secret_post'];
    const { logins, auth } = await world(
      { metadata: () => ({ token_endpoint_auth_methods_supported: methods }) },
      { scopes: [] },
    );
    const { url = '' } = await logins.start('far');
    const registration = auth.asked.find(({ url: at }) => at.pathname === '/register');
    expect(registration?.body).toMatchObject({
      application_type: 'native',
      token_endpoint_auth_method: 'client_secret_post',
    });
    // No configured scopes: those that the server names.
    expect(new URL(url).searchParams.get('scope')).toBe('read');
  });

  it('hears of no login whose fixed port somebody else has', async () => {
    const { logins, mcp } = await world({}, { callbackPort: 0 });
    const callbackPort = Number(new URL(mcp.origin).port);
    const taken = await world({}, { callbackPort });
    await expect(taken.logins.start('far')).rejects.toMatchObject({
      code: 'STARLING_LISTEN_FAILED',
      message: expect.stringContaining(String(callbackPort)) as string,
    });
    expect((await logins.start('far')).url).toBeDefined();
  });

  it('that has forgotten our registration gets a new one at the next login', async () => {
    let forgotten = false;
    const { logins, browse, logIn, auth } = await world({
      token: (_, response) => {
        if (forgotten) json(response, { error: 'invalid_client' }, 401);
        return forgotten;
      },
    });
    await logIn();
    forgotten = true;
    const { id, url = '' } = await logins.start('far');
    await browse(url);
    await expect(logins.wait(id, soon())).rejects.toThrow('invalid_client');
    forgotten = false;
    await logIn();
    const registrations = auth.asked.filter(({ url: at }) => at.pathname === '/register');
    expect(registrations.length).toBe(2);
  });

  it('that will not take a forged code leaves the login that we have', async () => {
    const { logins, browse, logIn, connect } = await world();
    await logIn();
    const { id, url = '' } = await logins.start('far');
    await browse(url, { code: 'forged' });
    await expect(logins.wait(id, soon())).rejects.toThrow('invalid_grant');
    await call(connect()).answer;
  });
});

describe('a token that is over', () => {
  it('is renewed once, however many calls need it, and the renewed one is kept', async () => {
    const before = await world();
    await before.logIn();
    before.clock.advance(3_600_000);
    const connection = before.connect();
    await Promise.all([call(connection).answer, call(connection).answer, call(connection).answer]);
    expect(before.forms.map((form) => form.get('grant_type'))).toEqual([
      'authorization_code',
      'refresh_token',
    ]);
    await call(before.restart().connect()).answer;
    expect(before.forms.length).toBe(2);
  });

  it('by what the server says is renewed once by two calls that it refused', async () => {
    const { connect, logIn, valid, forms } = await world();
    await logIn();
    valid.clear();
    const connection = connect();
    await Promise.all([call(connection).answer, call(connection).answer]);
    expect(forms.filter((form) => form.get('grant_type') === 'refresh_token').length).toBe(1);
  });

  it('and can not be renewed takes the server down, with the command that logs in', async () => {
    const refuse = (form: URLSearchParams, response: Parameters<typeof json>[0]): boolean => {
      if (form.get('grant_type') !== 'refresh_token') return false;
      json(response, { error: 'invalid_grant', error_description: String(form) }, 400);
      return true;
    };
    const { connect, logIn, clock, forms } = await world({ token: refuse });
    await logIn();
    clock.advance(3_600_000);
    const connection = connect();
    await expect(call(connection).answer).rejects.toMatchObject({
      message: expect.stringContaining('invalid_grant') as string,
      hint: expect.stringContaining('starling mcp login far') as string,
    });
    await connection.ended;
    await expect(call(connect()).answer).rejects.toThrow('log in');
    expect(forms.filter((form) => form.get('grant_type') === 'refresh_token').length).toBe(1);
  });

  it('and can not be renewed just now is kept for later', async () => {
    let broken = true;
    const { connect, logIn, clock } = await world({
      token: (form, response) => {
        if (!broken || form.get('grant_type') !== 'refresh_token') return false;
        response.writeHead(503).end('overloaded');
        return true;
      },
    });
    await logIn();
    clock.advance(3_600_000);
    await expect(call(connect()).answer).rejects.toThrow('could not be renewed');
    broken = false;
    await call(connect()).answer;
  });
});

describe('a token endpoint that is configured', () => {
  it.each([true, false])(
    'gets the code and the renewals in place of the one that is discovered (no metadata: %s)',
    async (isBare) => {
      const one = await elsewhere({ isBare }, {});
      const { id, url = '' } = await one.logins.start('far');
      // A server without metadata promises no name of its own in the answer.
      await one.browse(url, isBare ? { iss: undefined } : {});
      await one.logins.wait(id, soon());
      one.clock.advance(3_600_000);
      expect((await call(one.connect()).answer).result).toEqual({ ok: true });
      expect(tokenPaths(one)).toEqual(['/tokens-elsewhere', '/tokens-elsewhere']);
    },
  );

  it('gets the client credentials', async () => {
    const one = await elsewhere(
      {},
      { grant: 'client_credentials', clientId: 'robot', clientSecret: new Secret('r0bot-secret') },
    );
    await call(one.connect()).answer;
    expect(tokenPaths(one)).toEqual(['/tokens-elsewhere']);
  });
});

describe('a call that needs more rights', () => {
  it('fails by itself, and the next login asks for them', async () => {
    const { connect, logIn, logins } = await world({ scopeNeeded: 'write' });
    await logIn();
    const connection = connect();
    await expect(call(connection).answer).rejects.toMatchObject({
      message: expect.stringContaining('it needs write') as string,
      hint: expect.stringContaining('starling mcp login far') as string,
    });
    await call(connection, 'tools/list', {}).answer;
    const { url = '' } = await logins.start('far');
    expect(new URL(url).searchParams.get('scope')).toBe('read write');
  });
});

describe('client credentials', () => {
  const settings: Partial<ServerOAuth> = {
    grant: 'client_credentials',
    clientId: 'robot',
    clientSecret: new Secret('r0bot-secret'),
    scopes: ['read'],
  };

  it('need nobody, and get wider rights by themselves', async () => {
    const { connect, forms, auth, table } = await world({ scopeNeeded: 'write' }, settings);
    await call(connect()).answer;
    expect(forms.map((form) => form.get('scope'))).toEqual(['read', 'read write']);
    const basic = Buffer.from('robot:r0bot-secret').toString('base64');
    expect(auth.asked.at(-1)?.headers.authorization).toBe(`Basic ${basic}`);
    expect(table.rows.size).toBe(1);
  });

  it('that are wrong take the server down, and are never shown', async () => {
    const { connect, lines } = await world(
      {
        token: (form, response) => {
          json(response, { error: 'invalid_client', error_description: String(form) }, 401);
          return true;
        },
      },
      settings,
    );
    const connection = connect();
    const error: unknown = await call(connection).answer.catch((reason: unknown) => reason);
    await connection.ended;
    expect(allOf(error)).toContain('invalid_client');
    expect(allOf(error) + lines.join('')).not.toContain('r0bot-secret');
  });
});

describe('tokens', () => {
  it('are in no error, no log line and no result, whatever the servers say', async () => {
    const { connect, logIn, logins, clock, issued, lines, valid, browse } = await world();
    const said: string[] = [];
    const keep = async (doing: Promise<unknown>): Promise<void> => {
      said.push(await doing.then((value) => JSON.stringify(value), allOf));
    };
    await logIn();
    const { id, url = '' } = await logins.start('far');
    await browse(url, { code: 'forged' });
    await keep(logins.wait(id, soon()));
    valid.clear();
    clock.advance(3_600_000);
    await keep(call(connect()).answer);
    await keep(logins.logout('far'));
    expect(said[0]).toContain('invalid_grant');
    expect(said.length).toBe(3);
    for (const token of issued) expect(said.join('') + lines.join('')).not.toContain(token);
  });
});
