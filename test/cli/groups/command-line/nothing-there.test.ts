/** What is said of a name by which nothing goes, or nothing yet: which one was meant, and where it is. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { plainSecretsIn, secretLines } from '../../../../src/cli/client-files/server-entry.ts';
import { meantTool } from '../../../../src/cli/commands/tools/explain-failure.ts';
import { otherConfig } from '../../../../src/cli/terminal/lines/node-status.ts';
import { writeAbout } from '../../../../src/config/known-nodes.ts';
import type { JsonObject } from '../../../../src/core/index.ts';
import { serving } from '../../fake-node.ts';
import type { Answer, FakeNode } from '../../fake-node.ts';
import { fakeNode, run, temporaryFolder } from '../../support.ts';

/** A node with these tools, and these results of its built-in ones. */
function nodeOf(
  names: readonly string[],
  results: Readonly<Record<string, JsonObject>> = {},
): Promise<FakeNode> {
  const builtin = serving(results);
  const answer: Answer = (message, connection) =>
    message.method === 'tools/list'
      ? { tools: names.map((name) => ({ name })) }
      : builtin(message, connection);
  return fakeNode({ answer });
}

const STARTING = { status: { upstreams: [{ server: 'time', state: 'starting', tools: 0 }] } };

describe('starling tools', () => {
  it.each(['files/', 'files/*', 'files__', 'files/read'])(
    'finds what grants write as %s',
    async (word) => {
      const { stateDir } = await nodeOf(['files__read', 'git__log']);
      const { stdout } = await run('tools', word, '--state', stateDir);
      expect(stdout).toContain('files__read');
      expect(stdout).not.toContain('git__log');
    },
  );

  it('says of a server that is starting that its tools come with it', async () => {
    const { stateDir } = await nodeOf(['files__read'], STARTING);
    expect((await run('tools', 'time', '--state', stateDir)).stdout).toBe(
      'time is starting; its tools show once it is ready: starling status\n',
    );
    const shown = await run('tools', 'show', 'get_current_time', '--state', stateDir);
    expect(shown.stderr).toContain('not ready yet: time (starting); see which there are');
  });
});

describe('starling call', () => {
  it('says that there is no such peer, and which is near', async () => {
    const fake = await nodeOf(['carol-pc__x__y'], { peers: { peers: [{ alias: 'carol-pc' }] } });
    const ran = await run('call', 'carol__x__z', '--args', '{}', '--state', fake.stateDir);
    expect(ran.stderr).toContain("no peer is called 'carol' (carol__x__z) [STARLING_PEER_UNKNOWN]");
    expect(ran.stderr).toContain('did you mean carol-pc?');
  });

  it('takes no other tool for a slip because its peer and server are the same', () => {
    const info = ['workstation__files__write_file', 'workstation__files__read_file'].map(
      (name) => ({ name }),
    );
    expect(meantTool('workstation__files__search_files', info)).toBeUndefined();
    expect(meantTool('workstation__files__raed_file', info)).toBe('workstation__files__read_file');
  });
});

describe('starling budget', () => {
  const view = (more: JsonObject): JsonObject => ({
    name: 'old',
    unit: 'calls',
    limit: 100,
    spent: 3,
    held: 0,
    free: 97,
    nodes: [],
    ...more,
  });

  it('list names the closed ones where there are no others', async () => {
    const budgets: Answer = ({ params }) => {
      const asked = (params?.['arguments'] ?? {}) as { closed?: boolean };
      return { structuredContent: { budgets: [], total: asked.closed === true ? 2 : 0 } };
    };
    const { stateDir } = await fakeNode({ answer: budgets });
    expect((await run('budget', 'list', '--state', stateDir)).stdout).toBe(
      'no budgets are open: make one with starling budget create <name> --limit <amount>; see the 2 that are closed with starling budget list --all\n',
    );
    const none = await nodeOf([], { budget_list: { budgets: [], total: 0 } });
    expect((await run('budget', 'list', '--state', none.stateDir)).stdout).toBe(
      'no budgets: make one with starling budget create <name> --limit <amount>\n',
    );
  });

  it.each([
    [view({ closed: true, forgotten: true }), 'closed and forgotten'],
    [
      view({
        closed: true,
        forgotten: true,
        nodes: [{ node: 'a', rights: 0, spent: 0, held: 5, state: 'here' }],
      }),
      'closed, and forgotten once what is held here is settled',
    ],
  ])('close --forget says that it is forgotten', async (closed, said) => {
    const { stateDir } = await nodeOf([], { budget_close: closed });
    const { stdout } = await run('budget', 'close', 'old', '--forget', '--state', stateDir);
    expect(stdout.split('\n', 1)[0]).toBe(
      `old  limit 100 calls  spent 3 calls  held 0 calls  ${said}`,
    );
  });
});

it('starling board list and get say which board was meant', async () => {
  const others = serving({
    members: { members: [], tickets: [] },
    board_get: { entry: null, token: 't' },
  });
  const answer: Answer = (message, connection) => {
    const { params } = message;
    if (params?.['name'] !== 'starling__board_list') return others(message, connection);
    const { board } = (params?.['arguments'] ?? {}) as { board?: string };
    return { structuredContent: board === undefined ? { boards: ['plan'] } : { entries: [] } };
  };
  const { stateDir } = await fakeNode({ answer });
  expect((await run('board', 'list', 'plann', '--state', stateDir)).stdout).toBe(
    "no entries: there is no board 'plann'; did you mean plan?\n",
  );
  expect((await run('board', 'list', 'plan', '--state', stateDir)).stdout).toBe('no entries\n');
  const noBoard = await run('board', 'get', 'plann', 'owner', '--state', stateDir);
  expect(noBoard).toMatchObject({ code: 1, stdout: '' });
  expect(noBoard.stderr).toMatch(/there is no board 'plann' \[.*\n.*did you mean plan\?/);
  const noEntry = await run('board', 'get', 'plan', 'owner', '--state', stateDir);
  expect(noEntry).toMatchObject({ code: 1, stdout: '' });
  expect(noEntry.stderr).toMatch(/board 'plan' has no entry 'owner' \[STARLING_ENTRY_UNKNOWN\]/);
});

it('starling key create says that no server is called as a scope has it', async () => {
  const info = {
    id: 'k',
    name: 'ci',
    scopes: ['tool:files/*', 'tool:@lab/git/*', 'tool:*/x', 'model:gpu/**'],
  };
  const { stateDir } = await nodeOf([], {
    key_create: { key: 'starling_x', info },
    status: { upstreams: [{ server: 'git' }] },
  });
  const { stderr } = await run('key', 'create', 'ci', '--state', stateDir);
  expect(stderr.match(/^!.*$/gm)).toEqual([
    "! no server here is called 'files': that scope counts once there is one; of a peer it is like tool:@<peer>/files/*",
  ]);
});

it('what looks like a secret and stands in an entry in clear is told, by its name alone', () => {
  const entry = {
    command: 'x',
    env: { GITHUB_TOKEN: 'ghp_hunter2', API_KEY: '${secret:API_KEY}', LEVEL: 'debug' },
    headers: { Authorization: 'Bearer hunter2' },
  };
  const names = plainSecretsIn(entry);
  expect(names).toEqual(['GITHUB_TOKEN', 'Authorization']);
  const lines = secretLines('hub', names);
  expect(lines[0]).toBe(
    'GITHUB_TOKEN of hub stands there in clear: keep it with starling secret set GITHUB_TOKEN, and write ${secret:GITHUB_TOKEN} in its place',
  );
  expect(lines.join()).not.toContain('hunter2');
});

it('starling grant revoke says of a ticket that it is one', async () => {
  const ticket = {
    id: 'kEgnk3vd1234',
    with: 'did:key:z6Mk',
    ticket: 'open',
    capabilities: [{ ability: 'mesh/join', resource: 'mesh:did:key:z6Mk' }],
  };
  const { stateDir } = await nodeOf([], { grant_revoke: { revoked: [ticket] } });
  expect((await run('grant', 'revoke', 'kEgnk3vd', '--state', stateDir)).stdout).toBe(
    'the ticket kEgnk3vd lets nobody in any more\n',
  );
});

it('starling secret set with the value behind the name says how it is given, and does not repeat it', async () => {
  const ran = await run('secret', 'set', 'TOKEN', 'hunter2');
  expect(ran.stderr).toContain('its value is asked for, or read from standard input');
  expect(ran.stderr).not.toContain('hunter2');
});

it('where the node read another config file last time, commands and starling up name that one', async () => {
  const home = await temporaryFolder();
  vi.stubEnv('HOME', home);
  for (const name of ['XDG_STATE_HOME', 'XDG_CONFIG_HOME', 'STARLING_CONFIG']) vi.stubEnv(name, '');
  try {
    const stateDir = join(home, '.local/state/starling');
    await mkdir(stateDir, { recursive: true, mode: 0o700 });
    const before = join(home, 'star ling.json');
    await writeFile(before, '{"mcpServers": {}}');
    await writeAbout(stateDir, { name: 'desk', configFile: before });
    const listed = await run('mcp', 'list');
    expect(listed.stderr).toBe(
      `! last time the node read ${before}; to mean that one: --config '${before}'\n`,
    );
    expect((await run('mcp', 'list', '--config', before)).stderr).toBe('');
    // A node that runs reads what it reads: nothing of before is meant.
    const configFile = join(home, '.config/starling/starling.json');
    const status = { configFile, upstreams: [] };
    const { stateDir: running } = await fakeNode({ answer: serving({ status }) });
    await writeAbout(running, { name: 'desk', configFile: before });
    expect((await run('mcp', 'list', '--state', running)).stderr).toBe('');
  } finally {
    vi.unstubAllEnvs();
  }
  expect(otherConfig({ file: '/a b.json', words: ' --state /l' })).toBe(
    "! last time this node read /a b.json: starling up --state /l --config '/a b.json'",
  );
});
