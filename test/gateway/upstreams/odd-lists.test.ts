/** Servers that list odd things, or of whose lists one fails: the rest works, and nothing is left out in silence. */
import { describe, expect, it } from 'vitest';
import type { JsonObject } from '../../../src/core/index.ts';
import { httpClient, until } from '../support/clients.ts';
import { startPair, textOf, useCleanup } from '../support/gateways.ts';
import { callerOf, upstreamBench } from '../support/upstream-bench.ts';
import type { UpstreamBench } from '../support/upstream-bench.ts';
import { COMMON, json, result, urlServer } from '../support/url-server.ts';
import type { Answering } from '../support/url-server.ts';

useCleanup();

const INIT = {
  protocolVersion: '2025-11-25',
  capabilities: { tools: {}, resources: {}, prompts: {} },
  serverInfo: { name: 'odd', version: '1' },
};
const TOOL = { name: 'read', inputSchema: { type: 'object' } };
const LISTS: Readonly<Record<string, JsonObject>> = {
  initialize: INIT,
  'tools/list': { tools: [TOOL] },
  'resources/list': { resources: [{ uri: 'x:a', name: 'a' }] },
  'resources/templates/list': { resourceTemplates: [] },
  'prompts/list': { prompts: [{ name: 'sum' }] },
};

/** A server that answers by method; other tools answer with their name. */
const serving =
  (lists: Readonly<Record<string, JsonObject>> = {}, rest?: Answering): Answering =>
  (asked, response, request) => {
    const { id, method, params } = asked.body;
    if (asked.method !== 'POST') return response.writeHead(405).end();
    if (id === undefined) return response.writeHead(202).end();
    const value = { ...LISTS, ...lists }[String(method)];
    if (value?.['error'] !== undefined) {
      return json(response, { jsonrpc: '2.0', id, error: value['error'] });
    }
    if (value !== undefined) return json(response, result(asked, value));
    if (method === 'tools/call') {
      const { name } = params as JsonObject;
      return json(
        response,
        result(asked, { content: [{ type: 'text', text: `ran ${String(name)}` }] }),
      );
    }
    return rest?.(asked, response, request);
  };

/** For lists that are answered, on a busy machine too; those that never are take as long. */
const ENOUGH_MS = 2000;

async function bench(answering: Answering, timeoutMs?: number): Promise<UpstreamBench> {
  const server = await urlServer((asked, response, request) =>
    asked.body['method'] === 'server/discover'
      ? json(response, {
          jsonrpc: '2.0',
          id: asked.body['id'],
          error: { code: -32601, message: 'no' },
        })
      : answering(asked, response, request),
  );
  return upstreamBench({
    config: { type: 'http', url: server.url, headers: {}, ...COMMON },
    ...(timeoutMs === undefined ? {} : { startTimeoutMs: timeoutMs }),
  });
}

describe('a server of which one list fails', () => {
  it.each<[string, JsonObject, string]>([
    [
      'is not served',
      { error: { code: -32601, message: 'Method not found' } },
      'it says that it has prompts, and does not serve prompts/list',
    ],
    ['is an error', { error: { code: -32603, message: 'no database' } }, 'no database'],
    ['has no items', { prompts: 'none' }, 'answered prompts/list without "prompts"'],
  ])('because it %s, works with the rest, and says so', async (_, answer, note) => {
    const { upstream } = await bench(serving({ 'prompts/list': answer }));
    const status = upstream.status();
    expect(status).toMatchObject({ state: 'ready', tools: 1, resources: 1, prompts: 0 });
    expect(status.notes).toEqual([expect.stringContaining(note)]);
  });

  it('keeps the pages before the bad one', async () => {
    let page = 0;
    const { upstream } = await bench((asked, response, request) => {
      if (asked.body['method'] !== 'resources/list') return serving()(asked, response, request);
      page += 1;
      const first = { resources: [{ uri: 'x:1', name: 'one' }], nextCursor: 'more' };
      return json(response, result(asked, page === 1 ? first : { nextCursor: 1 }));
    });
    expect(upstream.status()).toMatchObject({ state: 'ready', resources: 1 });
  });

  it('because it never answers, is asked for that list again later', async () => {
    let isDeaf = true;
    const answering = serving();
    const { upstream, clock } = await bench((asked, response, request) => {
      const isPrompts = asked.body['method'] === 'prompts/list';
      return isDeaf && isPrompts ? undefined : answering(asked, response, request);
    }, ENOUGH_MS);
    expect(upstream.status()).toMatchObject({ state: 'ready', tools: 1, prompts: 0 });
    expect(upstream.status().notes?.[0]).toContain(
      "its prompts can't be listed: server 'far' did not",
    );
    isDeaf = false;
    await clock.leap(30_000);
    await until(() => upstream.status().prompts === 1);
    expect(upstream.status().notes).toBeUndefined();
  });

  it('keeps what was listed before, while the list can not be had', async () => {
    let isDeaf = false;
    const answering = serving();
    const { upstream } = await bench((asked, response, request) => {
      const isPrompts = asked.body['method'] === 'prompts/list';
      return isDeaf && isPrompts ? undefined : answering(asked, response, request);
    }, ENOUGH_MS);
    expect(upstream.status().prompts).toBe(1);
    isDeaf = true;
    upstream.retry();
    await until(() => upstream.status().notes !== undefined);
    expect(upstream.status()).toMatchObject({ state: 'ready', prompts: 1 });
  });
});

describe('definitions as servers write them', () => {
  const ODD = {
    tools: [
      TOOL,
      { name: 'anything' },
      { name: 'any', inputSchema: { properties: { a: true } }, outputSchema: { type: 'array' } },
      { name: 'read file', inputSchema: {} },
      { name: 'bad', inputSchema: { type: 'string' } },
    ],
  };

  it('are offered as far as clients take them; what is not is named with its reason', async () => {
    const { upstream } = await bench(serving({ 'tools/list': ODD }));
    expect(upstream.catalog().tools.map(({ name }) => name)).toEqual([
      'read',
      'anything',
      'any',
      'read file',
    ]);
    expect(upstream.status().notes).toEqual([
      `tool 'bad' is left out: its inputSchema has the type "string", not "object"`,
      `tool 'any': it is taken without its outputSchema, which has the type "array", not "object"`,
    ]);
    const call = callerOf({ upstream } as UpstreamBench).send('tools/call', { name: 'read file' });
    expect((await call.ending).result).toMatchObject({ content: [{ text: 'ran read file' }] });
  });

  it('are called by clients and peers by mapped names, and who calls what is left out hears why', async () => {
    const server = await urlServer(serving({ 'tools/list': ODD }));
    const config = { type: 'http', url: server.url, headers: {}, ...COMMON } as const;
    const { alice, bob } = await startPair({ servers: { odd: config } });
    await alice.grant(bob, 'odd/*');
    const own = await httpClient(alice);
    const far = await httpClient(bob);
    const mapped = async (prefix: string): Promise<string> => {
      const { tools } = await (prefix === '' ? own : far).listTools();
      return tools.find(({ name }) => name.startsWith(`${prefix}odd__read_file`))?.name ?? '';
    };
    await until(async () => (await mapped('alice__')) !== '');
    const called = await own.callTool({ name: await mapped('') });
    expect(textOf(called)).toBe('ran read file');
    expect(textOf(await far.callTool({ name: await mapped('alice__') }))).toBe('ran read file');
    const why = 'tool odd/bad is left out: its inputSchema has the type "string", not "object"';
    await expect(own.callTool({ name: 'odd__bad' })).rejects.toThrow(why);
    await expect(far.callTool({ name: 'alice__odd__bad' })).rejects.toThrow(why);
  });
});
