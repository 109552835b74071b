/** How it is found out which era a server at a URL speaks, and what a node asks of it by itself. */
import { setImmediate } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { JsonObject } from '../../../src/core/index.ts';
import { META, MODERN_RPC } from '../../../src/gateway/wire/era.ts';
import { parseFrame } from '../../../src/gateway/wire/frame.ts';
import type { RequestFrame } from '../../../src/gateway/frame-types.ts';
import type { Instance, InstanceInit } from '../../../src/gateway/upstreams/instances/instance.ts';
import { useCleanup } from '../support/gateways.ts';
import { startAlone } from '../support/lone-instance.ts';
import { COMMON, data, json, result, stream, urlServer } from '../support/url-server.ts';
import type { Answering, Asked, UrlServer } from '../support/url-server.ts';

useCleanup();

/** Turns of the event loop, more than a call would need that did not wait. */
const SLOW_TURNS = 100;

interface World {
  readonly server: UrlServer;
  readonly instance: Instance;
}

async function start(answering: Answering, era: InstanceInit['era'] = 'newest'): Promise<World> {
  const server = await urlServer(answering);
  const far = { ...COMMON, type: 'http', url: server.url, headers: {} } as const;
  return { server, instance: await startAlone({ server: far, era }) };
}

const methods = ({ asked }: UrlServer): unknown[] =>
  asked.map(({ body, method }) => body['method'] ?? method);

const discovered = (asked: Asked, capabilities: JsonObject = {}): JsonObject =>
  result(asked, {
    resultType: 'complete',
    supportedVersions: ['2026-07-28'],
    capabilities,
    ttlMs: 0,
    cacheScope: 'private',
  });

const isInitialize = ({ body }: Asked): boolean => body['method'] === 'initialize';

const initialized = (asked: Asked): JsonObject =>
  result(asked, { protocolVersion: '2025-11-25', capabilities: {}, serverInfo: {} });

describe('a server at a URL', () => {
  it('that is new is never asked to initialise, nor to report what it does not', async () => {
    const { server, instance } = await start((asked, response) =>
      json(response, discovered(asked, { tools: {} })),
    );
    expect(instance.handshake.era).toBe('modern');
    expect(methods(server)).toEqual(['server/discover']);
  });

  it.each([
    ['as an error', 200, '{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"no"}}'],
    ['as a refusal', 400, 'no session'],
    ['as a web page', 404, '<h1>nothing here</h1>'],
    ['as anything', 200, '{"jsonrpc":"2.0","id":1,"result":{}}'],
  ])('that is old says so %s, and is initialised', async (_, status, body) => {
    const { server, instance } = await start((asked, response) => {
      if (asked.body['method'] === 'server/discover') {
        const type = body.startsWith('{') ? 'application/json' : 'text/html';
        response.writeHead(status, { 'content-type': type }).end(body);
      } else if (isInitialize(asked)) json(response, initialized(asked));
      else response.writeHead(asked.method === 'GET' ? 405 : 202).end();
    });
    expect(instance.handshake.era).toBe('legacy');
    const [, second] = server.asked;
    expect(second?.body['method']).toBe('initialize');
    expect(second?.headers).not.toHaveProperty('mcp-method');
  });

  it('that refuses our version and names it is asked once more', async () => {
    const { server, instance } = await start((asked, response) => {
      if (isFirst(asked)) {
        const data = { supported: ['2026-07-28'], requested: '2026-07-28' };
        const error = { code: MODERN_RPC.unsupportedVersion, message: 'not that', data };
        json(response, { jsonrpc: '2.0', id: asked.body['id'], error }, 400);
      } else json(response, discovered(asked));
    });
    expect(instance.handshake.era).toBe('modern');
    expect(methods(server)).toEqual(['server/discover', 'server/discover']);
  });

  it('that wants a login is not asked in another era, too', async () => {
    const asked: Asked[] = [];
    const starting = start((one, response) => {
      asked.push(one);
      response.writeHead(401, { 'www-authenticate': 'Bearer' }).end();
    });
    await expect(starting).rejects.toMatchObject({ data: { reason: 'login' } });
    expect(asked.length).toBe(1);
  });

  it('acknowledges our own subscription to nobody else', async () => {
    const { server, instance } = await start((asked, response) => {
      if (asked.body['method'] !== 'subscriptions/listen') {
        json(response, discovered(asked, { tools: { listChanged: true }, resources: {} }));
        return;
      }
      const _meta = { [META.subscriptionId]: asked.body['id'] ?? 0 };
      const method = 'notifications/subscriptions/acknowledged';
      const updated = { uri: 'test://a', _meta };
      stream(
        response,
        data({ jsonrpc: '2.0', method, params: { notifications: {}, _meta } }),
        data({ jsonrpc: '2.0', method: 'notifications/resources/updated', params: updated }),
      );
    }, 'modern');
    const heard = new Promise<string>((resolve) => {
      const notification = ({ method }: { readonly method: string }): void => resolve(method);
      instance.attach({ notification, request: () => undefined });
    });
    expect(await heard).toBe('notifications/resources/updated');
    const { params } = server.asked[1]?.body ?? {};
    expect(params).toMatchObject({ notifications: { toolsListChanged: true } });
  });

  it('is sent no call before it is known whether it asks things on a stream of its own', async () => {
    const order: unknown[] = [];
    const { instance } = await start((asked, response) => {
      if (isInitialize(asked)) json(response, initialized(asked));
      else if (asked.method === 'GET') {
        void turns(SLOW_TURNS).then(() => {
          order.push('stream');
          stream(response, ': open');
        });
      } else if (asked.body['id'] === undefined) response.writeHead(202).end();
      else {
        order.push(asked.body['method']);
        json(response, result(asked));
      }
    }, 'legacy');
    await new Promise((answered, failed) => {
      const request = { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'x' } };
      instance.channel.relay({
        request: parseFrame(Buffer.from(JSON.stringify(request))) as RequestFrame,
        principal: { kind: 'operator' },
        response: answered,
        progress: () => undefined,
        notification: () => undefined,
        failed,
      });
    });
    expect(order).toEqual(['stream', 'tools/call']);
  });
});

async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn += 1) await setImmediate();
}

/** Ids of a connection count from 1. */
function isFirst({ body }: Asked): boolean {
  return body['id'] === 1;
}
