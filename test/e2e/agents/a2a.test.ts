/** A2A at the HTTP door, asked by the SDK's own client and by raw requests of the specification. */
import {
  AgentCard,
  Message,
  Task,
  TaskStatusUpdateEvent,
  verifyAgentCardSignature,
} from '@a2a-js/sdk';
import type { StreamResponse } from '@a2a-js/sdk';
import {
  ClientFactory,
  DefaultAgentCardResolver,
  JsonRpcTransportFactory,
} from '@a2a-js/sdk/client';
import type { Client } from '@a2a-js/sdk/client';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { SignJWT, exportJWK, generateKeyPair } from 'jose';
import { beforeAll, expect, it, vi } from 'vitest';
import type { NodeClient } from '../../../src/cli/node/client.ts';
import type { Did, JsonObject } from '../../../src/core/index.ts';
import { challengeText } from '../../../src/gateway/door/challenge.ts';
import { createIdentity, publicKeyFromDid } from '../../../src/identity/index.ts';
import { loadConfig } from '../../../src/index.ts';
import type { StarlingNode } from '../../../src/index.ts';
import { makeKey, wholeNodes } from '../../fixtures/whole-nodes.ts';

const CARD = '.well-known/agent-card.json';
const nodes = wholeNodes('a2a');

let node: StarlingNode;
let operator: NodeClient;
let base: string;
/** A key that names the agent, one that may give it tasks, too, and one that may use everything but agents. */
let key: string;
let taskKey: string;
let otherKey: string;
/** Ends what the agent does for `slow`. */
let release: (text: string) => void = () => undefined;

/** A token of the authorization server that the node takes tokens of. */
let tokenOf: (claims: Record<string, unknown>) => Promise<string>;
const AUDIENCE = 'https://alice.example/mcp';

/** An authorization server with one key; gives its address. */
async function startAuthority(): Promise<string> {
  const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true });
  const keys = [{ ...(await exportJWK(publicKey)), kid: 'k1', alg: 'ES256' }];
  const server = createServer((_, response) => {
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ issuer, jwks_uri: `${issuer}/keys`, keys }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  nodes.cleanups.push(() => new Promise((resolve) => server.close(resolve)));
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  tokenOf = (claims) =>
    new SignJWT({ iss: issuer, aud: AUDIENCE, sub: 'ann', scope: 'review', ...claims })
      .setProtectedHeader({ alg: 'ES256', kid: 'k1', typ: 'at+jwt' })
      .setExpirationTime('5m')
      .sign(privateKey);
  return issuer;
}

beforeAll(async () => {
  const issuer = await startAuthority();
  const oauth = { issuer, audience: AUDIENCE, scopes: { review: ['agent:coder'] } };
  ({ node, operator } = await nodes.start({
    name: 'alice',
    log: { level: 'silent' },
    http: { port: 0, oauth },
  }));
  base = new URL('/a2a/', node.status().endpoints.url).href;
  key = await makeKey(operator, 'may', ['agent:coder', 'agent:full']);
  taskKey = await makeKey(operator, 'gives', ['agent:coder', 'tool:starling/*']);
  otherKey = await makeKey(operator, 'may-not', ['*']);
  const coder = node.agent({ name: 'coder', capabilities: ['review'], listed: true, tags: ['ts'] });
  coder.onMessage('query', ({ message, metadata }) => {
    if (message === 'fail') throw new Error('it can not be done');
    if (message === 'context') return metadata['a2a'];
    return typeof message === 'string' ? `you said: ${message}` : message;
  });
  coder.onTask('review', (input, { ask, message, signal }) => {
    if (input === 'context') return message.metadata['a2a'];
    if (input === 'ask') return ask('depth', 'How deep?');
    if (input !== 'slow') return `you said: ${String(input)}`;
    return new Promise((resolve) => {
      release = resolve;
      signal.addEventListener('abort', () => resolve(null), { once: true });
    });
  });
  await coder.announced;
  const hidden = node.agent({ name: 'hidden' }).onMessage('query', () => 'hidden');
  await hidden.announced;
  nodes.cleanups.push(
    () => coder.close(),
    () => hidden.close(),
  );
});

const withKey =
  (token: string | undefined): typeof fetch =>
  (input, init) => {
    const headers = new Headers(init?.headers);
    if (token !== undefined) headers.set('authorization', `Bearer ${token}`);
    return fetch(input, { ...init, headers });
  };

function clientOf(token: string | undefined, agent = 'coder'): Promise<Client> {
  const fetchImpl = withKey(token);
  const factory = new ClientFactory({
    transports: [new JsonRpcTransportFactory({ fetchImpl })],
    cardResolver: new DefaultAgentCardResolver({ fetchImpl }),
  });
  return factory.createFromUrl(`${base}${agent}/`, CARD);
}

const messageOf = (...parts: readonly object[]): Message =>
  Message.fromJSON({ messageId: crypto.randomUUID(), role: 'ROLE_USER', parts });
const requestOf = (...parts: readonly object[]) => ({
  tenant: '',
  message: messageOf(...parts),
  configuration: undefined,
  metadata: undefined,
});

async function ask(client: Client, ...parts: readonly object[]): Promise<JsonObject> {
  const answer = await client.sendMessage(requestOf(...parts));
  if (!('messageId' in answer)) throw new Error('not a message');
  return Message.toJSON(answer) as JsonObject;
}

/** A raw request to the endpoint of an agent. */
async function raw(
  body: unknown,
  { token = key, agent = 'coder', version = '1.0' } = {},
): Promise<{ status: number; body: JsonObject }> {
  const response = await fetch(`${base}${agent}`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      authorization: `Bearer ${token}`,
      ...(version === '' ? {} : { 'a2a-version': version }),
    },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
  return { status: response.status, body: (await response.json()) as JsonObject };
}

const rpc = (method: string, params: object): object => ({ jsonrpc: '2.0', id: 7, method, params });

it('the client of the A2A SDK finds a listed agent by its card, and has messages answered, also as a stream', async () => {
  const client = await clientOf(key);
  expect(await ask(client, { text: 'hello' })).toMatchObject({
    role: 'ROLE_AGENT',
    parts: [{ text: 'you said: hello' }],
  });
  expect(await ask(client, { data: { a: [1, 2] } })).toMatchObject({
    parts: [{ data: { a: [1, 2] } }],
  });
  expect(await ask(client, { text: 'a' }, { text: 'b' })).toMatchObject({
    parts: [{ text: 'a' }, { text: 'b' }],
  });
  const events: JsonObject[] = [];
  for await (const { payload } of client.sendMessageStream(requestOf({ text: 'stream' }))) {
    if (payload?.$case === 'message') events.push(Message.toJSON(payload.value) as JsonObject);
  }
  expect(events).toMatchObject([{ parts: [{ text: 'you said: stream' }] }]);
  await expect(ask(client, { text: 'fail' })).rejects.toThrow('it can not be done');
});

const later = (...parts: readonly object[]) => ({
  ...requestOf(...parts),
  configuration: {
    acceptedOutputModes: [],
    taskPushNotificationConfig: undefined,
    returnImmediately: true,
  },
});
const shown = ({ payload }: StreamResponse): unknown => {
  if (payload?.$case === 'task') return Task.toJSON(payload.value);
  if (payload?.$case === 'statusUpdate') return TaskStatusUpdateEvent.toJSON(payload.value);
  if (payload?.$case === 'artifactUpdate') return payload.value.artifact?.parts[0]?.content?.value;
  return payload?.$case;
};
async function taskIn(client: Client, ...parts: readonly object[]): Promise<Task> {
  const task = await client.sendMessage(later(...parts));
  if (!('status' in task)) throw new Error('not a task');
  return task;
}

it('a message whose sender does not wait is a task: followed by a stream, seen by its submitter alone, cancelled', async () => {
  const client = await clientOf(taskKey);
  const { contextId, id } = await taskIn(client, { text: 'slow' });
  expect(contextId).not.toBe('');
  const events: unknown[] = [];
  let isFollowed = false;
  for await (const event of client.resubscribeTask({ tenant: '', id })) {
    events.push(shown(event));
    if (isFollowed) continue;
    isFollowed = true;
    // The stream says the same of a task that is leased and of one that runs: no event need come between.
    const status = async (): Promise<unknown> =>
      (await operator.builtin<{ status: string }>('task_status', { taskId: id })).status;
    await expect.poll(status, { timeout: 60_000 }).toBe('running');
    release('at last');
  }
  expect(events[0]).toMatchObject({ id, contextId });
  expect(events.at(-2)).toBe('at last');
  expect(events.at(-1)).toMatchObject({ status: { state: 'TASK_STATE_COMPLETED' } });
  const got = Task.toJSON(await client.getTask({ tenant: '', id, historyLength: 0 }));
  expect(got).toMatchObject({ artifacts: [{ parts: [{ text: 'at last' }] }] });
  expect(await operator.builtin('task_result', { taskId: id })).toMatchObject({
    status: 'done',
    result: 'at last',
    submittedBy: 'the client gives',
  });
  // Nobody else has given it, nor may give any.
  for (const token of [key, otherKey]) {
    const { body, status } = await raw(rpc('GetTask', { id }), { token });
    expect(status === 404 || (body['error'] as JsonObject)['code'] === -32_001).toBe(true);
  }
  const message = Message.toJSON(messageOf({ text: 'x' }));
  const unwaited = rpc('SendMessage', { message, configuration: { returnImmediately: true } });
  expect((await raw(unwaited)).body['error']).toMatchObject({ code: expect.any(Number) });

  const second = await taskIn(client, { text: 'slow' });
  const ended = Task.toJSON(await client.cancelTask({ tenant: '', id: second.id, metadata: {} }));
  expect(ended).toMatchObject({ status: { state: 'TASK_STATE_CANCELED' } });
  await expect(client.cancelTask({ tenant: '', id: second.id, metadata: {} })).rejects.toThrow();
});

it('a task that asks is answered by a message to it, and the same message twice is one task', async () => {
  const client = await clientOf(taskKey);
  const events: unknown[] = [];
  for await (const event of client.sendMessageStream(requestOf({ text: 'ask' })))
    events.push(shown(event));
  const { id } = events[0] as { id: string };
  const asks = { state: 'TASK_STATE_INPUT_REQUIRED', message: { parts: [{ text: 'How deep?' }] } };
  expect(events.at(-1)).toMatchObject({ status: asks });
  const answer = Message.fromJSON({
    messageId: 'm-9',
    taskId: id,
    role: 'ROLE_USER',
    parts: [{ data: 3 }],
  });
  const elsewhere = { ...requestOf({ text: '' }), message: { ...answer, contextId: 'another' } };
  await expect(client.sendMessage(elsewhere)).rejects.toThrow('another conversation');
  const ended = (await client.sendMessage({ ...requestOf({ text: '' }), message: answer })) as Task;
  // Who waits has the task as it ended.
  expect(ended.artifacts[0]?.parts[0]?.content?.value).toBe(3);
  expect(await operator.builtin('task_result', { taskId: id })).toMatchObject({ result: 3 });
  // What is refused at once is no stream.
  const over = await raw(rpc('SubscribeToTask', { id }), { token: taskKey });
  expect(over.body['error']).toMatchObject({ code: -32_004 });
  const told = (await client.sendMessage(requestOf({ text: 'context' }))) as Task;
  expect(told.artifacts[0]?.parts[0]?.content?.value).toMatchObject({ contextId: told.contextId });
  const request = later({ text: 'once' });
  const [one, again] = [await client.sendMessage(request), await client.sendMessage(request)];
  expect(again).toMatchObject({ id: (one as Task).id });
});

it('an agent is told the ids of A2A, and the answer stays in the conversation', async () => {
  const said = {
    messageId: 'm-1',
    contextId: 'c-1',
    role: 'ROLE_USER',
    parts: [{ text: 'context' }],
  };
  const { body } = await raw(rpc('SendMessage', { message: said }));
  expect(body).toMatchObject({
    id: 7,
    result: {
      message: { contextId: 'c-1', parts: [{ data: { messageId: 'm-1', contextId: 'c-1' } }] },
    },
  });
});

it("a card is signed by the node's key, and a changed one is not", async () => {
  const response = await withKey(key)(`${base}coder/${CARD}`);
  const card = (await response.json()) as JsonObject;
  expect(card).toMatchObject({
    name: 'coder',
    supportedInterfaces: [
      { url: `${base}coder`, protocolBinding: 'JSONRPC', protocolVersion: '1.0' },
    ],
    capabilities: { streaming: true },
    skills: [{ id: 'review', tags: ['ts'] }],
    securitySchemes: {
      key: { httpAuthSecurityScheme: { scheme: 'Bearer' } },
      oauth: {
        oauth2SecurityScheme: {
          oauth2MetadataUrl: new URL('/.well-known/oauth-protected-resource', base).href,
        },
      },
    },
    securityRequirements: [{ schemes: { key: {} } }, { schemes: { oauth: {} } }],
  });
  // Whoever has it asks again whether there is another one.
  const etag = response.headers.get('etag') ?? '';
  expect(response.headers.get('cache-control')).toBe('private, max-age=60');
  const again = { headers: { authorization: `Bearer ${key}`, 'if-none-match': etag } };
  expect((await fetch(`${base}coder/${CARD}`, again)).status).toBe(304);
  const { did } = node.status();
  const x = Buffer.from(publicKeyFromDid(did)).toString('base64url');
  const verify = verifyAgentCardSignature(async (kid) => {
    expect(kid).toBe(did);
    return { kty: 'OKP', crv: 'Ed25519', x };
  });
  await verify(AgentCard.fromJSON(card));
  // The SDK tells each failure to the console.
  vi.spyOn(console, 'debug').mockImplementation(() => undefined);
  const changed = AgentCard.fromJSON({ ...card, description: 'somebody else' });
  await expect(verify(changed)).rejects.toThrow('No valid signatures');
  vi.restoreAllMocks();
});

it('who comes with a token of the authorization server asks the agent that its scope names, and no other', async () => {
  const client = await clientOf(await tokenOf({}));
  expect(await ask(client, { text: 'hello' })).toMatchObject({
    parts: [{ text: 'you said: hello' }],
  });
  // The SDK reads from the card how one gets in, and where tokens are to be had.
  const card = await client.getAgentCard();
  expect(Object.keys(card.securitySchemes).toSorted()).toEqual(['key', 'oauth']);
  const { scheme } = card.securitySchemes['oauth'] ?? {};
  if (scheme?.$case !== 'oauth2SecurityScheme') throw new Error('no scheme of OAuth');
  const metadata = await fetch(scheme.value.oauth2MetadataUrl);
  expect(await metadata.json()).toMatchObject({ resource: AUDIENCE });
  await expect(clientOf(await tokenOf({ scope: 'other' }))).rejects.toThrow();
  const foreign = await tokenOf({ aud: 'https://bob.example/mcp' });
  expect((await withKey(foreign)(`${base}coder/${CARD}`)).status).toBe(401);
  await expect(clientOf(await tokenOf({}), 'hidden')).rejects.toThrow();
});

it('without a key, or with one that does not name the agent, there is no card and no agent', async () => {
  const none = `${base}nobody/${CARD}`;
  const unknown = await withKey(key)(none);
  expect(unknown.status).toBe(404);
  const text = await unknown.text();
  for (const [token, agent] of [
    [otherKey, 'coder'],
    [key, 'hidden'],
    [await bearerOfOperator(), 'hidden'],
  ] as const) {
    const response = await withKey(token)(`${base}${agent}/${CARD}`);
    expect([response.status, await response.text()], agent).toEqual([404, text]);
    const sent = await raw(rpc('SendMessage', { message: {} }), { token, agent });
    expect(sent.status, agent).toBe(404);
  }
  expect((await withKey(undefined)(`${base}coder/${CARD}`)).status).toBe(401);
  expect((await withKey(undefined)(`${base}coder`, { method: 'POST', body: '{}' })).status).toBe(
    401,
  );
});

it('an agent of its own key is let in once it was granted the agent', async () => {
  const caller = createIdentity();
  const { origin, host } = new URL(base);
  const post = async (path: string, body: object): Promise<JsonObject> => {
    const headers = { 'content-type': 'application/json' };
    const sent = { method: 'POST', headers, body: JSON.stringify(body) };
    return (await (await fetch(`${origin}${path}`, sent)).json()) as JsonObject;
  };
  const { did } = caller;
  const nonce = String((await post('/auth/challenge', { did }))['nonce']);
  const text = challengeText({ node: node.status().did as Did, audience: host, did, nonce });
  const signature = Buffer.from(caller.sign(text)).toString('base64url');
  const { token } = await post('/auth/session', { did, nonce, signature });
  const card = (): Promise<Response> => withKey(String(token))(`${base}coder/${CARD}`);
  expect((await card()).status).toBe(404);
  await operator.builtin('grant_create', { peer: did, agents: ['coder'] });
  expect((await card()).status).toBe(200);
  expect(await ask(await clientOf(String(token)), { text: 'by key' })).toMatchObject({
    parts: [{ text: 'you said: by key' }],
  });
});

it('what is not served is refused by its name: push notifications, other versions, other media', async () => {
  const said = messageOf({ text: 'x' });
  const message = Message.toJSON(said);
  const refused = async (method: string, params: object): Promise<unknown> =>
    (await raw(rpc(method, params))).body['error'];
  const push = { taskId: 't', url: 'https://example.com/hook' };
  expect(await refused('CreateTaskPushNotificationConfig', push)).toMatchObject({ code: -32_003 });
  expect(
    await refused('SendMessage', { message, configuration: { taskPushNotificationConfig: push } }),
  ).toMatchObject({ code: -32_003 });
  expect(await refused('GetTask', { id: 't' })).toMatchObject({ code: -32_001 });
  expect(await refused('CancelTask', { id: 't' })).toMatchObject({ code: -32_001 });
  expect(await refused('GetExtendedAgentCard', {})).toMatchObject({ code: -32_007 });
  expect(await refused('Nothing', {})).toMatchObject({ code: -32_601 });
  expect(
    await refused('SendMessage', {
      message,
      configuration: { acceptedOutputModes: ['image/png'] },
    }),
  ).toMatchObject({ code: -32_005 });
  const image = { raw: 'eA==', mediaType: 'image/png' };
  const pictured = Message.toJSON(messageOf({ text: 'look' }, image));
  expect(await refused('SendMessage', { message: pictured })).toMatchObject({ code: -32_005 });
  const plain = await fetch(`${base}coder`, {
    method: 'POST',
    headers: { 'content-type': 'text/plain', authorization: `Bearer ${key}` },
    body: JSON.stringify(rpc('SendMessage', { message })),
  });
  expect([plain.status, await plain.json()]).toMatchObject([415, { error: { code: -32_005 } }]);
  for (const version of ['', '0.3', '2.0']) {
    const { body } = await raw(rpc('SendMessage', { message }), { version });
    expect(body['error'], version).toMatchObject({ code: -32_009 });
  }
});

it('what is malformed or too long is one error, and the door stays open', async () => {
  const codes = [-32_602, -32_600, -32_700, -32_603];
  for (const body of [
    '',
    'x',
    '[]',
    '{}',
    rpc('SendMessage', {}),
    rpc('SendMessage', { message: { role: 'ROLE_USER', parts: [{ text: 'x' }] } }),
    rpc('SendMessage', { message: { messageId: 'a', role: 'ROLE_AGENT', parts: [{ text: 'x' }] } }),
    rpc('SendMessage', { message: { messageId: 'a', role: 'ROLE_USER', parts: [] } }),
    rpc('SendMessage', { message: { messageId: 'a', role: 'ROLE_USER', parts: 7 } }),
    rpc('SendMessage', {
      message: { messageId: 'a', role: 'ROLE_USER', parts: [{ text: 'x'.repeat(300_000) }] },
    }),
    rpc('SendMessage', {
      message: {
        messageId: 'a',
        role: 'ROLE_USER',
        parts: Array.from({ length: 65 }, () => ({ text: 'x' })),
      },
    }),
  ]) {
    const { body: answer } = await raw(body);
    const { code } = answer['error'] as { code: number };
    expect(codes, JSON.stringify(body).slice(0, 200)).toContain(code);
  }
  expect(await ask(await clientOf(key), { text: 'still' })).toMatchObject({
    parts: [{ text: 'you said: still' }],
  });
});

it('an agent is added by its card, and answers under the name that it has here', async () => {
  await operator.builtin('secret_set', {
    name: 'CODER_KEY',
    value: key,
    blind: 'sixteen characters',
  });
  const url = `${base}coder`;
  const card = await operator.builtin<JsonObject>('agent_card', { url, secret: 'CODER_KEY' });
  expect(card).toMatchObject({ name: 'coder', signer: node.status().did, endpoint: url });
  const { digest } = card;
  const added = { url, digest: String(digest), name: 'mirror', secret: 'CODER_KEY' };
  await operator.builtin('agent_add', added);
  const query = { agentId: 'mirror', type: 'query', message: 'far away' };
  expect(await operator.builtin('agent_message', query)).toMatchObject({
    response: 'you said: far away',
  });
});

it('cards are shown without a key once the configuration says so, and messages still take one', async () => {
  const config = await loadConfig({
    env: { STARLING_CONFIG: '' },
    flags: { stateDir: node.status().stateDir, name: 'alice', agents: { a2a: 'public' } },
  });
  await node.reload(config);
  const shown = await fetch(`${base}coder/${CARD}`);
  expect(shown.status).toBe(200);
  expect(await shown.json()).toMatchObject({ name: 'coder' });
  expect((await fetch(`${base}hidden/${CARD}`)).status).toBe(404);
  expect((await fetch(`${base}coder`, { method: 'POST', body: '{}' })).status).toBe(401);
});

async function bearerOfOperator(): Promise<string> {
  const { readFile } = await import('node:fs/promises');
  return (await readFile(node.status().endpoints.tokenFile, 'utf8')).trim();
}
