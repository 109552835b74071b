/** A2A agents elsewhere: the SDK's own server, and cards that mean harm. */
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { AgentCard, Message, generateAgentCardSignature } from '@a2a-js/sdk';
import {
  AgentEvent,
  DefaultRequestHandler,
  InMemoryTaskStore,
  JsonRpcTransportHandler,
  ServerCallContext,
} from '@a2a-js/sdk/server';
import { afterEach, expect, it } from 'vitest';
import { createRemoteAgents } from '../../../src/agents/index.ts';
import type { RemoteAgents } from '../../../src/agents/index.ts';
import { silentLogger } from '../../../src/core/index.ts';
import type { JsonObject, StarlingError } from '../../../src/core/index.ts';
import { createIdentity } from '../../../src/identity/index.ts';
import { memoryTable } from '../../grants/memory-table.ts';
import { OPERATES, client, makeWorld } from '../world.ts';
import type { TestNode, TestWorld } from '../world.ts';

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

const OWNER = createIdentity(Buffer.alloc(32, 5));
const TOKEN = 'a-secret-token';

/** Serves `handle` on loopback; gives its origin, and what credentials it was shown. */
async function serve(
  handle: (request: IncomingMessage, response: ServerResponse, origin: string) => unknown,
): Promise<{ origin: string; shown: (string | undefined)[] }> {
  const shown: (string | undefined)[] = [];
  let origin = '';
  const server: Server = createServer((request, response) => {
    shown.push(request.headers.authorization);
    void handle(request, response, origin);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  closing.push(() => {
    server.closeAllConnections();
    server.close();
  });
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { origin, shown };
}

const cardOf = (origin: string, more: object = {}): AgentCard =>
  AgentCard.fromJSON({
    name: 'Trip planner',
    description: 'Plans trips',
    version: '1.0.0',
    supportedInterfaces: [
      { url: `${origin}/rpc`, protocolBinding: 'JSONRPC', protocolVersion: '1.0' },
    ],
    capabilities: {},
    defaultInputModes: ['text/plain'],
    defaultOutputModes: ['text/plain'],
    skills: [{ id: 'plan', name: 'Plan', description: 'Plans a trip', tags: ['travel'] }],
    securitySchemes: { key: { httpAuthSecurityScheme: { scheme: 'Bearer' } } },
    ...more,
  });

/** Signed by the key of a did:key. */
function signed(card: AgentCard): Promise<AgentCard> {
  const key = {
    kty: 'OKP',
    crv: 'Ed25519',
    x: Buffer.from(OWNER.publicKey).toString('base64url'),
    d: Buffer.from(OWNER.seed).toString('base64url'),
  };
  return generateAgentCardSignature(key, { alg: 'EdDSA', kid: OWNER.did, typ: 'JOSE' })(card);
}

const sendCard = (response: ServerResponse, card: AgentCard | object): void => {
  const isCard = 'supportedInterfaces' in card && 'signatures' in card;
  const json = isCard ? AgentCard.toJSON(card) : card;
  response.setHeader('content-type', 'application/json').end(JSON.stringify(json));
};

/** An agent of the SDK's own making: it echoes a text, and does a job as a task. */
function planner(): ReturnType<typeof serve> {
  const handlers = new Map<string, JsonRpcTransportHandler>();
  const handlerAt = (origin: string): JsonRpcTransportHandler => {
    const known = handlers.get(origin);
    if (known !== undefined) return known;
    const requests = new DefaultRequestHandler(cardOf(origin), new InMemoryTaskStore(), {
      async execute({ userMessage, taskId, contextId }, bus) {
        const [part] = userMessage.parts;
        const text = part?.content?.$case === 'text' ? part.content.value : 'data';
        if (text === 'job') {
          const state = 'TASK_STATE_COMPLETED';
          const artifacts = [{ artifactId: 'a', parts: [{ data: { days: 3 } }] }];
          const { Task } = await import('@a2a-js/sdk');
          bus.publish(
            AgentEvent.task(Task.fromJSON({ id: taskId, contextId, status: { state }, artifacts })),
          );
        } else {
          const parts = [{ text: `planned: ${text}` }];
          bus.publish(
            AgentEvent.message(Message.fromJSON({ messageId: 'm', role: 'ROLE_AGENT', parts })),
          );
        }
        bus.finished();
      },
      cancelTask: async () => undefined,
    });
    const made = new JsonRpcTransportHandler(requests);
    handlers.set(origin, made);
    return made;
  };
  return serve(async (request, response, origin) => {
    if (request.url?.endsWith('agent-card.json') === true) {
      return sendCard(response, await signed(cardOf(origin)));
    }
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = JSON.parse(Buffer.concat(chunks).toString()) as Record<string, unknown>;
    const context = new ServerCallContext({ requestedVersion: '1.0' });
    const answer = await handlerAt(origin).handle(body, context);
    return response.setHeader('content-type', 'application/json').end(JSON.stringify(answer));
  });
}

/** A node that may add agents. */
async function nodeWithRemote(secret: string = TOKEN): Promise<{
  node: TestNode;
  remote: RemoteAgents;
  world: TestWorld;
}> {
  const world = await makeWorld('alice');
  const node = world.nodes['alice'];
  if (node === undefined) throw new Error('no node');
  const remote = createRemoteAgents({
    agents: node.agents,
    table: memoryTable(node.rows),
    secret: () => secret,
    clock: world.clock,
    logger: silentLogger,
  });
  closing.push(
    () => world.stop(),
    () => remote.stop(),
  );
  return { node, remote, world };
}

it.each(['two\nlines', 'a\r\nHost: evil', 'with blank', 'pa\u00dfwort', ''])(
  'a secret that no header can hold is refused by name, and told nobody: %j',
  async (secret) => {
    const { remote } = await nodeWithRemote(secret);
    const { origin, shown } = await planner();
    const looking = remote.look(`${origin}/agents/planner`, 'token');
    const error = (await looking.catch((caught: unknown) => caught)) as StarlingError;
    expect(error).toMatchObject({ code: 'STARLING_SECRET_INVALID' });
    if (secret !== '') expect(`${error.message} ${error.hint}`).not.toContain(secret);
    expect(shown).toEqual([]);
  },
);

it('an A2A agent of the SDK is looked at, added, and answers as an agent of this node, with the credential', async () => {
  const { node, remote } = await nodeWithRemote();
  const { origin, shown } = await planner();
  const card = await remote.look(`${origin}/agents/planner`, 'token');
  expect(card).toMatchObject({
    name: 'Trip planner',
    host: new URL(origin).host,
    endpoint: `${origin}/rpc`,
    signer: OWNER.did,
    skills: [{ id: 'plan', description: 'Plans a trip' }],
    security: ['key'],
    url: `${origin}/agents/planner/.well-known/agent-card.json`,
  });
  await remote.add({ url: card.url, digest: card.digest, name: 'planner', secret: 'token' });
  const ask = (message: string): Promise<JsonObject> =>
    node.call(client('me'), 'agent_message', { agentId: 'planner', type: 'query', message });
  expect(await ask('Rome')).toMatchObject({ status: 'answered', response: 'planned: Rome' });
  expect(await ask('job')).toMatchObject({ response: { days: 3 } });
  expect(
    await node.call(client('me'), 'capability_request', { capability: 'plan', parameters: 'Oslo' }),
  ).toMatchObject({ result: 'planned: Oslo', endpoint: 'planner@alice' });
  expect(new Set(shown)).toEqual(new Set([`Bearer ${TOKEN}`]));
  expect([...node.rows.values()].map(String).join('\n')).not.toContain(TOKEN);
});

it('what was added is still there after a restart, and gone once it is retired', async () => {
  const { node, remote } = await nodeWithRemote();
  const { origin } = await planner();
  const { digest } = await remote.look(origin);
  await remote.add({ url: origin, digest, name: 'planner' });
  await remote.stop();
  await remote.start();
  const query = { agentId: 'planner', type: 'query', message: 'Bern' };
  expect(await node.call(client('me'), 'agent_message', query)).toMatchObject({
    response: 'planned: Bern',
  });
  await node.call(OPERATES, 'agent_retire', { agentId: 'planner' });
  await remote.retired('planner');
  expect([...node.rows.keys()].filter((key) => key.startsWith('a2a/'))).toEqual([]);
});

it('a card that is another one than was looked at adds nothing', async () => {
  const { node, remote } = await nodeWithRemote();
  let description = 'one';
  const { origin } = await serve((_, response, own) =>
    sendCard(response, cardOf(own, { description })),
  );
  const { digest, signer } = await remote.look(origin);
  expect(signer).toBeUndefined();
  description = 'two';
  await expect(remote.add({ url: origin, digest, name: 'planner' })).rejects.toMatchObject({
    code: 'STARLING_USAGE',
  });
  expect(node.rows.size).toBe(0);
});

it('a key that its host shows may sign, and one at another host may not', async () => {
  const { remote } = await nodeWithRemote();
  const { generateKeyPairSync } = await import('node:crypto');
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const jwk = { ...publicKey.export({ format: 'jwk' }), kid: 'k1' };
  const other = await serve((_, response) => sendCard(response, { keys: [jwk] }));
  let jku = '/keys';
  const { origin } = await serve(async (request, response, own) => {
    if (request.url === '/keys') return sendCard(response, { keys: [jwk] });
    const header = { alg: 'ES256', kid: 'k1', typ: 'JOSE', jku: new URL(jku, own).href };
    return sendCard(response, await generateAgentCardSignature(privateKey, header)(cardOf(own)));
  });
  expect(await remote.look(origin)).toMatchObject({ signer: 'k1, a key of its host' });
  jku = `${other.origin}/keys`;
  await expect(remote.look(origin)).rejects.toMatchObject({ code: 'STARLING_UPSTREAM_INVALID' });
  expect(other.shown).toEqual([]);
});

it('cards that mean harm are refused, and the credential goes nowhere else', async () => {
  const { node, remote } = await nodeWithRemote();
  const elsewhere = await serve((_, response) => sendCard(response, cardOf('http://127.0.0.1:1')));
  const at = (url: string) => ({ url, protocolBinding: 'JSONRPC', protocolVersion: '1.0' });
  const hostile: Record<string, (response: ServerResponse, own: string) => unknown> = {
    huge: (response, own) =>
      sendCard(response, cardOf(own, { description: 'x'.repeat(1024 * 1024) })),
    endless: (response) => {
      const write = (): void =>
        void (response.writable && response.write('x'.repeat(65_536), write));
      write();
    },
    redirect: (response) =>
      response.writeHead(302, { location: `${elsewhere.origin}/card.json` }).end(),
    'interface elsewhere': (response, own) =>
      sendCard(
        response,
        cardOf(own, { supportedInterfaces: [at(`${own}/rpc`), at(`${elsewhere.origin}/rpc`)] }),
      ),
    'other port': (response, own) =>
      sendCard(response, cardOf(own, { supportedInterfaces: [at('http://127.0.0.1:1/rpc')] })),
    'no url': (response, own) =>
      sendCard(response, cardOf(own, { supportedInterfaces: [at('rpc')] })),
    'user in url': (response, own) =>
      sendCard(response, cardOf(own, { supportedInterfaces: [at(own.replace('//', '//a:b@'))] })),
    'none of ours': (response, own) =>
      sendCard(
        response,
        cardOf(own, {
          supportedInterfaces: [{ url: own, protocolBinding: 'GRPC', protocolVersion: '1.0' }],
        }),
      ),
    forged: async (response, own) =>
      sendCard(response, { ...(await signed(cardOf(own))), description: 'changed' }),
    'no signature': (response, own) =>
      sendCard(response, {
        ...cardOf(own),
        signatures: [{ protected: 'e30', signature: 'AA', header: undefined }],
      }),
    'no JSON': (response) => response.end('<html>'),
    list: (response) => response.end('[]'),
    odd: (response) => response.end('{"name":7,"supportedInterfaces":"x","skills":{}}'),
    gone: (response) => response.writeHead(404).end(),
  };
  for (const [what, handle] of Object.entries(hostile)) {
    const { origin } = await serve((_, response, own) => handle(response, own));
    await expect(remote.look(origin, 'token'), what).rejects.toMatchObject({
      code: 'STARLING_UPSTREAM_INVALID',
    });
  }
  for (const url of ['http://example.com/card.json', 'file:///etc/passwd', 'x', 'https://a:b@c/']) {
    await expect(remote.look(url, 'token'), url).rejects.toMatchObject({ code: 'STARLING_USAGE' });
  }
  expect(elsewhere.shown).toEqual([]);
  expect(node.rows.size).toBe(0);
});

it('an agent that answers with a redirect, or not at all, is one error at whoever asked', async () => {
  const { node, remote } = await nodeWithRemote();
  const elsewhere = await serve((_, response) => response.end('{}'));
  let answer = (response: ServerResponse): unknown =>
    response.writeHead(307, { location: `${elsewhere.origin}/rpc` }).end();
  const { origin } = await serve((request, response, own) =>
    request.method === 'GET' ? sendCard(response, cardOf(own)) : answer(response),
  );
  const { digest } = await remote.look(origin, 'token');
  await remote.add({ url: origin, digest, name: 'planner', secret: 'token' });
  const ask = (): Promise<JsonObject> =>
    node.call(client('me'), 'agent_message', { agentId: 'planner', type: 'query', message: 'x' });
  const failed = { code: 'STARLING_AGENT_FAILED' };
  await expect(ask()).rejects.toMatchObject(failed);
  answer = (response) => response.end('not JSON');
  await expect(ask()).rejects.toMatchObject(failed);
  answer = (response) => response.destroy();
  await expect(ask()).rejects.toMatchObject(failed);
  expect(elsewhere.shown).toEqual([]);
});
