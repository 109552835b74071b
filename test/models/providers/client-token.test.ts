/** Providers with OAuth client credentials in place of a key: a token endpoint and a vendor of ours at the wire. */
import { createServer } from 'node:http';
import type { IncomingMessage, RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterAll, beforeEach, expect, it } from 'vitest';
import { checkModelProvider } from '../../../src/config/check-provider.ts';
import { loadConfig, mapProviderSecrets } from '../../../src/config/index.ts';
import { Secret, systemClock } from '../../../src/core/index.ts';
import { createExchanger } from '../../../src/gateway/index.ts';
import { createProvider } from '../../../src/models/providers/provider.ts';
import type { Provider } from '../../../src/models/providers/provider.ts';
import { run } from '../../cli/support.ts';
import { createTestClock } from '../../core/test-clock.ts';
import { wholeNodes } from '../../fixtures/whole-nodes.ts';

const SECRET = 'client:secret-3f9a';
const HOUR = 3_600_000;
const nodes = wholeNodes('client-token');
const exchanger = createExchanger({ clock: systemClock });
const ends: (() => unknown)[] = [() => exchanger.close()];
afterAll(async () => {
  for (const end of ends) await end();
});

async function listen(answer: RequestListener): Promise<string> {
  const server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  ends.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** What the token endpoint is asked, and how it answers next. */
const asked: { readonly headers: IncomingMessage['headers']; readonly form: URLSearchParams }[] =
  [];
let answerToken: (token: string) => { readonly status?: number; readonly body: string | object };
/** Tokens that the vendor takes; it says back what it was sent. */
const good = new Set<string>();
const sent: (string | undefined)[] = [];

const tokenUrl = `${await listen((request, response) => {
  let text = '';
  request.on('data', (chunk: Buffer) => (text += chunk.toString()));
  request.on('end', () => {
    asked.push({ headers: request.headers, form: new URLSearchParams(text) });
    const { body, status = 200 } = answerToken(`token-${asked.length}`);
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(typeof body === 'string' ? body : JSON.stringify(body));
  });
})}/token`;
const vendorUrl = await listen((request, response) => {
  const { authorization } = request.headers;
  sent.push(authorization);
  request.resume();
  const isGood = good.has(String(authorization).replace('Bearer ', ''));
  response.writeHead(isGood ? 200 : 401, { 'content-type': 'application/json' });
  response.end(
    JSON.stringify(isGood ? { data: [{ id: 'qwen' }] } : { error: `no: ${authorization}` }),
  );
});

const issue = (token: string, more: object = { expires_in: 3600 }) => {
  good.add(token);
  return { body: { access_token: token, token_type: 'Bearer', ...more } };
};
beforeEach(() => {
  asked.length = 0;
  sent.length = 0;
  good.clear();
  answerToken = issue;
});

function made(more: object = {}): {
  readonly clock: ReturnType<typeof createTestClock>;
  readonly provider: Provider;
} {
  const clock = createTestClock();
  const oauth = { clientId: 'me & you', clientSecret: new Secret(SECRET), scopes: [], tokenUrl };
  const provider = createProvider({ exchanger, clock }, 'far', {
    api: 'openai',
    endpoint: `${vendorUrl}/v1`,
    models: [],
    headers: {},
    oauth: { ...oauth, ...more },
    timeoutMs: 60_000,
    limits: {},
    tier: 'edge',
    problems: [],
  });
  return { clock, provider };
}
const live = (): AbortSignal => new AbortController().signal;
const probe = (provider: Provider) => provider.probe(live());
const failureOf = (provider: Provider): Promise<Error> =>
  probe(provider).then(
    () => expect.unreachable(),
    (error: Error) => error,
  );

it('asks once for all who need a token, and again when the time of the token is nearly over', async () => {
  const { clock, provider } = made({ scopes: ['models', 'read'] });
  await Promise.all(Array.from({ length: 50 }, () => probe(provider)));
  expect(asked).toHaveLength(1);
  const [{ form, headers } = expect.unreachable()] = asked;
  expect(Object.fromEntries(form)).toEqual({
    grant_type: 'client_credentials',
    scope: 'models read',
  });
  // RFC 6749 §2.3.1: both in the form of a form.
  const [, basic = ''] = String(headers.authorization).split(' ');
  expect(Buffer.from(basic, 'base64').toString()).toBe('me+%26+you:client%3Asecret-3f9a');
  expect(new Set(sent)).toEqual(new Set(['Bearer token-1']));
  clock.advance(HOUR * 0.9 - 1);
  await probe(provider);
  expect(asked).toHaveLength(1);
  clock.advance(1);
  await probe(provider);
  expect([asked.length, sent.at(-1)]).toEqual([2, 'Bearer token-2']);
});

it('gets exactly one new token when the vendor refuses the one it has, however many calls run', async () => {
  const { clock, provider } = made();
  await probe(provider);
  good.clear();
  clock.advance(60_000);
  await Promise.all(Array.from({ length: 20 }, () => probe(provider)));
  expect(asked).toHaveLength(2);
  expect(sent.slice(-1)).toEqual(['Bearer token-2']);
});

it('asks for no third token where the vendor refuses the new one too, and says neither', async () => {
  const { clock, provider } = made();
  await probe(provider);
  clock.advance(60_000);
  answerToken = (token) => ({ body: { access_token: token, expires_in: 3600 } });
  good.clear();
  const error = await failureOf(provider);
  expect(error).toMatchObject({
    code: 'STARLING_MODEL_KEY_REFUSED',
    message: 'provider far refuses the access token that this node got for it (HTTP 401)',
    hint: expect.stringContaining('models.providers.far.oauth'),
  });
  await failureOf(provider);
  await failureOf(provider);
  expect(asked).toHaveLength(2);
  expect(JSON.stringify(error)).not.toMatch(/token-\d|secret-3f9a/);
});

it.each([
  ['nobody is there', { tokenUrl: 'http://127.0.0.1:9/token' }, undefined, /gave no answer: .*9/],
  ['401', {}, { status: 401, body: { error: 'invalid_client' } }, /HTTP 401, invalid_client/],
  ['its words', {}, { status: 400, body: { error: `hear ${SECRET}` } }, /no token \(HTTP 400\)$/],
  ['503', {}, { status: 503, body: 'busy' }, /HTTP 503/],
  ['elsewhere', {}, { status: 302, body: '' }, /HTTP 302/],
  ['no JSON', {}, { body: '<html>' }, /no bearer token/],
  ['no token', {}, { body: { expires_in: 5 } }, /no bearer token/],
  ['a token of two lines', {}, { body: { access_token: 'a\r\nx-a: b' } }, /no bearer token/],
  ['another kind', {}, { body: { access_token: 'a', token_type: 'mac' } }, /no bearer token/],
  ['too much', {}, { body: 'x'.repeat(100_000) }, /gave no answer: .*65536 bytes/],
] as const)('says that the token endpoint failed: %s', async (_, oauth, answer, text) => {
  const { clock, provider } = made(oauth);
  if (answer !== undefined) answerToken = () => answer;
  const error = await failureOf(provider);
  expect(error).toMatchObject({
    code: 'STARLING_MODEL_KEY_REFUSED',
    message: expect.stringMatching(text),
  });
  expect(`${error.message}${JSON.stringify(error)}`).not.toContain('secret-3f9a');
  expect(sent).toEqual([]);
  // The endpoint is left alone for five seconds, then asked again.
  const before = asked.length;
  await failureOf(provider);
  expect(asked.length).toBe(before);
  clock.advance(5000);
  answerToken = issue;
  if (!('tokenUrl' in oauth)) await probe(provider);
});

it.each([
  ['nothing', {}, 300_000],
  ['a text', { expires_in: '60' }, 60_000],
  ['less than nothing', { expires_in: -1 }, 300_000],
  ['for ever', { expires_in: 1e300 }, 300_000],
  ['a week', { expires_in: 604_800 }, 24 * HOUR],
])('uses a token for nine tenths of its time: %s', async (_, more, ms) => {
  answerToken = (token) => issue(token, more);
  const { clock, provider } = made();
  await probe(provider);
  clock.advance(ms * 0.9 - 1);
  await probe(provider);
  expect(asked).toHaveLength(1);
  clock.advance(1);
  await probe(provider);
  expect(asked).toHaveLength(2);
});

it('trusts no age of a token after the clock was set back, and asks anew after a jump ahead', async () => {
  const { clock, provider } = made();
  await probe(provider);
  clock.sleep(-HOUR);
  await probe(provider);
  expect(asked).toHaveLength(2);
  clock.sleep(48 * HOUR);
  await probe(provider);
  expect(asked).toHaveLength(3);
});

it('waits fifteen seconds for a token, and lets a caller go who goes before', async () => {
  let heard = 0;
  const silent = await listen(() => void (heard += 1));
  const { clock, provider } = made({ tokenUrl: `${silent}/token` });
  const caller = new AbortController();
  const gone = provider.probe(caller.signal);
  const stays = failureOf(provider);
  await expect.poll(() => heard).toBe(1);
  caller.abort(new Error('bye'));
  await expect(gone).rejects.toThrow('bye');
  clock.advance(15_000);
  expect((await stays).message).toContain('nothing came within 15 s');
  expect(heard).toBe(1);
  expect(clock.waiting()).toBe(0);
});

it('takes old and new tokens and the secret out of what a vendor says', async () => {
  const { clock, provider } = made();
  await probe(provider);
  clock.advance(2 * HOUR);
  await probe(provider);
  expect(provider.withoutKeys(`token-1 token-2 ${SECRET}`)).toBe('*** *** ***');
});

it('sends the headers that its configuration names, secrets among them, and shows none of them', async () => {
  let got: IncomingMessage['headers'] = {};
  const url = await listen((request, response) => {
    got = request.headers;
    response.writeHead(403, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ error: `no entry for ${String(request.headers['x-team'])}` }));
  });
  const far = { endpoint: url, headers: { 'X-Team': 'blue-${secret:TEAM}', 'X-App': '${APP}' } };
  const { models } = await loadConfig({
    env: { STARLING_CONFIG: '', APP: 'starling-app' },
    flags: { models: { providers: { far } } },
  });
  const bound = mapProviderSecrets(models.providers, (one) => one.bind(() => 'team-secret'));
  const config = bound['far'] ?? expect.unreachable();
  const provider = createProvider({ exchanger, clock: createTestClock() }, 'far', config);
  const error = await failureOf(provider);
  expect(got).toMatchObject({ 'x-team': 'blue-team-secret', 'x-app': 'starling-app' });
  expect(error.message).not.toContain('team-secret');
});

it('is configured as servers have it, and what is wrong is said by key', async () => {
  const oauth = {
    grant: 'client_credentials' as const,
    clientId: '${ID}',
    clientSecret: '${secret:FAR}',
    tokenUrl: 'https://login.example/token',
    scopes: ['models'],
  };
  const far = { endpoint: 'https://far.example', oauth, rotateAfter: '90d' };
  const { models } = await loadConfig({
    env: { STARLING_CONFIG: '', ID: 'me' },
    flags: { models: { providers: { far } } },
  });
  const bound = mapProviderSecrets(models.providers, (one) => one.bind((name) => `<${name}>`));
  expect(bound['far']).toMatchObject({
    keySecret: 'FAR',
    headers: {},
    problems: [],
    oauth: { clientId: 'me', scopes: ['models'], tokenUrl: 'https://login.example/token' },
  });
  expect(bound['far']?.oauth?.clientSecret.reveal()).toBe('<FAR>');
  expect(JSON.stringify(bound)).not.toContain('<FAR>');
  const problemsOf = (more: object) =>
    checkModelProvider('far', { ...far, ...more }, { ID: 'me' }).problems;
  expect(problemsOf({ keyFrom: 'secret:A' })).toEqual(['oauth: give it either this or keyFrom']);
  expect(problemsOf({ headers: { Authorization: 'Bearer x' } })).toEqual([
    expect.stringMatching(/^oauth: it sets the header Authorization/),
  ]);
  for (const url of ['http://login.example/token', 'file:///etc/passwd', 'nonsense']) {
    expect(problemsOf({ oauth: { ...oauth, tokenUrl: url } })).toEqual([
      expect.stringMatching(/^oauth\.tokenUrl: .*https:\/\//),
    ]);
  }
  expect(problemsOf({ oauth: { clientId: 'a', clientSecret: 'b' } })).toEqual([
    expect.stringContaining('oauth.tokenUrl'),
  ]);
  expect(problemsOf({ oauth: { ...oauth, clientId: '${secret:A}' } })).toHaveLength(1);
  expect(problemsOf({ oauth: { ...oauth, grant: 'authorization_code' } })).toHaveLength(1);
});

it('works at a whole node with a secret of its own; list and test say in words what fails', async () => {
  const oauth = { clientId: 'me', clientSecret: '${secret:FAR_CLIENT}', tokenUrl };
  const { node } = await nodes.start({
    name: 'box',
    models: {
      providers: {
        far: { endpoint: vendorUrl, oauth },
        lost: { endpoint: vendorUrl, oauth: { ...oauth, tokenUrl: 'http://127.0.0.1:9/token' } },
      },
    },
  });
  const at = ['--state', node.status().stateDir];
  const unset = await run('model', 'test', 'far', ...at);
  expect(unset.stderr).toContain('FAR_CLIENT');
  const file = join(await nodes.root(), 'secret');
  await writeFile(file, SECRET);
  expect(await run('secret', 'set', 'FAR_CLIENT', '--file', file, ...at)).toMatchObject({
    code: 0,
  });
  expect((await run('model', 'test', 'far', ...at)).stdout).toMatch(/far answers in .*far\/qwen/);
  const lost = await run('model', 'test', 'lost', ...at);
  expect(lost).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/token endpoint of provider lost gave no answer/),
  });
  const listed = await run('model', 'list', ...at);
  expect(listed.stdout).toContain('far/qwen');
  expect(listed.stdout).toMatch(/lost: the token endpoint of provider lost gave no answer/);
  const { stateDir } = node.status();
  // The folder is named after this file, with letters and digits behind.
  const all = JSON.stringify([unset, lost, listed, node.status()]).replaceAll(
    dirname(stateDir),
    '',
  );
  expect(all).not.toMatch(/secret-3f9a|token-\d/);
});
