import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readMcpServers } from '../../../src/config/servers/mcp-servers.ts';
import type { FileInput } from '../../../src/config/schema/schema.ts';
import type { McpServer } from '../../../src/config/index.ts';
import { Secret } from '../../../src/core/index.ts';

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'starling-servers-'));
});
afterEach(() => rm(root, { recursive: true, force: true, maxRetries: 5 }));

type Entries = NonNullable<FileInput['mcpServers']>;

interface Read {
  readonly servers: Readonly<Record<string, McpServer>>;
  readonly problems: readonly string[];
}

function read(entries: Entries, env: NodeJS.ProcessEnv = {}): Read {
  const servers = readMcpServers(entries, { env, callTimeoutMs: 60_000 });
  const problems = Object.values(servers).flatMap((server) =>
    server.type === 'unusable' ? server.problems : [],
  );
  return { servers, problems };
}

/** What a server has when its entry says nothing of it. */
const DEFAULTS = { timeoutMs: 60_000, shared: false, peerRoots: false, idleMs: 600_000 };

/** The one server of `entry`, with its secrets revealed. */
function one(entry: Entries[string], env: NodeJS.ProcessEnv = {}): unknown {
  const { servers, problems } = read({ s: entry }, env);
  expect(problems).toEqual([]);
  return reveal(servers['s']);
}

function reveal(value: unknown): unknown {
  if (value instanceof Secret) return value.reveal();
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, reveal(inner)]));
}

describe('the sandbox of a server', () => {
  const sandboxOf = (sandbox: unknown, env: NodeJS.ProcessEnv = {}): unknown =>
    (one({ command: 'x', sandbox } as Entries[string], env) as { sandbox?: unknown }).sandbox;

  it('is the usual one when the entry says nothing, or true', () => {
    expect(sandboxOf(true)).toBeUndefined();
    expect(sandboxOf(false)).toBe(false);
    expect(sandboxOf({})).toEqual({ network: true, reach: [] });
    expect(sandboxOf({ required: true })).toEqual({ required: true, network: true, reach: [] });
  });

  it('names paths from the root or the home folder, with variables', () => {
    const written = { write: ['~/notes', '${DATA}/out/../in'], network: false };
    expect(sandboxOf(written, { DATA: '/data' })).toEqual({
      write: [join(homedir(), 'notes'), '/data/in'],
      network: false,
      reach: [],
    });
  });

  it('is refused with a path that depends on a folder, or at a server that is no process of ours', () => {
    const wrong = { sandbox: { read: ['notes'] } };
    expect(read({ s: { command: 'x', ...wrong } }).problems.join()).toMatch(
      /sandbox\.read\[0\].*begin it with \/ or ~\//,
    );
    expect(read({ s: { url: 'https://mcp.example/', sandbox: false } }).problems.join()).toMatch(
      /sandbox.*only a server with a `command`/,
    );
  });
});

describe('an entry of mcpServers', () => {
  it('is a process when it has a command', () => {
    const entry = {
      command: 'npx',
      args: ['-y', 'server'],
      env: { TOKEN: 't' },
      cwd: '/srv',
      timeout: 5000,
    };
    const expected = { ...DEFAULTS, ...entry, type: 'stdio', timeoutMs: 5000 };
    expect(one(entry)).toEqual({ ...expected, timeout: undefined });
    expect(one({ type: 'stdio', command: 'x' })).toEqual({
      type: 'stdio',
      command: 'x',
      args: [],
      env: {},
      ...DEFAULTS,
    });
  });

  it.each<Entries[string]>([
    { url: 'https://mcp.example/mcp' },
    { serverUrl: 'https://mcp.example/mcp' },
    { httpUrl: 'https://mcp.example/mcp' },
    { type: 'http', url: 'https://mcp.example/mcp' },
    { type: 'streamable-http', url: 'https://mcp.example/mcp' },
    { type: 'streamableHttp', url: 'https://mcp.example/mcp' },
    { transport: 'streamable_http', url: 'https://mcp.example/mcp' },
    { transportType: 'http', url: 'https://mcp.example/mcp' },
  ])('is a URL in each form that clients write: %j', (entry) => {
    expect(one(entry)).toEqual({
      type: 'http',
      url: 'https://mcp.example/mcp',
      headers: {},
      ...DEFAULTS,
    });
  });

  it('is a URL of the old HTTP+SSE transport when it says so', () => {
    const url = 'https://mcp.example/sse';
    const expected = { type: 'sse', url, headers: { A: 'b' }, ...DEFAULTS };
    expect(one({ type: 'sse', url, headers: { A: 'b' } })).toEqual(expected);
    expect(one({ transport: 'sse', serverUrl: url, headers: { A: 'b' } })).toEqual(expected);
  });

  it.each<Entries[string]>([
    { command: 'x' },
    { url: 'https://a.example' },
    { type: 'sse', url: 'https://a.example' },
  ])(
    'says whether its session is shared, what peers tell it, and how long it idles: %j',
    (kind) => {
      const entry = { ...kind, shared: true, peerRoots: true, idleTimeout: 0 };
      expect(one(entry)).toMatchObject({ shared: true, peerRoots: true, idleMs: 0 });
    },
  );

  it('keeps the values of env and headers secret', () => {
    const { servers } = read({
      a: { command: 'x', env: { TOKEN: 'hunter2' } },
      b: { url: 'https://b.example', headers: { Authorization: 'Bearer hunter2' } },
    });
    expect(JSON.stringify(servers)).not.toContain('hunter2');
    expect(JSON.stringify(servers)).toContain('"Authorization":"***"');
  });

  it('is left out when it is disabled', () => {
    const { servers, problems } = read(
      {
        off: { command: 'x', disabled: true, args: ['${UNSET}'] },
        alsoOff: { command: 'x', enabled: false },
        on: { command: 'x', disabled: false, enabled: true },
      },
      {},
    );
    expect(problems).toEqual([]);
    expect(Object.keys(servers)).toEqual(['on']);
  });

  it.each<[Entries[string], string]>([
    [{}, 'mcpServers.s: give it a `command`, or a `url`'],
    [
      { command: 'x', url: 'https://a.example' },
      'mcpServers.s: give it either a `command` or a `url`',
    ],
    [{ type: 'stdio' }, 'mcpServers.s.command: a stdio server needs one'],
    [{ type: 'http' }, 'mcpServers.s.url: an http server needs one'],
    [{ type: 'sse' }, 'mcpServers.s.url: an sse server needs one'],
    [{ command: 'x', oauth: {} }, 'mcpServers.s.oauth: only a server at a `url` has one'],
    [
      { type: 'carrier-pigeon', url: 'https://a.example' },
      "mcpServers.s.type: 'carrier-pigeon' is no transport; allowed: stdio, http, sse",
    ],
    [
      { url: 'ftp://a.example' },
      "mcpServers.s.url: this value can't be used; allowed: an http:// or https:// URL",
    ],
    [
      { url: 'https://user:pass@a.example' },
      'mcpServers.s.url: it holds a user name or password; send it by `headers` instead',
    ],
    [
      { url: 'https://a.example', headers: { 'X-Bad': 'a\nb' } },
      'mcpServers.s.headers.X-Bad: it is no HTTP header',
    ],
    [{ command: 'x', args: ['a\0b'] }, 'mcpServers.s.args[0]: it holds the character U+0000'],
  ])('%j is refused: %s', (entry, problem) => {
    expect(read({ s: entry }).problems).toEqual([problem]);
  });
});

describe('a bad entry', () => {
  it('fails alone, whatever it is, and names no value', () => {
    const { servers, problems } = read({
      good: { command: 'x' },
      unset: { command: '${NOT_SET}' },
      odd: 'hunter2',
      list: [],
      deep: { command: { path: 1 } },
      arg: { command: 'x', args: 'hunter2' },
    } as unknown as Entries);
    expect(servers['good']?.type).toBe('stdio');
    expect(problems.map((problem) => problem.replace(/:.*/, ''))).toEqual([
      'mcpServers.unset.command',
      'mcpServers.odd',
      'mcpServers.list',
      'mcpServers.deep.command',
      'mcpServers.arg.args',
    ]);
    expect(problems.join()).not.toContain('hunter2');
  });

  it.each<[object, string]>([
    [{ comand: 'x', command: 'x' }, "unknown key comand; did you mean 'command'?"],
    [{ command: 'x', frobnicate: 1 }, 'unknown key frobnicate; it is left out'],
    [{ command: 'x', timeout: 60 }, 'timeout: 60 are milliseconds here; write 60000 for seconds'],
    [
      { url: 'https://a.example', headers: { 'X-A': '1', 'x-a': '2' } },
      'headers: X-A and x-a are one header; the later one counts',
    ],
    [
      { command: 'x', disabledTools: ['a'] },
      'disabledTools is not heeded here; leave tools out with a view (`views`) or the policy',
    ],
    [
      { command: 'x', env: { A: '$UNSET' } },
      'env.A: no variable UNSET is set, so that the text $UNSET is meant',
    ],
  ])('is no reason to fail where a remark will do: %j', (entry, remark) => {
    const { servers, problems } = read({ s: entry });
    expect(problems).toEqual([]);
    expect(servers['s']?.remarks).toEqual([remark]);
  });
});

describe('oauth', () => {
  const url = 'https://a.example/mcp';

  it('is discovered when it says nothing', () => {
    expect(one({ url, oauth: {} })).toMatchObject({
      oauth: { grant: 'authorization_code', scopes: [] },
    });
    expect(one({ url })).not.toHaveProperty('oauth');
  });

  it('takes a client, its scopes and its endpoint, and keeps the secret', () => {
    const oauth = {
      grant: 'client_credentials' as const,
      clientId: '${ID}',
      clientSecret: '${KEY}',
      scopes: ['read', 'write:all'],
      tokenUrl: 'https://${HOST:-auth.example}/token',
    };
    const env = { ID: 'me', KEY: 'hunter2' };
    expect(one({ type: 'sse', url, oauth }, env)).toMatchObject({
      oauth: {
        ...oauth,
        clientId: 'me',
        clientSecret: 'hunter2',
        tokenUrl: 'https://auth.example/token',
      },
    });
    expect(JSON.stringify(read({ s: { url, oauth } }, env).servers)).not.toContain('hunter2');
  });

  it.each<[NonNullable<Entries[string]['oauth']>, readonly string[]]>([
    [
      { grant: 'client_credentials', callbackPort: 8080 },
      [
        'clientId: client_credentials needs one',
        'clientSecret: client_credentials needs one',
        'callbackPort: client_credentials has no redirect',
      ],
    ],
    [
      { tokenUrl: 'http://auth.example/token' },
      ["tokenUrl: this value can't be used; allowed: an https:// URL"],
    ],
    [{ tokenUrl: 'nowhere' }, ["tokenUrl: this value can't be used; allowed: an https:// URL"]],
  ])('%j is refused: %j', (oauth, problems) => {
    expect(read({ s: { url, oauth } }).problems).toEqual(
      problems.map((problem) => `mcpServers.s.oauth.${problem}`),
    );
  });

  it('may use http on this machine, where nobody listens in', () => {
    for (const host of ['localhost:9', '127.0.0.1:9', '[::1]:9']) {
      const tokenUrl = `http://${host}/token`;
      expect(one({ url, oauth: { tokenUrl } })).toMatchObject({ oauth: { tokenUrl } });
    }
  });

  it('does not go with a header of its own', () => {
    const headers = { authorization: 'Bearer x' };
    expect(read({ s: { url, headers, oauth: {} } }).problems).toEqual([
      'mcpServers.s.oauth: it sets the header Authorization; leave that out of `headers`',
    ]);
  });
});

describe('variables', () => {
  const env = { HOME: '/home/u', TOKEN: 'tok', EMPTY: '' };

  it('are expanded in command, args, env, cwd, url and headers', () => {
    expect(
      one(
        {
          command: '${HOME}/bin/x',
          args: ['--dir=${HOME}', '${HOME}${TOKEN}', '$HOME', '${EMPTY}'],
          env: { A: 'Bearer ${TOKEN}' },
          cwd: '${HOME}',
        },
        env,
      ),
    ).toMatchObject({
      command: '/home/u/bin/x',
      args: ['--dir=/home/u', '/home/utok', '$HOME', ''],
      env: { A: 'Bearer tok' },
      cwd: '/home/u',
    });
    expect(
      one({ url: 'https://${HOST:-a.example}/mcp', headers: { A: '${env:TOKEN}' } }, env),
    ).toMatchObject({ url: 'https://a.example/mcp', headers: { A: 'tok' } });
  });

  it('have the default when they are unset or empty, as in a shell', () => {
    const args = ['${TOKEN:-d}', '${UNSET:-d}', '${EMPTY:-d}', '${UNSET:-}'];
    expect(one({ command: 'x', args }, env)).toMatchObject({ args: ['tok', 'd', 'd', ''] });
  });

  it('are not expanded in what they hold', () => {
    const nested = { A: '${B}', B: 'never' };
    expect(one({ command: 'x', args: ['${A}'] }, nested)).toMatchObject({ args: ['${B}'] });
  });

  it('that are unset are all named, with server and place, and no value', () => {
    const entry = {
      command: '${ONE}',
      args: ['x', 'secret-${TWO}'],
      env: { KEY: '${THREE}' },
    };
    expect(read({ s: entry }, env).problems).toEqual(
      [
        ['env.KEY', 'THREE'],
        ['command', 'ONE'],
        ['args[1]', 'TWO'],
      ].map(
        ([part, name]) =>
          `mcpServers.s.${part}: the environment variable ${name} is not set; set it, or write \${${name}:-default}`,
      ),
    );
  });

  it('that an editor would ask for are refused', () => {
    expect(read({ s: { command: 'x', args: ['${input:token}'] } }).problems).toEqual([
      'mcpServers.s.args[0]: nobody can be asked for an ${input:…} here; use ${VARIABLE}',
    ]);
  });
});

describe('an envFile', () => {
  it('gives variables, which env overrules', async () => {
    const envFile = join(root, '.env');
    await writeFile(
      envFile,
      '# comment\r\nA=1\r\nexport B = "two words"\n\nC=\'x\'\nD=a=b#c\nE=\nF="open\n',
    );
    expect(one({ command: 'x', envFile, env: { A: 'over' } })).toMatchObject({
      env: { A: 'over', B: 'two words', C: 'x', D: 'a=b#c', E: '', F: '"open' },
    });
  });

  it('is refused when it is missing or has a line that sets nothing, which is not shown', async () => {
    const envFile = join(root, '.env');
    const problem = (): string => read({ s: { command: 'x', envFile } }).problems.join();
    expect(problem()).toMatch(
      /^mcpServers\.s\.envFile: can't be read: there is no such file or folder/,
    );
    await writeFile(envFile, 'A=1\nhunter2\n');
    expect(problem()).toBe('mcpServers.s.envFile: its line 2 is not KEY=VALUE');
  });
});

describe('the names of servers', () => {
  it.each(['files', 'Files-2', 'a_b', 'x'.repeat(32)])('may be %s', (name) => {
    expect(Object.keys(read({ [name]: { command: 'x' } }).servers)).toEqual([name]);
  });

  it('hold no run of _, because that separates server and tool', () => {
    expect(Object.keys(read({ a__b___c: { command: 'x' } }).servers)).toEqual(['a_b_c']);
  });

  it.each([
    ['', 'server'],
    ['a b', 'a-b'],
    ['-a', 'a'],
    ['_a', 'a'],
    ['x'.repeat(33), 'x'.repeat(32)],
    ['ä', 'server'],
    ['io.github.user/weather', 'io-github-user-weather'],
    ['claude.ai Notion', 'claude-ai-Notion'],
  ])('are mapped where they are not ours, and that is told: %j', (written, name) => {
    const { servers } = read({ [written]: { command: 'x' } });
    expect(Object.keys(servers)).toEqual([name]);
    expect(servers[name]?.remarks).toEqual([
      `it is called '${name}' here; in the file '${written}'`,
    ]);
  });

  it.each(['starling', 'Starling'])(
    'are mapped where they are that of the built-in server: %j',
    (name) => {
      const { servers, problems } = read({
        [name]: { command: 'x' },
        'starling-2': { url: 'http://a' },
      });
      expect(problems).toEqual([]);
      const mapped = Object.keys(servers).find((one) => one !== 'starling-2');
      expect(mapped?.toLowerCase()).toBe('starling-3');
      expect(servers[mapped ?? '']).toMatchObject({
        type: 'stdio',
        remarks: [`it is called '${mapped}' here; in the file '${name}'`],
      });
    },
  );

  it('do not make a node serve itself, as the entry would that a client reaches the node by', () => {
    const { problems } = read({
      starling: { command: 'starling', args: ['mcp', '--as', 'cursor'] },
    });
    expect(problems).toEqual(['it is Starling itself, which is here already']);
  });

  it('of programs and folders begin with ~ where that is the home folder', () => {
    const { servers } = read({ a: { command: '~/bin/a', args: ['~/b'], cwd: '~/' } });
    expect(servers['a']).toMatchObject({
      command: `${homedir()}/bin/a`,
      args: ['~/b'],
      cwd: `${homedir()}/`,
    });
  });

  it('stay different: what is mapped never takes the name of another', () => {
    const { servers } = read({
      'a b': { command: 'x' },
      'a-b': { command: 'y' },
      'a.b': { command: 'z' },
    });
    const commands = Object.entries(servers).map(([name, server]) => [
      name,
      server.type === 'stdio' ? server.command : undefined,
    ]);
    expect(Object.fromEntries(commands)).toEqual({ 'a-b': 'y', 'a-b-2': 'x', 'a-b-3': 'z' });
  });

  it('that every object has are no trouble', () => {
    const evil = JSON.parse('{"__proto__":{"command":"x"}}') as Entries;
    expect(Object.keys(read(evil).servers)).toEqual(['proto']);
    const names = ['constructor', 'toString', 'hasOwnProperty'];
    const { servers } = read(Object.fromEntries(names.map((name) => [name, { command: 'x' }])));
    expect(Object.keys(servers)).toEqual(names);
  });
});
