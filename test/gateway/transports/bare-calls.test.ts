/** Calls by curl: a tool's arguments as body, a resource's URI in the path, and the bare result. */
import { resolve } from 'node:path';
import { expect, it } from 'vitest';
import { bareTargetOf } from '../../../src/gateway/transports/bare-calls.ts';
import { STDIO_SERVER, http, startNode, useCleanup } from '../support/gateways.ts';
import type { Answer } from '../support/gateways.ts';

useCleanup();

const parsed = ({ body }: Answer): unknown => JSON.parse(body);

it('a tool is called with its arguments as body, and the answer is the bare result', async () => {
  const node = await startNode('alice');
  const path = '/mcp/tools/starling__status';
  const called = await http(node, { path, body: '{"a":{"b":1}}', headers: { accept: '*/*' } });
  expect(called.status).toBe(200);
  expect(parsed(called)).toMatchObject({ structuredContent: { echo: { a: { b: 1 } } } });
  expect(parsed(await http(node, { path }))).toMatchObject({ structuredContent: { echo: {} } });
  // A tool of the node answers to its bare name, here as at every door.
  const bare = await http(node, { path: '/mcp/tools/status', body: '{"a":1}' });
  expect(parsed(bare)).toMatchObject({ structuredContent: { echo: { a: 1 } } });
});

it('a resource is read by its URI in the path, and the answer is the bare result', async () => {
  const args = [resolve(import.meta.dirname, '../support/session-server.mjs')];
  const node = await startNode('alice', { servers: { notes: { ...STDIO_SERVER, args } } });
  await node.gateway.settled();
  const path = '/mcp/resources/note%3A%2F%2Fone';
  const read = await http(node, { path, method: 'GET', headers: { accept: '*/*' } });
  expect(parsed(read)).toMatchObject({ contents: [{ uri: 'note://one', text: 'note://one' }] });
  expect(read.status).toBe(200);
});

it('what is wrong has the status of its code, and a body that says why', async () => {
  const node = await startNode('alice');
  const tool = '/mcp/tools/starling__status';
  const none = await http(node, { path: '/mcp/tools/nothing__there', body: '{}' });
  expect(none.status).toBeGreaterThanOrEqual(400);
  expect(parsed(none)).toMatchObject({ error: { message: expect.any(String) as string } });
  for (const body of ['[]', 'x', '{}, "name": "other"', '{"a":1}{}']) {
    expect((await http(node, { path: tool, body })).status, body).toBe(400);
  }
  expect(await http(node, { path: tool, method: 'GET' })).toMatchObject({ status: 405 });
  expect(await http(node, { path: '/mcp/resources/x', body: '{}' })).toMatchObject({ status: 405 });
  const bare = await http(node, { path: tool, body: '{}', headers: { authorization: undefined } });
  expect(bare.status).toBe(401);
  const missing = await http(node, { path: '/mcp/resources/odd%3A%2F%2Fx', method: 'GET' });
  expect(missing.status).toBeGreaterThanOrEqual(400);
});

it('a body need not say that it is JSON, as that of curl does not, and one that is too long is refused as bare', async () => {
  const node = await startNode('alice', { limits: { messageBytes: 4096 } });
  const path = '/mcp/tools/starling__status';
  for (const type of ['application/x-www-form-urlencoded', undefined]) {
    const headers = { 'content-type': type };
    const called = await http(node, { path, body: '{"a":1}', headers });
    expect(called.status, type).toBe(200);
    expect(parsed(called)).toMatchObject({ structuredContent: { echo: { a: 1 } } });
  }
  const body = JSON.stringify({ a: 'x'.repeat(5000) });
  const long = await http(node, { path, body });
  expect(long.status).toBe(413);
  expect(parsed(long)).toEqual({ error: expect.objectContaining({ code: -32003 }) as unknown });
});

it('a key calls what its scopes name, and nothing else', async () => {
  const node = await startNode('alice');
  const path = '/mcp/tools/starling__status';
  const as = async (name: string, scope: string): Promise<Answer> => {
    const { key } = await node.keys.create({ name, scopes: [scope] });
    return http(node, { path, body: '{}', headers: { authorization: `Bearer ${key.reveal()}` } });
  };
  expect((await as('may', 'tool:starling/status')).status).toBe(200);
  expect((await as('may-not', 'tool:files/*')).status).toBeGreaterThanOrEqual(400);
});

it('a path names a tool or a URI, encoded or as it is', () => {
  expect(bareTargetOf(['tools', 'a__b'])).toEqual({ method: 'tools/call', name: 'a__b' });
  const read = { method: 'resources/read', uri: 'file:///srv/a' };
  expect(bareTargetOf(['resources', 'file:///srv/a'])).toEqual(read);
  expect(bareTargetOf(['resources', 'file:', '', '', 'srv', 'a'])).toEqual(read);
  for (const odd of [
    [],
    ['tools'],
    ['tools', 'a', 'b'],
    ['resources'],
    ['view', 'x'],
    ['bob', 'files'],
  ]) {
    expect(bareTargetOf(odd), odd.join('/')).toBeUndefined();
  }
});
