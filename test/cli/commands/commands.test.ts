/** Each command against a double of the node: what it asks, what it prints, how it ends. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import type { JsonObject } from '../../../src/core/index.ts';
import { serving } from '../fake-node.ts';
import type { FakeNode } from '../fake-node.ts';
import { fakeNode, run, start, temporaryFolder } from '../support.ts';

const NOW = Date.now();
const HOSTILE = 'nice\u001B[2J\u0007\nERROR forged line';

const STATUS = {
  name: 'alice',
  version: '0.1.0',
  peerId: '12D3KooWalice',
  did: 'did:key:z6Mkalice',
  pid: 7,
  stateDir: '/somewhere',
  startedAt: NOW - 90_000,
  mesh: { id: 'did:key:z6Mkmesh', name: 'home', open: false, fingerprint: 'one two three four' },
  addresses: ['/ip4/192.0.2.7/tcp/4040/p2p/12D3KooWalice', '/ip4/192.0.2.7/tcp/4041/ws'],
  endpoints: { url: 'http://127.0.0.1:4100/mcp', socket: '/s', tokenFile: '/somewhere/token' },
  peers: { alive: 1, suspect: 0, dead: 1, left: 0 },
  upstreams: [
    { server: 'files', kind: 'stdio', state: 'ready', tools: 1 },
    { server: 'git', kind: 'stdio', state: 'failed', tools: 0, error: HOSTILE, hint: 'install it' },
    { server: 'starling', kind: 'builtin', state: 'ready', tools: 12 },
  ],
  sessions: { socket: 1, http: 0, peer: 0 },
  boards: [],
  records: '00',
  routingTable: 1,
  warnings: [
    { code: 'upstream-down:git', text: 'told with its server' },
    { code: 'board-full:plan', text: 'board plan is full', hint: 'delete something' },
  ],
} satisfies JsonObject;

const PEERS = {
  peers: [
    {
      peerId: '12D3KooWbob',
      did: 'did:key:z6Mkbob',
      alias: 'bob',
      state: 'alive',
      lastHeartbeatAt: NOW,
      rttMs: 1.25,
      route: 'direct',
      address: '/ip4/192.0.2.8/tcp/4040',
    },
    { peerId: '12D3KooWeve', did: 'd', alias: HOSTILE, state: 'dead', lastHeartbeatAt: 0 },
  ],
} satisfies JsonObject;

const GRANT = {
  id: '3f9c2a7e00000000',
  direction: 'issued',
  with: 'bob',
  did: 'did:key:z6Mkbob',
  capabilities: [{ resource: 'tool:files/*', ability: 'tool/call' }],
  issuedAt: NOW,
  expiresAt: NOW + 8 * 3_600_000 + 5000,
  state: 'valid',
} satisfies JsonObject;

const ENTRY = { key: 'owner', value: 'alice', by: 'did:key:z6Mkalice', at: NOW };

function argumentsOf(node: FakeNode, tool: string): unknown {
  const call = node.heard.find(({ params }) => params?.['name'] === `starling__${tool}`);
  return call?.params?.['arguments'];
}

const node = (results: Readonly<Record<string, JsonObject>>): Promise<FakeNode> =>
  fakeNode({ answer: serving(results) });

describe('starling status', () => {
  it('shows identity, mesh, addresses, endpoint and servers, and each trouble once', async () => {
    const { stateDir } = await node({ status: STATUS });
    const { code, stdout } = await run('status', '--wide', '--state', stateDir);
    expect(code).toBe(0);
    for (const part of [
      '12D3KooWalice',
      'did:key:z6Mkalice',
      'home (private)',
      'one two three four',
      '/ip4/192.0.2.7/tcp/4041/ws',
      'http://127.0.0.1:4100/mcp',
      '/somewhere/token',
      '1 alive, 1 dead',
      'files  1 tool',
      'install it',
      'board plan is full',
      'delete something',
    ]) {
      expect(stdout).toContain(part);
    }
    expect(stdout).not.toContain('told with its server');
    expect(stdout).not.toMatch(/\u001B|\u0007/);
  });

  it('prints the same as JSON', async () => {
    const { stateDir } = await node({ status: STATUS });
    const { stdout } = await run('status', '--json', '--state', stateDir);
    expect(JSON.parse(stdout)).toEqual(STATUS);
  });
});

describe('starling peers', () => {
  it('shows name, state, heartbeat, round trip, route and address; no peer can forge a line', async () => {
    const { stateDir } = await node({ peers: PEERS });
    const short = await run('peers', '--state', stateDir);
    expect(short.stdout).toMatch(/bob .*alive .*\d+s ago .*1\.3 ms .*direct .*192\.0\.2\.8:4040\n/);
    const { stdout } = await run('peers', '--wide', '--state', stateDir);
    const lines = stdout.trimEnd().split('\n');
    expect(lines).toHaveLength(3);
    expect(lines[1]).toMatch(
      /bob .*alive .*\d+s ago .*1\.3 ms .*direct .*12D3KooWbob .*192\.0\.2\.8/,
    );
    expect(lines[2]).toMatch(/nice.*⏎ERROR forged line.*dead .*never/);
    expect(stdout).not.toContain('\u001B');
  });
});

describe('starling call', () => {
  const answering = (result: JsonObject): Promise<FakeNode> =>
    fakeNode({
      answer: ({ method }) =>
        method === 'tools/list'
          ? {
              tools: [
                { name: 'x' },
                {
                  name: 'add',
                  inputSchema: {
                    type: 'object',
                    properties: { a: { type: 'integer' }, b: { type: ['number', 'null'] } },
                  },
                },
              ],
            }
          : method === 'tools/call'
            ? result
            : undefined,
    });

  it('types arguments by the tool, lets --arg win over --args, and asks for progress', async () => {
    const fake = await answering({ content: [{ type: 'text', text: '3' }] });
    const args = ['--args', '{"a": 9, "note": "x"}', '--arg', 'a=1', '--arg', 'b=2.5'];
    const { code, stdout } = await run('call', 'add', ...args, '--state', fake.stateDir);
    expect([code, stdout]).toEqual([0, '3\n']);
    const { params } = await fake.received('tools/call');
    expect(params?.['arguments']).toEqual({ a: 1, note: 'x', b: 2.5 });
    expect(params?.['_meta']).toHaveProperty('progressToken');
  });

  it('takes arguments as words after the tool, typed in the same way', async () => {
    const fake = await answering({ content: [] });
    expect((await run('call', 'add', 'a=1', 'b:=2', '--state', fake.stateDir)).code).toBe(0);
    const { params } = await fake.received('tools/call');
    expect(params?.['arguments']).toEqual({ a: 1, b: 2 });
  });

  it('takes all arguments from a pipe', async () => {
    const fake = await answering({ content: [{ type: 'text', text: 'ok' }] });
    const started = start(['call', 'add', '--args', '-', '--state', fake.stateDir]);
    started.child.stdin?.end('{"a": 5}');
    expect(await started.ended()).toMatchObject({ code: 0, stdout: 'ok\n' });
    expect((await fake.received('tools/call')).params?.['arguments']).toEqual({ a: 5 });
  });

  it('prints text safely, other content in a few words, and all of it with --json', async () => {
    const result = {
      content: [
        { type: 'text', text: 'a\r\n\u001B[31mb' },
        { type: 'image', mimeType: 'image/png', data: Buffer.alloc(3000).toString('base64') },
        { type: 'resource_link', uri: 'file:///a\u001B', name: 'a', mimeType: 'text/plain' },
        { type: 'resource', resource: { uri: 'file:///b', text: 'inside' } },
        { type: 'resource', resource: { uri: 'file:///c', blob: 'AAAA' } },
        { type: 'hologram' },
      ],
    };
    const { stateDir } = await answering(result);
    const { stdout } = await run('call', 'x', '--state', stateDir);
    expect(stdout.split('\n')).toEqual([
      'a',
      '\ufffd[31mb',
      '[image image/png 2.9 KiB; --json shows it whole]',
      '[resource_link file:///a\ufffd text/plain; --json shows it whole]',
      'inside',
      '[resource file:///c 3 B; --json shows it whole]',
      '[hologram; --json shows it whole]',
      '',
    ]);
    const whole = await run('call', 'x', '--json', '--state', stateDir);
    expect(JSON.parse(whole.stdout)).toEqual(result);
  });

  it('prints structured content where there is no other', async () => {
    const { stateDir } = await answering({ content: [], structuredContent: { sum: 3 } });
    expect((await run('call', 'x', '--state', stateDir)).stdout).toBe('{"sum":3}\n');
  });

  it('prints text exactly as it came with --raw', async () => {
    const text = 'a\r\n\u001B[31mb\u200D';
    const { stateDir } = await answering({ content: [{ type: 'text', text }] });
    expect((await run('call', 'x', '--raw', '--state', stateDir)).stdout).toBe(text);
  });

  it.each([{ content: 'none' }, { content: [null, 7, { text: 'x' }] }, {}])(
    'is not thrown by a result like %j',
    async (result) => {
      const { stateDir } = await answering(result);
      expect((await run('call', 'x', '--state', stateDir)).code).toBe(0);
    },
  );

  it('ends with 1 when the tool says that it failed', async () => {
    const { stateDir } = await answering({
      isError: true,
      content: [{ type: 'text', text: 'no' }],
    });
    expect(await run('call', 'x', '--state', stateDir)).toMatchObject({ code: 1, stdout: 'no\n' });
  });

  it('ends with 1 when it is refused, and says what would let it pass', async () => {
    const hint = "starling grant create bob --tool 'files/read'";
    const { stateDir } = await fakeNode({
      answer: ({ method, id }, { fail }) => {
        if (method === 'tools/list') return { tools: [] };
        if (method !== 'tools/call') return;
        const data = { code: 'STARLING_CALL_REFUSED', reason: 'bob may not call it', hint };
        fail(id, { code: -32003, message: 'long', data });
      },
    });
    const told = await run('call', 'x', '--state', stateDir);
    expect(told).toMatchObject({ code: 1, stdout: '' });
    expect(told.stderr).toBe(`error: bob may not call it [STARLING_CALL_REFUSED]\n  → ${hint}\n`);
    const asJson = await run('call', 'x', '--json', '--state', stateDir);
    expect(asJson).toMatchObject({ code: 1, stderr: '' });
    expect(JSON.parse(asJson.stdout)).toEqual({
      error: { code: 'STARLING_CALL_REFUSED', message: 'bob may not call it', hint },
    });
  });

  it.each([
    ['--args', '[1]'],
    ['--args', '{'],
    ['--arg', 'novalue'],
    ['--arg', 'a=1.5'],
    ['--arg', 'a=@/no/such/file'],
  ])('%s %s is wrong use, and nothing is called', async (...words) => {
    const fake = await answering({});
    const ran = await run('call', 'add', ...words, '--state', fake.stateDir);
    expect(ran.code).toBe(2);
    expect(ran.stderr).toContain('STARLING_USAGE');
    expect(fake.heard.some(({ method }) => method === 'tools/call')).toBe(false);
  });

  it('says in pipes, too, that a call waits for a person, each time once', async () => {
    const message = 'waits for an approval by the operator of alice';
    const { stateDir } = await fakeNode({
      answer: ({ method, params }, { send }) => {
        if (method === 'tools/list') return { tools: [] };
        if (method !== 'tools/call') return undefined;
        const meta = params?.['_meta'] as JsonObject;
        const progressToken = meta['progressToken'] ?? 0;
        for (const progress of [-3, -2]) {
          const told = { progressToken, progress, message };
          send({ jsonrpc: '2.0', method: 'notifications/progress', params: told });
        }
        return { content: [] };
      },
    });
    const { code, stderr } = await run('call', 'x', '--state', stateDir);
    expect([code, stderr]).toEqual([0, `… ${message}\n`]);
  });

  it('says that an answer takes long, and how to end the wait', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    onTestFinished(() => void vi.useRealTimers());
    const { stateDir } = await fakeNode({
      answer: ({ method }) => {
        if (method === 'tools/call') vi.advanceTimersByTime(5000);
        return { content: [] };
      },
    });
    const { stderr } = await run('call', 'x', '--state', stateDir);
    expect(stderr).toBe('… waits for an answer of x; Ctrl-C cancels the call\n');
  });

  it('cancels at Ctrl-C, and ends as shells expect', async () => {
    const fake = await fakeNode({
      answer: ({ method }) => (method === 'tools/list' ? { tools: [] } : undefined),
    });
    const started = start(['call', 'slow', '--state', fake.stateDir]);
    await fake.received('tools/call');
    started.child.kill('SIGINT');
    expect(await started.ended()).toMatchObject({ code: 130, stdout: '', stderr: 'cancelled\n' });
    await fake.received('notifications/cancelled');
  });
});

describe('starling grant', () => {
  it('creates: peer, patterns and lifetime go to the node; it says how to end it', async () => {
    const fake = await node({ grant_create: { grant: GRANT, jws: 'j.w.s' } });
    const args = ['bob', '--tool', 'files/*', '--tool', 'git/log', '--expires', '8h'];
    const { code, stdout } = await run('grant', 'create', ...args, '--state', fake.stateDir);
    expect(code).toBe(0);
    expect(argumentsOf(fake, 'grant_create')).toEqual({
      peer: 'bob',
      tools: ['files/*', 'git/log'],
      expires_s: 28_800,
    });
    expect(stdout).toMatch(/bob may now call files\/\*, git\/log for 8h.*grant revoke 3f9c2a7e/);
  });

  it('repeats how often, when and through how many hands, so that one sees what was granted', async () => {
    const fake = await node({ grant_create: { grant: GRANT, jws: 'j.w.s' } });
    const args = ['bob', '--tool', 'files/*', '--uses', '100', '--rate', '5/s', '--hours'];
    const more = ['mon-fri 08:00-18:00', '--max-depth', '1', '--state', fake.stateDir];
    const { stdout } = await run('grant', 'create', ...args, ...more);
    expect(stdout).toMatch(
      /, 100 times at the most, no more than 5 in 1s, at mon-fri 08:00-18:00 \S+, and may hand it on, through 1 hand; end it/,
    );
  });

  it('lists both directions', async () => {
    const received = { ...GRANT, direction: 'received', with: HOSTILE, state: 'revoked' };
    const { stateDir } = await node({ grant_list: { grants: [GRANT, received] } });
    const lines = (await run('grant', 'list', '--state', stateDir)).stdout.trimEnd().split('\n');
    expect(lines).toHaveLength(3);
    expect(lines[1]).toMatch(/3f9c2a7e .*to bob .*valid .*in 8h .*call files\/\*/);
    expect(lines[2]).toMatch(/from nice.*revoked/);
  });

  it('revokes with a reason', async () => {
    const fake = await node({ grant_revoke: { revoked: [GRANT] } });
    const args = ['3f9c', '--reason', 'lost', '--state', fake.stateDir];
    expect((await run('grant', 'revoke', ...args)).stdout).toContain('revoked 3f9c2a7e of bob');
    expect(argumentsOf(fake, 'grant_revoke')).toEqual({ id: '3f9c', reason: 'lost' });
    const again = await node({ grant_revoke: { revoked: [GRANT], since: NOW } });
    expect((await run('grant', 'revoke', '3f9c', '--state', again.stateDir)).stdout).toMatch(
      /^was revoked already: 3f9c2a7e of bob.*, since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d\n$/,
    );
  });
});

describe('starling invite', () => {
  const ticket = { ticket: 'starling1abc', mesh: 'home', fingerprint: 'a b c d', expiresAt: NOW };

  it('prints only the line to paste on standard output', async () => {
    const fake = await node({ invite_create: ticket });
    const args = ['--expires', '15m', '--no-invite', '--state', fake.stateDir];
    const { stdout, stderr } = await run('invite', ...args);
    expect(stdout).toBe('starling up --join starling1abc\n');
    expect(stderr).toContain('a b c d');
    expect(argumentsOf(fake, 'invite_create')).toEqual({ can_invite: false, expires_s: 900 });
  });
});

describe('starling board', () => {
  it('gets a value as it is, and the entry with --json', async () => {
    const { stateDir } = await node({ board_get: { entry: ENTRY } });
    const get = ['board', 'get', 'plan', 'owner', '--state', stateDir];
    expect((await run(...get)).stdout).toBe('alice\n');
    expect(JSON.parse((await run(...get, '--json')).stdout)).toEqual(ENTRY);
  });

  it('says what is there when an entry is not', async () => {
    const { stateDir } = await node({ board_get: { entry: null } });
    const ran = await run('board', 'get', 'plan', 'owner', '--state', stateDir);
    expect(ran.code).toBe(1);
    expect(ran.stderr).toContain('starling board list plan');
  });

  it.each([
    [['{"cpu": 4}'], { cpu: 4 }],
    [['alice'], 'alice'],
    [['42', '--string'], '42'],
  ])('sets %j as %j', async (words, value) => {
    const fake = await node({ board_set: { entry: ENTRY } });
    const args = ['plan', 'owner', ...words, '--state', fake.stateDir];
    expect((await run('board', 'set', ...args)).code).toBe(0);
    expect(argumentsOf(fake, 'board_set')).toEqual({ board: 'plan', key: 'owner', value });
  });

  it('reads a file of JSON Lines, says what it would write, and writes nothing when a line is none', async () => {
    const fake = await node({
      board_list: { entries: [ENTRY, { ...ENTRY, key: 'same', value: 1 }] },
      board_set: { entry: ENTRY },
    });
    const file = join(await temporaryFolder(), 'plan.jsonl');
    const line = (key: string, value: unknown, more = {}): string =>
      JSON.stringify({ key, value, ...more });
    const lines = ['', line('same', 1), line('new', [1]), line('over', 1, { expires: 1 })];
    await writeFile(file, [line('owner', 'bob'), ...lines].join('\n'));
    const args = ['board', 'import', 'plan', file, '--state', fake.stateDir];
    const dry = await run(...args, '--dry-run');
    expect(dry.stdout).toBe(
      "would write 2 entries of board 'plan': 1 new, 1 changed, 1 as they were, 1 left out, as their time is over\n",
    );
    expect(argumentsOf(fake, 'board_set')).toBeUndefined();
    expect((await run(...args, '--create')).stdout).toContain('wrote 2 entries');
    expect(argumentsOf(fake, 'board_set')).toMatchObject({ key: 'owner', create: true });
    await writeFile(file, `${line('a', 1)}\n{"key": 5}`);
    const { code, stderr } = await run(...args);
    expect([code, stderr.includes('line 2 of')]).toEqual([2, true]);
  });

  it('deletes, and ends with 1 when there was nothing', async () => {
    const { stateDir } = await node({ board_delete: { deleted: false } });
    expect((await run('board', 'delete', 'plan', 'x', '--state', stateDir)).code).toBe(1);
  });

  it('lists boards, then entries; a key can not forge a line', async () => {
    const boards = await node({ board_list: { boards: ['notes', 'plan'] } });
    const list = await run('board', 'list', '--state', boards.stateDir);
    expect(list.stdout).toBe('notes\nplan\n');
    const fake = await node({
      board_list: { entries: [{ ...ENTRY, key: HOSTILE }], digest: 'd' },
      members: { members: [{ did: ENTRY.by, isSelf: false, name: 'alice' }], tickets: [] },
    });
    const { stdout } = await run('board', 'list', 'plan', 'ni', '--state', fake.stateDir);
    expect(stdout.trimEnd().split('\n')).toHaveLength(2);
    expect(stdout).toMatch(/ alice\n$/);
    expect(argumentsOf(fake, 'board_list')).toEqual({ board: 'plan', prefix: 'ni' });
  });

  it('watches from now on, by cursor, until Ctrl-C', async () => {
    const fake = await fakeNode({
      answer: ({ method, params }) => {
        if (method !== 'tools/call') return undefined;
        if (params?.['name'] === 'starling__members') {
          const members = [{ did: ENTRY.by, isSelf: false, name: 'anna' }];
          return { structuredContent: { members, tickets: [] } };
        }
        const { cursor } = (params?.['arguments'] ?? {}) as { cursor?: string };
        if (cursor === 'two') return undefined;
        return {
          structuredContent:
            cursor === undefined
              ? { changes: [], cursor: 'one' }
              : { changes: [{ key: 'owner', entry: ENTRY }, { key: 'gone' }], cursor: 'two' },
        };
      },
    });
    const started = start(['board', 'watch', 'plan', 'o', '--state', fake.stateDir]);
    await started.says('gone');
    started.child.kill('SIGINT');
    expect(await started.ended()).toMatchObject({
      code: 130,
      stdout: '+ owner = alice (by anna)\n- gone\n',
      stderr: '',
    });
    await fake.received('notifications/cancelled');
  });
});

describe('an option that would say nothing', () => {
  it.each([
    [['task', 'run', 'x', '--need', 'code', '--plan'], /--plan is for a task that a swarm does/],
    [['task', 'run', 'x', '--vote', '--parallel', '3'], /--parallel and --vote is for a task/],
    [['task', 'run', 'x', '--swarm', 'fix', '--durable', 'mesh'], /--durable says nothing/],
    [['task', 'run', 'x', '--need', 'code,security'], /for one capability/],
    [
      ['grant', 'create', 'bob', '--tool', 'a/*', '--may', 'write'],
      /--may is of a right on a board/,
    ],
    [['board', 'set', 'a', 'b', 'c', '--open'], /--open is of a board that is made/],
  ])('%j: is refused, and nothing is done', async (args, said) => {
    const fake = await node({});
    const ran = await run(...args, '--state', fake.stateDir);
    expect(ran).toMatchObject({ code: 2, stdout: '' });
    expect(ran.stderr).toMatch(said);
    expect(ran.stderr).toMatch(/STARLING_USAGE\]\n {2}→ /);
    expect(fake.heard.filter(({ method }) => method === 'tools/call')).toEqual([]);
  });
});

describe('every command that needs a node', () => {
  it.each([
    ['status'],
    ['peers'],
    ['tools'],
    ['call', 'x'],
    ['grant', 'create', 'bob', '--tool', 'a/*'],
    ['grant', 'list'],
    ['grant', 'revoke', 'abc'],
    ['invite'],
    ...['get', 'delete', 'undo'].map((name) => ['board', name, 'a', 'b']),
    ...['create', 'history', 'export', 'watch'].map((name) => ['board', name, 'a']),
    ['board', 'set', 'a', 'b', 'c'],
    ['board', 'list'],
    ['mcp'],
  ])('starling %s %s %s %s: says so where none runs', async (...args) => {
    const stateDir = await temporaryFolder();
    const ran = await run(...args, '--state', stateDir);
    expect(ran).toMatchObject({ code: 1, stdout: '' });
    expect(ran.stderr).toMatch(/no node runs.*STARLING_NODE_UNREACHABLE\]\n {2}→ .*starling up/s);
  });

  it('finds the node by the state folder that a config file names', async () => {
    const { stateDir } = await node({ status: STATUS });
    const config = join(await temporaryFolder(), 'starling.json');
    await writeFile(config, JSON.stringify({ stateDir }));
    expect((await run('status', '--config', config)).code).toBe(0);
  });
});
