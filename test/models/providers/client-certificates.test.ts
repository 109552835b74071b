/** Providers and servers that want a certificate of whoever asks them (mutual TLS): ours, behind real TLS on loopback. */
import type { RequestListener } from 'node:http';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { checkModelProvider } from '../../../src/config/check-provider.ts';
import { loadConfig, mapProviderSecrets, shownConfig } from '../../../src/config/index.ts';
import { createNodeSandbox } from '../../../src/node-process-parts.ts';
import type { Base } from '../../../src/open-state.ts';
import { run } from '../../cli/support.ts';
import { certify } from '../../fixtures/certificates.ts';
import { AUTHORITY, clientFiles, startTlsServer } from '../../fixtures/tls-server.ts';
import type { ClientFiles, TlsServer } from '../../fixtures/tls-server.ts';
import { makeKey, wholeNodes } from '../../fixtures/whole-nodes.ts';
import { COMMON } from '../../gateway/support/url-server.ts';

const box = certify('box', AUTHORITY);
const INSIDE_KEY = box.key.split('\n')[1]?.slice(0, 20) ?? '';
const nodes = wholeNodes('client-certificates');
let vendor: TlsServer;
let files: ClientFiles;

/** An MCP server with one tool, which says by whose certificate it was called. */
function mcpResult(method: unknown): object {
  if (method === 'initialize') {
    const serverInfo = { name: 'vault', version: '1' };
    return { protocolVersion: '2025-11-25', capabilities: { tools: {} }, serverInfo };
  }
  const tools = [{ name: 'open', inputSchema: { type: 'object' } }];
  if (method === 'tools/list') return { tools };
  return { content: [{ type: 'text', text: `opened by ${vendor.clients.at(-1)}` }] };
}

/** Lists one model and answers in it, whole or as a stream; `/elsewhere` is where it sends those who ask for `moved`. */
const answer: RequestListener = (request, response) => {
  let text = '';
  request.on('data', (chunk: Buffer) => (text += chunk.toString()));
  request.on('end', () => {
    const body = JSON.parse(text === '' ? '{}' : text) as Record<string, unknown>;
    const { id, method, model, stream } = body;
    if (request.url === '/mcp') {
      if (request.method !== 'POST') return response.writeHead(405).end();
      if (id === undefined) return response.writeHead(202).end();
      response.writeHead(200, { 'content-type': 'application/json' });
      return response.end(JSON.stringify({ jsonrpc: '2.0', id, result: mcpResult(method) }));
    }
    if (model === 'moved') return response.writeHead(307, { location: '/elsewhere' }).end();
    const choice = { index: 0, finish_reason: 'stop' };
    const said = { role: 'assistant', content: 'hello' };
    const usage = { prompt_tokens: 3, completion_tokens: 2 };
    if (stream === true) {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      const event = {
        id: 'c',
        object: 'chat.completion.chunk',
        choices: [{ ...choice, delta: said }],
        usage,
      };
      return response.end(`data: ${JSON.stringify(event)}\n\ndata: [DONE]\n\n`);
    }
    const whole = {
      id: 'c',
      object: 'chat.completion',
      choices: [{ ...choice, message: said }],
      usage,
    };
    response.writeHead(200, { 'content-type': 'application/json' });
    return response.end(JSON.stringify(model === undefined ? { data: [{ id: 'qwen' }] } : whole));
  });
};

beforeAll(async () => {
  vendor = await startTlsServer(answer);
  files = await clientFiles(box);
});
afterAll(async () => {
  await vendor.stop();
  await files.remove();
});

it('works at a whole node: a provider is listed, asked and streamed, and a server called, with a key that is a secret of the node', async () => {
  const tls = { cert: files.cert, key: '${secret:FAR_KEY}', ca: files.ca };
  const bare = { endpoint: vendor.origin, tls: { ca: files.ca } };
  const { node, operator } = await nodes.start({
    name: 'box',
    mcpServers: { vault: { url: `${vendor.origin}/mcp`, tls } },
    models: { providers: { far: { endpoint: vendor.origin, tls }, bare } },
  });
  const { endpoints, stateDir } = node.status();
  const at = ['--state', stateDir];
  const unset = await run('model', 'test', 'far', ...at);
  expect(unset).toMatchObject({ code: 1, stderr: expect.stringContaining('FAR_KEY') as string });
  const secret = ['secret', 'set', 'FAR_KEY', '--file'];
  expect(await run(...secret, files.key, ...at)).toMatchObject({ code: 0 });
  const tested = await run('model', 'test', 'far', ...at);
  expect(tested.stdout).toMatch(/far answers in .*far\/qwen/);
  const refused = await run('model', 'test', 'bare', ...at);
  expect(refused.code).toBe(1);
  const key = await makeKey(operator, 'editor', ['model:**']);
  for (const stream of [false, true]) {
    const response = await fetch(new URL('/v1/chat/completions', endpoints.url), {
      method: 'POST',
      headers: { authorization: `Bearer ${key}` },
      body: JSON.stringify({ model: 'far/qwen', stream, messages: [] }),
    });
    expect(response.status).toBe(200);
    expect(await response.text()).toContain('hello');
  }
  const names = async () => (await operator.tools()).map(({ name }) => name);
  await expect.poll(names, { timeout: 60_000 }).toContain('vault__open');
  const called = await operator.call('vault__open', {});
  expect(JSON.stringify(called)).toContain('opened by box');
  const moved = await fetch(new URL('/v1/chat/completions', endpoints.url), {
    method: 'POST',
    headers: { authorization: `Bearer ${key}` },
    body: JSON.stringify({ model: 'far/moved', messages: [] }),
  });
  expect(moved.status).toBeGreaterThanOrEqual(400);
  expect(new Set(vendor.clients)).toEqual(new Set(['box']));
  const report = await operator.builtin('bugreport', {}).catch(String);
  const said = [called, unset, tested, refused, await moved.text(), node.status(), report];
  expect(JSON.stringify(said)).not.toContain(INSIDE_KEY);
});

it('is configured as servers have it, and what is wrong is said by key, without what stands there', async () => {
  const tls = { cert: '${HOME_OF}/box.pem', key: '${secret:FAR}', ca: '~/ca.pem' };
  const far = { endpoint: 'https://far.example', tls, rotateAfter: '90d' };
  const { models } = await loadConfig({
    env: { STARLING_CONFIG: '', HOME_OF: '/certs' },
    flags: { models: { providers: { far } } },
  });
  const bound = mapProviderSecrets(models.providers, (one) => one.bind((name) => `<${name}>`));
  expect(bound['far']).toMatchObject({
    keySecret: 'FAR',
    problems: [],
    tls: { cert: '/certs/box.pem', ca: expect.stringMatching(/^\/.*\/ca\.pem$/) as string },
  });
  expect(bound['far']?.tls?.key?.reveal()).toBe('<FAR>');
  expect(JSON.stringify(bound)).not.toContain('<FAR>');
  const problemsOf = (more: object) =>
    checkModelProvider('far', { ...far, ...more }, { HOME_OF: '/certs' }).problems;
  expect(problemsOf({ endpoint: 'http://far.example' })).toEqual([
    'tls: only an https:// URL has one',
  ]);
  expect(problemsOf({ tls: { cert: '/a' } })).toEqual(['tls.key: a certificate needs one']);
  expect(problemsOf({ tls: { key: '/a' } })).toEqual(['tls.cert: a key needs one']);
  expect(problemsOf({ tls: { ca: 'a.pem' } })).toEqual([
    expect.stringMatching(/^tls\.ca: .*\/ or ~\//),
  ]);
  expect(problemsOf({ tls: { ...tls, cert: '${secret:A}' } })).toEqual([
    expect.stringMatching(/^tls\.cert: others could see a secret here/),
    expect.stringMatching(/^tls\.cert: /),
  ]);
  const pasted = problemsOf({ tls: { cert: '/a', key: box.key } });
  expect(pasted).toEqual([expect.stringMatching(/^tls\.key: no key stands here/)]);
  expect(pasted.join()).not.toContain(INSIDE_KEY);
  expect(problemsOf({ tls: { passphrase: 'x' } })).toHaveLength(1);
});

it('shows of the configuration where certificates are, and never a key that somebody has pasted', () => {
  const tls = { cert: '/certs/box.pem', key: box.key, ca: '/certs/ca.pem' };
  const { shown, hidden } = shownConfig({
    mcpServers: { far: { url: 'https://far.example', tls } },
    models: { providers: { far: { endpoint: 'https://far.example', tls } } },
  });
  const text = JSON.stringify(shown);
  expect(text.match(/\/certs\/(?:box|ca)\.pem/g)).toHaveLength(4);
  expect(text).not.toContain(INSIDE_KEY);
  expect(hidden).toContain(box.key);
});

it('a key that lies in a file is kept from the processes of servers, whoever it is shown to', async () => {
  const providers = await clientFiles(box);
  const tls = { cert: files.cert, key: files.key };
  const config = await loadConfig({
    env: { STARLING_CONFIG: '' },
    flags: {
      stateDir: join(await nodes.root(), 'walls'),
      mcpServers: { far: { url: 'https://far.example/mcp', tls } },
      models: {
        providers: {
          far: { endpoint: 'https://far.example', tls: { ...tls, key: providers.key } },
        },
      },
    },
  });
  const base = { config, secretFiles: async () => [] } as unknown as Base;
  const now = { servers: () => config.mcpServers, modelConfig: () => config.models };
  const server = {
    type: 'stdio',
    command: process.execPath,
    args: [],
    env: {},
    ...COMMON,
  } as const;
  const { hidden, kind } = await createNodeSandbox(base, now).launch('files', server, process.env);
  await providers.remove();
  // Where the system has no walls nothing is hidden, and the node's health says so.
  const wanted = kind === 'none' ? [] : [files.key, providers.key];
  expect(hidden).toEqual(expect.arrayContaining(wanted));
});
