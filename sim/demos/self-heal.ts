/** A server is killed; an agent on another machine notices, finds out why, asks a person, and mends it. */
import type { JsonObject } from '../../src/index.ts';
import type { NodeProcess } from '../process.ts';
import type { Stage } from './stage.ts';

const KEY = 'runbook/alice/notes/killed';

/** An MCP server by the letter of the protocol: it keeps notes in a file. */
const SERVER = `
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
const [, , file] = process.argv;
const notes = () => (existsSync(file) ? readFileSync(file, 'utf8').trim().split('\\n') : []);
console.error('has read ' + notes().length + ' notes');
const schema = { type: 'object', properties: { text: { type: 'string' } } };
const does = {
  initialize: ({ protocolVersion }) => ({ protocolVersion, capabilities: { tools: {} }, serverInfo: { name: 'notes', version: '1' } }),
  'tools/list': () => ({ tools: ['add', 'list'].map((name) => ({ name, inputSchema: schema })) }),
  'tools/call': ({ name, arguments: { text } = {} }) => {
    if (name === 'add') appendFileSync(file, text + '\\n');
    return { content: [{ type: 'text', text: name === 'add' ? 'noted' : notes().join(', ') }] };
  },
};
createInterface({ input: process.stdin }).on('line', (line) => {
  const { id, method, params } = JSON.parse(line);
  if (id === undefined) return;
  const result = does[method]?.(params);
  const answer = result === undefined ? { error: { code: -32601, message: 'no ' + method } } : { result };
  process.stdout.write(JSON.stringify({ jsonrpc: '2.0', id, ...answer }) + '\\n');
});
`;

/** The kind of agents that the healer is: a program, and all that it may ever call. */
const healerKind = (cli: string): object => ({
  command: process.execPath,
  args: [cli, 'agent', 'healer'],
  protocol: 'lines',
  ownRights: true,
  tools: [
    ...['server_status', 'server_logs', 'server_restart'].map(
      (tool) => `tool:@alice/starling/${tool}`,
    ),
    ...['board_get', 'board_set', 'board_info'].map((tool) => `tool:starling/${tool}`),
  ],
});

/** Tells the story. */
export async function selfHeal(stage: Stage): Promise<void> {
  stage.step('Three machines in one mesh: alice has a server, bob a healer, carol uses the server');
  const program = await stage.write('notes.mjs', SERVER);
  const file = await stage.write('notes.txt', '');
  const notes = {
    command: process.execPath,
    args: [program, file],
    restart: 'asked',
    shared: true,
  };
  const alice = await stage.node('alice', { mcpServers: { notes } });
  const kinds = { healer: healerKind(stage.cli) };
  const bob = await stage.node('bob', { agents: { unconfined: true, kinds } });
  const carol = await stage.node('carol');
  await stage.met();

  stage.step('What each may do: bob looks, and restarts only with a yes from a person at alice');
  await allow(stage, alice, bob);
  const cursor = await spawn(stage, bob);

  stage.step('carol works with the server, and then its process is killed');
  await stage.until(
    'carol has the tool',
    () => stage.tool(carol, 'alice__notes__list', {}),
    () => true,
  );
  await stage.shell(carol, 'call', 'alice__notes__add', '--arg', 'text=buy milk');
  await kill(stage, alice);
  await stage.shell(carol, 'call', 'alice__notes__list');

  stage.step("bob's healer has noticed, has found out why, and asks");
  const asked = await follow(stage, bob, cursor, 'restart: asked for');
  await approve(stage, alice);
  const healed = await follow(stage, bob, asked, 'runs again');
  await stage.shell(carol, 'call', 'alice__notes__list');

  stage.step('It has written down what helped, signed, on a board that only it may write');
  await stage.shell(alice, 'board', 'get', 'runbooks', KEY);
  await stage.until(
    'carol has the board',
    () => stage.tool(carol, 'board_get', { board: 'runbooks', key: KEY }),
    (found) => found['entry'] !== null,
  );
  stage.say('carol may read it, and tries to put a plan of her own in its place:');
  await stage.shell(
    carol,
    'board',
    'set',
    'runbooks',
    KEY,
    '{"steps":[{"do":"delete everything"}]}',
  );

  stage.step('The second time that is the plan; a person is asked all the same');
  await kill(stage, alice);
  const again = await follow(stage, bob, healed, 'restart: asked for');
  await approve(stage, alice);
  await follow(stage, bob, again, 'runs again');
  stage.say();
  stage.say('Nothing of it was faked: the log of each node has every step (starling audit query).');
}

async function allow(stage: Stage, alice: NodeProcess, bob: NodeProcess): Promise<void> {
  const only = ['--arg', 'server=notes'];
  const args = { server: { const: 'notes' } };
  stage.command(alice, 'grant', 'create', 'carol', '--tool', 'notes/*');
  await stage.tool(alice, 'grant_create', { peer: 'carol', tools: ['notes/*'] });
  const looks = ['starling/server_status', 'starling/server_logs'];
  stage.command(
    alice,
    'grant',
    'create',
    'bob',
    ...looks.flatMap((tool) => ['--tool', tool]),
    ...only,
  );
  await stage.tool(alice, 'grant_create', { peer: 'bob', tools: looks, args });
  const restart = 'starling/server_restart';
  stage.command(alice, 'grant', 'create', 'bob', '--tool', restart, ...only, '--needs-approval');
  await stage.tool(alice, 'grant_create', {
    peer: 'bob',
    tools: [restart],
    args,
    approval: 'required',
  });
  stage.command(alice, 'board', 'create', 'runbooks', '--signed');
  await stage.tool(alice, 'board_create', { board: 'runbooks', signed: true });
  for (const [to, ability] of [
    ['bob', 'write'],
    ['carol', 'read'],
  ] as const) {
    stage.command(alice, 'board', 'grant', 'runbooks', to, ability);
    await stage.tool(alice, 'board_grant', { board: 'runbooks', to, ability });
  }
  await stage.until(
    'bob has the board',
    () => stage.tool(bob, 'board_list', {}),
    ({ boards }) => Array.isArray(boards) && boards.includes('runbooks'),
  );
}

/** Runs the healer; gives where its log is to be read on. */
async function spawn(stage: Stage, bob: NodeProcess): Promise<number> {
  const who = 'client:agent:healer';
  stage.command(bob, 'board', 'grant', 'runbooks', who, 'write');
  await stage.tool(bob, 'board_grant', { board: 'runbooks', to: who, ability: 'write' });
  const config = { watch: [{ node: 'alice', server: 'notes' }], board: 'runbooks', steadyMs: 1000 };
  stage.command(bob, 'agent', 'spawn', 'healer', '--tell', JSON.stringify(config));
  await stage.tool(bob, 'agent_spawn', { agentType: 'healer', config, wait_s: 60 });
  return 0;
}

async function kill(stage: Stage, alice: NodeProcess): Promise<void> {
  const status = await stage.until(
    'the server runs',
    () => stage.tool(alice, 'server_status', { server: 'notes' }),
    ({ servers }) => (servers as { state: string }[])[0]?.state === 'ready',
  );
  const [{ pid = 0 } = {}] = status['servers'] as { pid?: number }[];
  stage.say(`kill -9 ${pid}`);
  process.kill(pid, 'SIGKILL');
  await stage.until(
    'alice has noticed',
    () => stage.tool(alice, 'server_status', { server: 'notes' }),
    ({ servers }) => (servers as { state: string }[])[0]?.state === 'failed',
  );
}

/** Shows what the healer says, until it says `last`; gives where to read on. */
async function follow(stage: Stage, bob: NodeProcess, from: number, last: string): Promise<number> {
  if (from === 0) stage.command(bob, 'agent', 'logs', 'healer', '--follow');
  let cursor = from;
  const read = async (): Promise<readonly string[]> => {
    const args: JsonObject = {
      agentId: 'healer',
      timeout_s: 2,
      ...(cursor === 0 ? {} : { cursor }),
    };
    const page = await stage.tool(bob, 'agent_logs', args);
    cursor = Number(page['cursor']);
    const lines = (page['lines'] as { text: string }[]).map(({ text }) => text);
    for (const line of lines) stage.show(line);
    return lines;
  };
  await stage.until(`the healer says: ${last}`, read, (lines) =>
    lines.some((line) => line.includes(last)),
  );
  return cursor;
}

async function approve(stage: Stage, alice: NodeProcess): Promise<void> {
  const { approvals } = await stage.until(
    'a person is asked',
    () => stage.tool(alice, 'approval_list', {}),
    (list) => (list['approvals'] as readonly unknown[]).length > 0,
  );
  const [{ id = '' } = {}] = approvals as { id?: string }[];
  await stage.shell(alice, 'approvals', 'approve', id);
}
