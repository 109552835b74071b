/** How `starling up` begins and ends; what a running node does is in `test/e2e`. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { open, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { join, resolve } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { run, start, temporaryFolder } from '../support.ts';
import type { Started } from '../support.ts';

const NOBODY = '12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp';

const CLI = resolve(import.meta.dirname, '../../../dist/cli.js');

async function configIn(folder: string): Promise<string> {
  const config = join(folder, 'starling.json');
  await writeFile(
    config,
    JSON.stringify({
      name: 'alice',
      stateDir: join(folder, 'state'),
      listen: ['/ip4/127.0.0.1/tcp/0'],
      http: { port: 0 },
      mdns: false,
    }),
  );
  return config;
}

async function up(...args: string[]): Promise<Started & { readonly folder: string }> {
  const folder = await temporaryFolder();
  return { folder, ...start(['up', '--config', await configIn(folder), ...args]) };
}

it('prints who it is, how to attach, and the line for the next machine; Ctrl-C ends it with 130', async () => {
  const node = await up();
  await node.says('starling up --join starling2');
  const config = join(node.folder, 'starling.json');
  expect((await run('status', '--config', config)).stdout).toContain('alice-mesh (private)');
  node.child.kill('SIGINT');
  const { code, stdout } = await node.ended();
  expect(code).toBe(130);
  for (const part of ['12D3KooW', 'did:key:z6Mk', 'fingerprint', '127.0.0.1:', '/mcp']) {
    expect(stdout).toContain(part);
  }
  // This is not the default state folder, so a client must be told where the node is.
  const state = join(node.folder, 'state');
  expect(stdout).toContain(`starling connect cursor --state ${state}\n`);
  expect(stdout).toContain(`"args":["mcp","--as","<name>","--state","${state}"]`);
});

it.skipIf(process.platform !== 'linux')(
  'runs on where the disk takes nothing of what it says',
  async () => {
    const config = await configIn(await temporaryFolder());
    const full = await open('/dev/full', 'w');
    const words = [CLI, 'up', '--config', config, '--log', 'debug'];
    const node = spawn(process.execPath, words, { stdio: ['ignore', full.fd, full.fd] });
    onTestFinished(async () => {
      node.kill('SIGKILL');
      await full.close();
    });
    const ended = once(node, 'exit');
    const status = async (): Promise<unknown> => (await run('status', '--config', config)).code;
    await expect.poll(status, { interval: 200 }).toBe(0);
    node.kill('SIGTERM');
    expect((await ended)[0]).toBe(0);
  },
);

it('shows members of an open mesh the address, and no ticket', async () => {
  const node = await up('--open', '--no-http');
  await node.says('starling up --bootstrap /ip4/127.0.0.1/tcp/');
  node.child.kill('SIGTERM');
  const { code, stdout } = await node.ended();
  expect(code).toBe(0);
  expect(stdout).not.toMatch(/--join|over HTTP/);
});

it('with --json prints one object, with a ticket at the founding and when asked, and not at each start', async () => {
  const ticket = /^starling2/;
  const first = await up('--json');
  const config = ['--config', join(first.folder, 'starling.json')];
  const said = async (node: Started): Promise<unknown> => {
    await node.says('\n');
    node.child.kill('SIGTERM');
    return JSON.parse((await node.ended()).stdout.split('\n', 1)[0] ?? '');
  };
  const founded = { event: 'up', name: 'alice', ticket: expect.stringMatching(ticket) as string };
  expect(await said(first)).toMatchObject(founded);
  expect(await said(start(['up', '--json', ...config]))).not.toHaveProperty('ticket');
  expect(await said(start(['up', '--json', '--invite', ...config]))).toMatchObject(founded);
});

it('reads a ticket from a pipe, and says what is wrong with it', async () => {
  const node = await up('--join', '-');
  node.child.stdin?.end('starling1nonsense\n');
  const ran = await node.ended();
  expect(ran).toMatchObject({ code: 2, stdout: '' });
  expect(ran.stderr).toContain('STARLING_TICKET_INVALID');
  expect(ran.stderr).not.toContain('starling1nonsense');
});

it('with --json prints an error as JSON', async () => {
  const node = await up('--json', '--join', 'starling1nonsense');
  const { code, stdout } = await node.ended();
  expect(code).toBe(2);
  expect(JSON.parse(stdout)).toMatchObject({ error: { code: 'STARLING_TICKET_INVALID' } });
});

it('can be stopped while it still asks a silent address for its mesh', async () => {
  const sockets: Socket[] = [];
  const silent = createServer((socket) => {
    sockets.push(socket);
    socket.on('error', () => socket.destroy());
  });
  await new Promise<void>((done) => {
    silent.listen(0, '127.0.0.1', done);
  });
  const dialled = once(silent, 'connection');
  const { port } = silent.address() as AddressInfo;
  const node = await up('--bootstrap', `/ip4/127.0.0.1/tcp/${port}/p2p/${NOBODY}`);
  await dialled;
  node.child.kill('SIGINT');
  expect((await node.ended()).code).toBe(130);
  for (const socket of sockets) socket.destroy();
  silent.close();
});
