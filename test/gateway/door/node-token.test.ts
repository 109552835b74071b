/** The node's own token: copies of it are worthless once it was replaced. */
import { once } from 'node:events';
import { readFile, readdir, stat } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { digestOf } from '../../../src/gateway/door/bearer.ts';
import { createNodeToken } from '../../../src/gateway/index.ts';
import { TOKEN_META } from '../../../src/gateway/transports/tcp.ts';
import { createSmallDisk, smallDiskMissing } from '../../store/small-disk.ts';
import {
  INITIALIZE,
  defer,
  http,
  openSession,
  startNode,
  useCleanup,
} from '../support/gateways.ts';

useCleanup();

const diskMissing = await smallDiskMissing();

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

it.skipIf(diskMissing !== undefined)(
  'stays the one that it is where the disk has no room for another',
  async () => {
    const disk = await createSmallDisk(1024 * 1024);
    defer(() => disk.remove());
    const file = join(disk.path, 'token');
    const token = createNodeToken(file);
    await token.load();
    const text = await readFile(file, 'utf8');
    await disk.fill();
    await expect(token.rotate()).rejects.toMatchObject({
      code: 'STARLING_STATE_UNUSABLE',
      message: expect.stringContaining('the disk is full'),
    });
    expect(token.matches(digestOf(text.trim()))).toBe(true);
    expect(await readFile(file, 'utf8')).toBe(text);
    expect((await readdir(disk.path)).toSorted()).toEqual(['ballast', 'token']);
    await disk.free();
    await token.rotate();
    expect(token.matches(digestOf(text.trim()))).toBe(false);
  },
);
