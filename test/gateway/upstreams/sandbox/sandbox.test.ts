/** Processes in their sandbox: what they see, how they end, and what is said of them. */
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { EventEmitter, once } from 'node:events';
import {
  chmod,
  copyFile,
  mkdir,
  mkdtemp,
  readFile,
  readdir,
  realpath,
  rename,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { afterEach, describe, expect, it } from 'vitest';
import { noteNode, socketsFolder, writeAbout } from '../../../../src/config/index.ts';
import type { SandboxRules, StdioServer } from '../../../../src/config/index.ts';
import { defaultPolicy, parsePolicy } from '../../../../src/guard/index.ts';
import { Secret, createHealth, silentLogger, systemClock } from '../../../../src/core/index.ts';
import type { StarlingError } from '../../../../src/core/index.ts';
import type { Sandbox } from '../../../../src/gateway/index.ts';
import { createSandbox, runBriefly } from '../../../../src/gateway/index.ts';
import type { UpstreamConnection } from '../../../../src/gateway/upstreams/connection-types.ts';
import { OUTDATED, connectStdio } from '../../../../src/gateway/upstreams/process/stdio.ts';
import { isOutdated } from '../../../../src/gateway/upstreams/sandbox/failed-inside.ts';
import { tellOfNewerNodes } from '../../../../src/gateway/upstreams/sandbox/sandbox-health.ts';
import { sandboxMissing } from '../../../e2e/sandbox-missing.ts';
import { until } from '../../support/clients.ts';

const missing = await sandboxMissing();
if (missing !== undefined) process.stderr.write(`skipped: ${missing}\n`);

const SERVER: StdioServer = {
  type: 'stdio',
  command: process.execPath,
  args: [],
  env: {},
  timeoutMs: 60_000,
  shared: false,
  peerRoots: false,
  idleMs: 0,
};

let root = '';
/** Where the config file lies. */
let place = 'home/starling';
/** More variables of the node. */
let more: NodeJS.ProcessEnv = {};
let sandbox: Sandbox | undefined;
const running: UpstreamConnection[] = [];

afterEach(async () => {
  place = 'home/starling';
  more = {};
  for (const connection of running.splice(0)) await connection.close();
  await rm(root, { recursive: true, force: true, maxRetries: 5 });
});

/** A folder with the state of a node in `state`, and what a person has in `home`. */
async function world(): Promise<string> {
  root = await realpath(await mkdtemp(join(tmpdir(), 'starling-sandbox-')));
  for (const folder of ['state', 'home', 'home/starling']) await mkdir(join(root, folder));
  await writeFile(join(root, 'state/token'), 'the token');
  await writeFile(join(root, 'home/starling/starling.json'), '{}');
  return root;
}

/** The sandbox of the node whose state is in `state`. */
function nodesSandbox(): Sandbox {
  const secrets = {
    stateDir: join(root, 'state'),
    socketPath: join(root, 'state/node.sock'),
    obeyed: [join(root, place, 'starling.json')],
    policy: join(root, place, 'policy.yaml'),
    files: async () => [join(root, 'home/secret')],
  };
  const env = {
    ...process.env,
    HOME: join(root, 'home'),
    XDG_STATE_HOME: '',
    XDG_CONFIG_HOME: '',
    ...more,
  };
  return createSandbox({ secrets, run: runBriefly, env });
}

/** A line of MCP, by which a script says that it runs. */
const BEGUN = 'notifications/begun';

/**
 * Starts a program of Node, and waits until it runs, or has ended; `config` as in `mcpServers`. It is started
 * anew, as a node does, where the folder of another test's node went away before the walls stood.
 */
async function start(
  script: string,
  config: Partial<StdioServer> = {},
): Promise<UpstreamConnection> {
  for (let plans = 1; ; plans += 1) {
    const begun = new EventEmitter();
    const runs = once(begun, BEGUN);
    const connection = await startOnce(script, config, begun);
    const [ended] = await Promise.race([runs, connection.ended.then((error) => [error])]);
    if (ended?.data['reason'] !== OUTDATED || plans === 20) return connection;
  }
}

async function startOnce(
  script: string,
  config: Partial<StdioServer>,
  begun: EventEmitter,
): Promise<UpstreamConnection> {
  sandbox = nodesSandbox();
  const says = JSON.stringify({ jsonrpc: '2.0', method: BEGUN });
  const connection = await connectStdio(
    {
      clock: systemClock,
      logger: silentLogger,
      listener: {
        notification: ({ method }) => void begun.emit(method),
        request: () => undefined,
      },
      sandbox,
    },
    {
      name: 'tool',
      server: {
        ...SERVER,
        args: [
          '-e',
          `console.log('${says}');
           const fs = require('fs'), out = ${JSON.stringify(root)} + '/home/out'; ${script}`,
        ],
        ...config,
      },
      messageBytes: 1024,
      callTotalMs: 60_000,
      callsMax: 200,
    },
  );
  running.push(connection);
  return connection;
}

/** The command lines of all processes of the machine. */
async function commandLines(): Promise<readonly string[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  return Promise.all(pids.map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')));
}

/** How a program ends that ends by itself. */
async function endOf(script: string, config: Partial<StdioServer> = {}): Promise<StarlingError> {
  return (await start(script, config)).ended;
}

const out = (): Promise<string> => readFile(join(root, 'home/out'), 'utf8').catch(() => '');

/** What a program gets for each expression, with the rules of its sandbox: a value or the code of an error. */
async function answers(
  expressions: readonly string[],
  sandbox?: SandboxRules,
): Promise<readonly unknown[]> {
  const each = expressions.map(
    (one) => `(() => { try { return ${one} } catch (e) { return e.code } })()`,
  );
  const config = sandbox === undefined ? {} : { sandbox };
  await endOf(`fs.writeFileSync(out, JSON.stringify([${each.join()}]))`, config);
  return JSON.parse(await out()) as readonly unknown[];
}

describe.skipIf(missing !== undefined)('a process in its sandbox', () => {
  it('sees the files of its user, its folder and its variables, and no other process', async () => {
    await world();
    await writeFile(join(root, 'home/mine'), 'mine');
    const facts = `JSON.stringify({
      mine: fs.readFileSync('${root}/home/mine', 'utf8'), cwd: process.cwd(), own: process.env.OWN,
      names: Object.keys(process.env).filter((name) => /STARLING|XDG|SECRET/.test(name)),
      processes: fs.readdirSync('/proc').filter((name) => /^\\d+$/.test(name)).length,
      group: fs.readFileSync('/proc/self/status', 'utf8').match(/CapEff:\\s*(\\w+)/)[1],
    })`;
    await endOf(`fs.writeFileSync(out, ${facts})`, {
      cwd: join(root, 'home'),
      env: { OWN: new Secret('own value') },
    });
    expect(JSON.parse(await out())).toMatchObject({
      mine: 'mine',
      cwd: join(root, 'home'),
      own: 'own value',
      names: [],
      processes: 2,
    });
  });

  it('can make no policy beside a config file that lies among files of its user', async () => {
    await world();
    place = 'home';
    await writeFile(join(root, 'home/starling.json'), '{}');
    const [config, policy] = [`${root}/home/starling.json`, `${root}/home/policy.yaml`];
    const got = await answers([
      `fs.writeFileSync('${policy}', 'zones: {}')`,
      `fs.rmSync('${policy}')`,
      `fs.linkSync('${policy}', '${root}/home/link')`,
      `fs.writeFileSync('${root}/home/new', '')`,
      `fs.renameSync('${root}/home/new', '${policy}')`,
      `fs.renameSync('${root}/home/new', '${config}')`,
      `fs.writeFileSync('${config}', '')`,
    ]);
    expect(got).toEqual(['EROFS', 'EBUSY', 'EXDEV', null, 'EBUSY', 'EBUSY', 'EROFS']);
    expect((await stat(policy)).mode & 0o777).toBe(0o600);
    expect(parsePolicy(await readFile(policy, 'utf8'), 'it').file).toEqual(defaultPolicy().file);
  });

  it('is known to be able to write a file that was replaced, removed or made while it ran', async () => {
    await world();
    place = 'home';
    const [config, policy] = [join(root, 'home/starling.json'), join(root, 'home/policy.yaml')];
    await writeFile(config, '{}');
    const exposed = (): unknown => [sandbox?.isExposed(config), sandbox?.isExposed(policy)];
    await start('setInterval(() => undefined, 1000)');
    await writeFile(config, '{"name": "a"}');
    await writeFile(policy, 'zones: {}');
    expect(exposed()).toEqual([false, false]);
    await writeFile(join(root, 'home/new'), '{}');
    await rename(join(root, 'home/new'), config);
    expect(exposed()).toEqual([true, false]);
    await rm(policy);
    expect(exposed()).toEqual([true, true]);
    await writeFile(policy, '');
    expect(exposed()).toEqual([true, true]);
  });

  it('can make no place of the default one, and change neither what other nodes obey nor the target of a link', async () => {
    await world();
    const other = join(root, 'other');
    for (const folder of ['other', 'dotfiles', 'home/.config']) await mkdir(join(root, folder));
    await writeFile(join(root, 'dotfiles/policy.yaml'), '');
    await symlink(join(root, 'dotfiles/policy.yaml'), join(root, 'home/starling/policy.yaml'));
    await writeFile(join(root, 'home/theirs.json'), '{}');
    const env = { HOME: join(root, 'home') };
    await noteNode(other, env);
    await writeAbout(other, { name: 'other', configFile: join(root, 'home/theirs.json') });
    const got = await answers([
      `fs.writeFileSync('${root}/home/.config/starling/starling.json', '{}')`,
      `fs.writeFileSync('${root}/home/theirs.json', '')`,
      `fs.writeFileSync('${root}/home/policy.yaml', '')`,
      `fs.writeFileSync('${root}/dotfiles/policy.yaml', '')`,
    ]);
    expect(got).toEqual(['EROFS', 'EROFS', 'EROFS', 'EROFS']);
  });

  it('reaches no socket of a node whose path is long, nor of what runs programs in its user’s session', async () => {
    await world();
    const runtime = join(root, 'run');
    for (const folder of [runtime, join(runtime, 'emacs')]) await mkdir(folder);
    const sockets = socketsFolder();
    await mkdir(sockets, { recursive: true, mode: 0o700 });
    const elsewhere = join(root, 'tmp/starling-1');
    await mkdir(elsewhere, { recursive: true });
    const theirs = `${randomUUID().replaceAll('-', '').slice(0, 16)}.sock`;
    const paths = [
      join(sockets, theirs),
      join(elsewhere, theirs),
      join(runtime, 'emacs/server'),
      join(runtime, 'nvim.1.0'),
      join(runtime, 'wayland-0'),
      join(runtime, 'xauth_a1'),
    ];
    const servers = paths.map((path) => createServer().listen(path));
    await Promise.all(servers.map((server) => once(server, 'listening')));
    more = { XDG_RUNTIME_DIR: runtime };
    const meets = `(path, at) => require('net').connect(path)
      .once('connect', function () { fs.appendFileSync(out, at + ' '); this.destroy(); })
      .once('error', () => undefined)`;
    await endOf(`${JSON.stringify(paths)}.forEach(${meets})`);
    for (const server of servers) server.close();
    expect((await out()).split(' ').toSorted()).toEqual(['', '4', '5']);
  });

  it('is shut out of places that a node without a word of its own will use', async () => {
    await world();
    await mkdir(join(root, 'home/.local/state'), { recursive: true });
    const usual = join(root, 'home/.local/state/starling');
    const looks = await start(
      `setInterval(() => {
        if (!fs.existsSync('${root}/home/now')) return;
        fs.writeFileSync(out, JSON.stringify(fs.readdirSync('${usual}')));
        process.exit(0);
      }, 10)`,
    );
    await writeFile(join(usual, 'key'), '{}');
    await writeFile(join(root, 'home/now'), '');
    await looks.ended;
    expect(JSON.parse(await out())).toEqual([]);
    expect((await stat(usual)).mode & 0o777).toBe(0o700);
  });

  it('is shut out of state folders that come later below the folder of notes, which is no reason to warn', async () => {
    await world();
    await mkdir(join(root, 'home/.local/state'), { recursive: true });
    const notes = join(root, 'home/.local/state/starling-nodes');
    const [second, elsewhere] = [join(notes, 'second'), join(root, 'elsewhere')];
    const looks = await start(
      `setInterval(() => {
        if (!fs.existsSync('${root}/home/now')) return;
        fs.writeFileSync(out, JSON.stringify(fs.readdirSync('${notes}')));
        process.exit(0);
      }, 10)`,
    );
    expect((await stat(notes)).mode & 0o777).toBe(0o700);
    for (const folder of [second, elsewhere]) {
      await mkdir(folder);
      await writeFile(join(folder, 'key'), '{}');
      await noteNode(folder, { HOME: join(root, 'home') });
    }
    const reached = (await sandbox?.reachable())?.get('tool') ?? [];
    expect([reached.includes(second), reached.includes(elsewhere)]).toEqual([false, true]);
    const health = createHealth();
    await tellOfNewerNodes({ reachable: async () => new Map([['tool', [elsewhere]]]) }, health);
    expect(health.warnings()).toMatchObject([
      {
        text: `server 'tool' began before the node in ${elsewhere} and can read its key`,
        hint: 'a server that starts anew is shut out of it: starling mcp restart tool',
      },
    ]);
    await writeFile(join(root, 'home/now'), '');
    await looks.ended;
    expect(JSON.parse(await out())).toEqual([]);
  });

  it('can add no key by which it would log in at its machine, nor write into control groups', async () => {
    await world();
    const ssh = join(root, 'home/.ssh');
    await mkdir(ssh);
    for (const name of ['authorized_keys', 'authorized_keys2'])
      await writeFile(join(ssh, name), '');
    const got = await answers([
      `fs.appendFileSync('${ssh}/authorized_keys', 'a key')`,
      `fs.rmSync('${ssh}/authorized_keys2')`,
      `fs.renameSync('${ssh}', '${ssh}.moved')`,
      `fs.writeFileSync('${ssh}/known_hosts', 'a host')`,
      `fs.accessSync('/sys/fs', fs.constants.W_OK)`,
    ]);
    expect(got).toEqual(['EROFS', 'EBUSY', 'EBUSY', null, 'EROFS']);
  });

  it('is told to reach the key of a node that began later, until one starts anew', async () => {
    await world();
    const env = { HOME: join(root, 'home') };
    const forever = 'setInterval(() => undefined, 1000)';
    const older = await start(forever);
    const newer = join(root, 'newer');
    await mkdir(newer);
    await noteNode(newer, env);
    // Nodes of other tests are noted beside this one.
    const reached = async (): Promise<unknown> =>
      [...((await sandbox?.reachable()) ?? [])].flatMap(([server, folders]) =>
        folders.includes(newer) ? [[server, [newer]]] : [],
      );
    expect(await reached()).toEqual([]);
    await writeFile(join(newer, 'key'), '{}');
    expect(await reached()).toEqual([['tool', [newer]]]);
    await older.close();
    expect(await reached()).toEqual([]);
    await start(forever);
    expect(await reached()).toEqual([]);
  });

  it('makes nothing again that was removed since it was planned', async () => {
    await world();
    const other = join(root, 'other/state');
    await mkdir(other, { recursive: true });
    await noteNode(other, { HOME: join(root, 'home') });
    await writeFile(join(root, 'home/secret'), 'a token');
    const launched = async (gone: string): Promise<readonly string[]> => {
      const { args, command, input } = await nodesSandbox().launch('tool', SERVER, {});
      await rm(gone, { recursive: true });
      const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'pipe', 'pipe'] });
      (child.stdio[3] as Writable).on('error', () => undefined).end(input);
      const [said] = await Promise.all([text(child.stderr as Readable), once(child, 'close')]);
      expect(isOutdated({ args, command, hidden: [], kind: 'bwrap' }, said.split('\n'))).toBe(true);
      return (await readdir(root, { recursive: true })).toSorted();
    };
    expect(await launched(join(root, 'other'))).not.toContain('other');
    expect(await launched(join(root, 'home/secret'))).not.toContain('home/secret');
  });

  it('is told to reach the key of a node whose folder was made anew', async () => {
    await world();
    const other = join(root, 'other');
    await mkdir(other);
    await noteNode(other, { HOME: join(root, 'home') });
    await writeFile(join(other, 'key'), '{}');
    await start('setInterval(() => undefined, 1000)');
    const reached = async (): Promise<unknown> =>
      (await sandbox?.reachable())?.get('tool')?.includes(other) === true;
    expect(await reached()).toBe(false);
    await rm(other, { recursive: true });
    await mkdir(other);
    await writeFile(join(other, 'key'), '{}');
    expect(await reached()).toBe(true);
  });

  it('can read what the node obeys and neither change nor replace it', async () => {
    await world();
    const folder = `${root}/home/starling`;
    const got = await answers([
      `fs.readFileSync('${folder}/starling.json', 'utf8')`,
      `fs.writeFileSync('${folder}/policy.yaml', '')`,
      `fs.renameSync('${folder}', '${folder}2')`,
      // The folder above could be renamed, and another be put where the node looks.
      `fs.renameSync('${root}/home', '${root}/away')`,
    ]);
    expect(got).toEqual(['{}', 'EROFS', 'EBUSY', 'EBUSY']);
  });

  it('sees with `read` and `write` only that, and its own program', async () => {
    await world();
    for (const name of ['in', 'both']) await mkdir(join(root, name));
    await writeFile(join(root, 'in/text'), 'text');
    await writeFile(join(root, 'home/mine'), 'mine');
    const rules = {
      read: [join(root, 'in')],
      write: [join(root, 'home')],
      network: true,
      reach: [],
    };
    const got = await answers(
      [
        `fs.readFileSync('${root}/in/text', 'utf8')`,
        `fs.writeFileSync('${root}/in/more', '')`,
        `fs.existsSync('${root}/both')`,
        `fs.existsSync('${root}/state')`,
        // What is hidden of other nodes leaves empty folders there, while other tests run.
        `fs.readdirSync('/tmp', { recursive: true, withFileTypes: true })
          .filter((one) => one.isFile() && !one.parentPath.startsWith('${root}')).length`,
      ],
      rules,
    );
    expect(got).toEqual(['text', 'EROFS', false, false, 0]);
  });

  it('never sees the state folder, whatever it is given', async () => {
    await world();
    const rules = {
      write: [root, join(root, 'state')],
      network: true,
      reach: [join(root, 'state')],
    };
    expect(await answers([`fs.readdirSync('${root}/state').length`], rules)).toEqual([0]);
  });

  it('has no network without `network`, not even this machine’s', async () => {
    await world();
    const names = `Object.keys(require('os').networkInterfaces()).filter((name) => name !== 'lo')`;
    expect(await answers([names], { network: false, reach: [] })).toEqual([[]]);
  });

  it('is told apart when it fails for a path that is not there', async () => {
    await world();
    const rules = { read: ['/no/such/folder'], network: true, reach: [] };
    await expect(start('', { sandbox: rules })).rejects.toMatchObject({
      code: 'STARLING_UPSTREAM_UNAVAILABLE',
      message: expect.stringContaining('/no/such/folder') as string,
      hint: expect.stringContaining('mcpServers.tool.sandbox.read') as string,
    });
  });
});

describe.skipIf(missing !== undefined)('the end of a process in its sandbox', () => {
  it('is told by its exit code, its last words, or its signal', async () => {
    await world();
    expect((await endOf('console.error("boom"); process.exit(7)')).message).toBe(
      "server 'tool' exited with code 7; it last wrote: boom",
    );
    expect((await endOf('process.stderr.write("no end"); process.exitCode = 7')).message).toBe(
      "server 'tool' exited with code 7; it last wrote: no end",
    );
    expect((await endOf('process.kill(process.pid, "SIGKILL")')).message).toBe(
      "server 'tool' was ended by SIGKILL",
    );
  });

  it('comes after its last answer, whose line has no end', async () => {
    await world();
    const connection = await start(`process.stdin.once('data', () => {
      process.stdout.write('{"jsonrpc":"2.0","id":1,"result":{"last":true}}', () => process.exit(0));
    })`);
    const { result } = await connection.channel.request('ping', {}, { timeoutMs: 60_000 });
    expect(result).toEqual({ last: true });
  });

  it('comes after all of its last answers, which it has written at once', async () => {
    await world();
    const connection = await start(`let text = '';
      process.stdin.on('data', (part) => {
        text += part;
        const ids = text.split('\\n').slice(0, -1).map((line) => JSON.parse(line).id);
        if (ids.length < 200) return;
        const answers = ids.map((id) => JSON.stringify({ jsonrpc: '2.0', id, result: { id } }));
        process.stdout.write(answers.join('\\n'), () => process.exit(0));
      })`);
    const asked = Array.from({ length: 200 }, () =>
      connection.channel.request('ping', {}, { timeoutMs: 60_000 }),
    );
    const answered = await Promise.all(asked);
    expect(answered.map(({ result }) => result?.['id'])).toEqual(answered.map(({ id }) => id));
  });

  it('comes after SIGTERM was heard by the process itself', async () => {
    await world();
    const connection = await start(
      `process.on('SIGTERM', () => { fs.writeFileSync(out, 'saved'); process.exit(0); });
       setInterval(() => undefined, 1000); fs.writeFileSync(out, 'ready')`,
    );
    await until(async () => (await out()) === 'ready');
    await connection.close();
    expect(await out()).toBe('saved');
  });

  it('is the end of all that it started, in whatever group that is', async () => {
    await world();
    const mark = `left-${randomUUID()}`;
    await endOf(
      `const { spawn } = require('child_process');
       spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)', '${mark}'], { detached: true, stdio: 'ignore' })
         .once('spawn', () => process.exit(0))`,
    );
    await until(async () => !(await commandLines()).some((line) => line.includes(mark)));
  });

  it('is, outside of a sandbox too, the end of what has a session of its own', async () => {
    await world();
    const mark = `left-${randomUUID()}`;
    const connection = await start(
      `require('child_process')
         .spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)', '${mark}'], { detached: true, stdio: 'ignore' })
         .once('spawn', () => fs.writeFileSync(out, 'ready'));
       setInterval(() => undefined, 1000)`,
      { sandbox: false },
    );
    const runs = async (): Promise<boolean> =>
      (await commandLines()).some((line) => line.includes(mark) && !line.includes('spawn'));
    await until(async () => (await out()) === 'ready' && (await runs()));
    await connection.close();
    await until(async () => !(await runs()));
  });

  it('names the remedy where the sandbox is the reason, and else says nothing of it', async () => {
    await world();
    const off = /mcpServers\.tool\.sandbox to false/;
    const sudo =
      'sudo: The "no new privileges" flag is set, which prevents sudo from running as root.';
    expect((await endOf(`console.error(${JSON.stringify(sudo)}); process.exit(1)`)).hint).toMatch(
      off,
    );
    const docker = 'Cannot connect to the Docker daemon at unix:///var/run/docker.sock.';
    expect((await endOf(`console.error('${docker}'); process.exit(1)`)).hint).toMatch(
      /sandbox\.reach/,
    );
    const hidden = await endOf(`fs.readFileSync('${root}/state/token')`);
    expect(hidden.hint).toContain(`hides ${root}/state`);
    const anyway = await endOf('console.error("no such table"); process.exit(1)');
    expect(anyway.hint).toMatch(/running its command by hand/);
    expect(anyway.data['reason']).toBeUndefined();
  });

  it('names the remedy for a program that takes the rights of another user', async () => {
    await world();
    const program = join(root, 'home/setuid');
    await copyFile('/bin/true', program);
    await chmod(program, 0o4755);
    expect((await endOf('', { command: program, args: [] })).hint).toMatch(
      /setuid.*sandbox to false/,
    );
  });

  it('is told at once for a command that is not there', async () => {
    await world();
    await expect(start('', { command: 'no-such-command-of-ours' })).rejects.toMatchObject({
      message: "server 'tool' can't start: the command no-such-command-of-ours was not found",
    });
  });
});
