/** The node's own token: copies of it are worthless once it was replaced. */
import { once } from 'node:events';
import { readFile, stat } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { TOKEN_META } from '../../../src/gateway/transports/tcp.ts';
import {
  INITIALIZE,
  defer,
  http,
  openSession,
  startNode,
  useCleanup,
} from '../support/gateways.ts';

useCleanup();

it('once replaced lets its copies in nowhere, also not in sessions that are open', async () => {
  const node = await startNode('alice', { tcp: { enabled: true } });
  const old = await node.token();
  const bearer = { authorization: `Bearer ${old}` };
  const session = { ...bearer, 'mcp-session-id': await openSession(node) };
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/list', params: {} });
  const address = node.gateway.endpoints();
  const webSocket = new WebSocket((address.url ?? '').replace(/^http/, 'ws'), 'mcp', {
    headers: bearer,
  });
  await once(webSocket, 'open');
  const [host = '', port = ''] = (address.tcp ?? '').split(':');
  const tcp = connect(Number(port), host);
  defer(() => tcp.destroy());
  const greeting = {
    ...INITIALIZE,
    params: { ...INITIALIZE.params, _meta: { [TOKEN_META]: old } },
  };
  tcp.write(`${JSON.stringify(greeting)}\n`);
  await once(tcp, 'data');
  const ended = [once(webSocket, 'close'), once(tcp, 'close')];

  await node.nodeToken.rotate();

  await Promise.all(ended);
  expect((await http(node, { headers: session, body })).status).toBe(401);
  expect((await http(node, { headers: bearer, body: JSON.stringify(INITIALIZE) })).status).toBe(
    401,
  );
  const file = join(node.folder, 'token');
  expect((await stat(file)).mode & 0o777).toBe(0o600);
  expect((await readFile(file, 'utf8')).trim()).not.toBe(old);
  expect(await openSession(node)).toMatch(/^[\w-]{32}$/);
});

it('is known by its connection only as long as it holds', async () => {
  const node = await startNode('alice');
  const agentless = { authorization: `Bearer ${await node.token()}`, connection: 'keep-alive' };
  expect((await http(node, { headers: agentless, body: JSON.stringify(INITIALIZE) })).status).toBe(
    200,
  );
  await node.nodeToken.rotate();
  expect((await http(node, { headers: agentless, body: JSON.stringify(INITIALIZE) })).status).toBe(
    401,
  );
});
