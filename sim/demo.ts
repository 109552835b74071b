/**
 * `npm run demo`: a small real mesh on this machine. Three node processes, real MCP servers behind
 * two of them, and the official SDK's client, attached to the third, calling tools across.
 */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import pc from 'picocolors';
import { connectHttp, connectStdio, textOf } from './client.ts';
import { startProcess } from './process.ts';
import type { NodeProcess } from './process.ts';

const cli = fileURLToPath(new URL('./cli.js', import.meta.url));
const require = createRequire(import.meta.url);

function say(line = ''): void {
  process.stdout.write(`${line}\n`);
}

function step(title: string): void {
  say();
  say(pc.bold(`▸ ${title}`));
}

function show(text: string): void {
  for (const line of text.trimEnd().split('\n')) say(`    ${line}`);
}

/** Runs a command of the CLI on `node` and shows the command and what it printed. */
async function command(node: NodeProcess, ...args: string[]): Promise<string> {
  say(pc.cyan(`  ${node.name}$ starling ${args.map(quote).join(' ')}`));
  const result = await node.run(args);
  show(result.stdout + result.stderr);
  return result.stdout + result.stderr;
}

function quote(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word}'`;
}

function introduce(node: NodeProcess): void {
  const servers = node.up.upstreams
    .filter((upstream) => upstream.kind !== 'builtin')
    .map((upstream) => `${upstream.server} (${upstream.tools} tools)`);
  say(`  ${pc.green(node.name)} is up as ${node.up.peerId}`);
  say(
    `    pid ${node.child.pid}, servers: ${servers.join(', ') || 'none'}, MCP at ${node.up.endpoints.url}`,
  );
}

async function untilTold(signal: AbortSignal): Promise<void> {
  if (!process.stdin.isTTY || !process.stdout.isTTY) return;
  say();
  say(pc.bold('The mesh stays up. Press Ctrl-C to end it.'));
  await new Promise<void>((resolve) => {
    // Timers keep this process alive until Ctrl-C; an aborted signal ends the wait.
    const alive = setInterval(() => undefined, 60_000);
    const done = (): void => {
      clearInterval(alive);
      resolve();
    };
    if (signal.aborted) done();
    else signal.addEventListener('abort', done, { once: true });
  });
}

async function tour(root: string, nodes: NodeProcess[]): Promise<NodeProcess> {
  const docs = join(root, 'docs');
  await mkdir(docs);
  await writeFile(
    join(docs, 'hello.txt'),
    'Starlings fly together, and nobody leads the murmuration.\n',
  );
  const filesystem = require.resolve('@modelcontextprotocol/server-filesystem/dist/index.js');
  const everything = require.resolve('@modelcontextprotocol/server-everything/dist/index.js');

  step('1. alice starts a private mesh, with a file server behind her node');
  const alice = await startProcess({
    cli,
    root,
    name: 'alice',
    config: { mcpServers: { files: { command: process.execPath, args: [filesystem, docs] } } },
  });
  nodes.push(alice);
  introduce(alice);
  const ticket = alice.up.ticket ?? '';
  say('    it prints a ticket for one more node: starling up --join <ticket>');

  step('2. bob joins with that ticket, with server-everything behind his node');
  const bob = await startProcess({
    cli,
    root,
    name: 'bob',
    config: { mcpServers: { everything: { command: process.execPath, args: [everything] } } },
    env: { STARLING_JOIN: ticket },
  });
  nodes.push(bob);
  introduce(bob);

  step('3. bob invites carol: any member can, and nobody is in charge');
  const invite = await bob.run(['invite', '--json']);
  const { ticket: second } = JSON.parse(invite.stdout) as { ticket: string };
  const carol = await startProcess({ cli, root, name: 'carol', env: { STARLING_JOIN: second } });
  nodes.push(carol);
  introduce(carol);
  await peersAlive(carol, 2);
  await command(carol, 'peers');

  step('4. carol may not use anything yet');
  const path = join(docs, 'hello.txt');
  await command(carol, 'call', 'alice__files__read_text_file', '--arg', `path=${path}`);

  step('5. alice and bob grant her what she needs');
  await command(alice, 'grant', 'create', 'carol', '--tool', 'files/read_*', '--expires', '8h');
  await command(bob, 'grant', 'create', 'carol', '--tool', 'everything/echo');

  step("6. an MCP client (the official SDK) attaches to carol's node and calls their tools");
  await callFromClients(carol, path);

  step('7. they share a board');
  await command(
    alice,
    'board',
    'set',
    'team',
    'greeting',
    'hello from alice',
    '--create',
    '--open',
  );
  await boardHas(carol, 'team', 'greeting');
  await command(carol, 'board', 'get', 'team', 'greeting');
  return carol;
}

async function callFromClients(carol: NodeProcess, path: string): Promise<void> {
  const url = carol.up.endpoints.url ?? '';
  const http = await connectHttp({ url, tokenFile: carol.up.endpoints.tokenFile });
  const tools = await waitForTools(
    async () => (await http.listTools()).tools,
    ['alice__files__read_text_file', 'bob__everything__echo'],
  );
  const granted = tools.filter((name) => !name.startsWith('starling__'));
  const own = tools.length - granted.length;
  say(
    `  over Streamable HTTP at ${url} it lists ${own} tools of carol's node itself, and those granted:`,
  );
  show(granted.join('\n'));
  const read = await http.callTool({ name: 'alice__files__read_text_file', arguments: { path } });
  say(`  ${pc.cyan('alice__files__read_text_file')} →`);
  show(textOf(read));
  await http.close();

  const stdio = await connectStdio(cli, carol.stateDir);
  const echoed = await stdio.callTool({
    name: 'bob__everything__echo',
    arguments: { message: 'hello across two peers' },
  });
  say(`  over stdio (starling mcp), ${pc.cyan('bob__everything__echo')} →`);
  show(textOf(echoed));
  await stdio.close();
}

async function waitForTools(
  list: () => Promise<readonly { name: string }[]>,
  wanted: readonly string[],
): Promise<readonly string[]> {
  const names = async (): Promise<string[]> => (await list()).map((tool) => tool.name);
  const found = await poll(names, (seen) => wanted.every((name) => seen.includes(name)));
  return found;
}

async function peersAlive(node: NodeProcess, count: number): Promise<void> {
  await poll(
    async () => JSON.parse((await node.run(['status', '--json'])).stdout) as NodeProcess['up'],
    (status) => status.peers.alive >= count,
  );
}

async function boardHas(node: NodeProcess, board: string, key: string): Promise<void> {
  await poll(
    async () => (await node.run(['board', 'get', board, key])).code,
    (code) => code === 0,
  );
}

/** Asks again every 200 ms, for at most 20 s. */
async function poll<T>(ask: () => Promise<T>, enough: (value: T) => boolean): Promise<T> {
  const deadline = Date.now() + 20_000;
  for (;;) {
    const value = await ask();
    if (enough(value)) return value;
    if (Date.now() > deadline)
      throw new Error(`waited 20 s in vain; last: ${JSON.stringify(value)}`);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

function attach(carol: NodeProcess): void {
  step('Attach your own MCP client to carol');
  say('  Claude Desktop, Cursor and others (stdio), in their mcpServers:');
  show(
    JSON.stringify(
      {
        starling: {
          command: process.execPath,
          args: [cli, 'mcp', '--as', 'my-client', '--state', carol.stateDir],
        },
      },
      null,
      2,
    ),
  );
  say(`  Streamable HTTP: ${carol.up.endpoints.url}, with a key of the client's own:`);
  say(`    starling key create my-client --state ${carol.stateDir}`);
}

async function main(): Promise<number> {
  const root = await mkdtemp(join(tmpdir(), 'starling-demo-'));
  const nodes: NodeProcess[] = [];
  const told = new AbortController();
  process.once('SIGINT', () => told.abort());
  process.once('SIGTERM', () => told.abort());
  try {
    say(pc.bold('A Starling mesh of three nodes on this machine'));
    const carol = await tour(root, nodes);
    attach(carol);
    await untilTold(told.signal);
    step('The nodes say goodbye');
    return 0;
  } finally {
    await Promise.all(nodes.map((node) => node.stop()));
    await rm(root, { recursive: true, force: true });
  }
}

process.exitCode = await main();
