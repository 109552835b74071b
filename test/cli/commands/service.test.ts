/** `starling service`: what gets into the file, what never does, and what is said where there is no manager. */
import { spawnSync } from 'node:child_process';
import { access, mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { run as install } from '../../../src/cli/commands/service/install.ts';
import { run as uninstall } from '../../../src/cli/commands/service/uninstall.ts';
import type { ServiceSystem } from '../../../src/cli/node/service-manager.ts';
import { serviceFile, serviceName } from '../../../src/cli/node/service-file.ts';
import type { ServiceInit } from '../../../src/cli/node/service-file.ts';
import { noteNode, writeAbout } from '../../../src/config/known-nodes.ts';
import { printError } from '../../../src/cli/terminal/output.ts';
import { atColumns, fakeNode, run, shortFolder, temporaryFolder, withHome } from '../support.ts';

const INIT: ServiceInit = {
  name: 'lab 100%',
  launch: {
    command: '/usr/bin/node',
    args: ['/opt/star ling/$cli".js', 'up', '--state', '/srv/a%b'],
  },
  env: { PATH: '/usr/bin:/bin', STARLING_LOG: 'info' },
  environmentFile: '/srv/a%b/environment',
  home: '/home/anna',
};

let home: string;
let config: string;
beforeEach(async () => {
  home = await temporaryFolder();
  config = join(home, 'starling.json');
  await writeFile(config, '{"mcpServers": {"a": {"command": "x", "env": {"K": "${MY_TOKEN}"}}}}');
  for (const name of ['XDG_STATE_HOME', 'XDG_CONFIG_HOME', 'STARLING_STATE_DIR'])
    vi.stubEnv(name, '');
  vi.stubEnv('HOME', home);
});
afterEach(() => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
});

/** A system whose manager answers as told; keeps what it was asked. */
function systemOf(
  answer: (words: string) => { code: number; stderr: string },
  platform: NodeJS.Platform = 'linux',
): ServiceSystem & { readonly asked: readonly string[] } {
  const asked: string[] = [];
  return {
    asked,
    platform,
    uid: 1000,
    env: { USER: 'anna', PATH: '/bin', SECRET: 'x', HOME: home },
    run: async (program, args, env) => {
      expect(env['SECRET']).toBeUndefined();
      asked.push([program, ...args].join(' '));
      return answer([program, ...args].join(' '));
    },
  };
}

const fine = (): { code: number; stderr: string } => ({ code: 0, stderr: '' });

/** Runs a command of this file in this process; gives what was printed to both streams. */
async function said(work: () => Promise<unknown>): Promise<string> {
  let text = '';
  for (const stream of [process.stdout, process.stderr]) {
    vi.spyOn(stream, 'write').mockImplementation((chunk) => {
      text += String(chunk);
      return true;
    });
  }
  await work();
  vi.restoreAllMocks();
  return text;
}

describe('the unit', () => {
  it('quotes what systemd would take apart', () => {
    const { path, text } = serviceFile('systemd', 'starling-lab', INIT, {});
    expect(path).toBe('/home/anna/.config/systemd/user/starling-lab.service');
    expect(text).toContain(
      String.raw`ExecStart="/usr/bin/node" "/opt/star ling/$$cli\".js" "up" "--state" "/srv/a%%b"`,
    );
    expect(text).toContain('Description=Starling node lab 100%%\n');
    expect(text).toContain('EnvironmentFile=-/srv/a%%b/environment\n');
    expect(text).toContain('Environment="PATH=/usr/bin:/bin"\n');
  });

  it('is one that systemd understands', async () => {
    const odd = join(home, `a b%c"d'e;$f`);
    await mkdir(odd);
    const launch = { command: process.execPath, args: [join(odd, 'cli.js'), 'up', ';', '$HOME'] };
    const environmentFile = join(odd, 'environment');
    const init = { ...INIT, launch, home: odd, environmentFile };
    const { text } = serviceFile('systemd', 'starling', init, {});
    const file = join(home, 'starling.service');
    await writeFile(file, text);
    if (!(await hasProgram('systemd-analyze'))) return;
    const { stderr, status } = spawnSync('systemd-analyze', ['verify', '--user', file], {
      env: { ...process.env, XDG_RUNTIME_DIR: home },
      encoding: 'utf8',
    });
    // What systemd does not know in a unit is a warning, with which the check ends well.
    const remarks = stderr.split('\n').filter((line) => line.includes('starling.service'));
    expect({ status, remarks }).toEqual({ status: 0, remarks: [] });
  });

  it('refuses what would begin another line of it', () => {
    const launch = { command: '/usr/bin/node', args: ['/srv/a\nExecStartPre=/bin/evil'] };
    expect(() => serviceFile('systemd', 'starling', { ...INIT, launch }, {})).toThrow(
      /a service can't have/,
    );
  });

  it('of launchd is XML with the same words', () => {
    const { id, path, text } = serviceFile('launchd', 'starling-lab', INIT, {});
    expect(id).toBe('dev.starling.lab');
    expect(path).toBe('/home/anna/Library/LaunchAgents/dev.starling.lab.plist');
    expect(text).toContain('<string>/opt/star ling/$cli&quot;.js</string>');
    expect(text).not.toContain('StandardOutPath');
  });

  it('of launchd is a property list that gives each word back as it was', async () => {
    if (!(await hasProgram('python3'))) return;
    const args = ['/opt/a b/<&>"\'/cli.js', 'up', '--state', '/srv/é\\ü'];
    const init = { ...INIT, launch: { command: '/usr/bin/node', args } };
    const { text } = serviceFile('launchd', 'starling-lab', init, {});
    const read =
      'import json, plistlib, sys; print(json.dumps(plistlib.loads(sys.stdin.buffer.read())))';
    const { stdout, stderr } = spawnSync('python3', ['-c', read], {
      input: text,
      encoding: 'utf8',
    });
    expect(stderr).toBe('');
    expect(JSON.parse(stdout)).toEqual({
      Label: 'dev.starling.lab',
      ProgramArguments: ['/usr/bin/node', ...args],
      EnvironmentVariables: INIT.env,
      WorkingDirectory: '/home/anna',
      RunAtLoad: true,
      KeepAlive: { SuccessfulExit: false },
      ThrottleInterval: 10,
      ExitTimeOut: 15,
      Umask: 0o077,
      StandardErrorPath: '/home/anna/Library/Logs/dev.starling.lab.log',
    });
  });
});

it.each([
  [undefined, 'starling'],
  ['lab', 'starling-lab'],
  ['Lab 2/../x', 'starling-lab-2-x'],
  ['///', 'starling'],
])('the service of the node %s is called %s', (name, called) => {
  expect(serviceName(name)).toBe(called);
});

async function hasProgram(name: string): Promise<boolean> {
  return access(`/usr/bin/${name}`).then(
    () => true,
    () => false,
  );
}

describe('starling service install', () => {
  it('--print shows the file and writes nothing, and no secret is in it', async () => {
    vi.stubEnv('STARLING_JOIN', 'starling2secretticket');
    vi.stubEnv('STARLING_PASSPHRASE', 'correct horse');
    vi.stubEnv('MY_TOKEN', 'hunter2');
    vi.stubEnv('STARLING_HTTP_PORT', '4200');
    const { stdout, code } = await run('service', 'install', '--print', '--config', config);
    expect(code).toBe(0);
    expect(stdout).toContain(`"--config" "${config}"`);
    expect(stdout).toContain('Environment="STARLING_HTTP_PORT=4200"');
    expect(stdout).not.toMatch(/starling2secretticket|correct horse|hunter2|STARLING_JOIN/);
    await expect(access(join(home, '.config'))).rejects.toThrow();
  });

  it('writes the file for its user alone, starts the service, and says what is left to do', async () => {
    const system = systemOf(fine);
    const text = await said(() => install({ config }, system));
    const file = join(home, '.config/systemd/user/starling.service');
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect(system.asked).toEqual([
      'systemctl --user show-environment',
      'systemctl --user daemon-reload',
      'systemctl --user enable starling.service',
      'systemctl --user restart starling.service',
    ]);
    expect(text).toContain(`wrote ${file}\n`);
    expect(text).toContain('the config file names MY_TOKEN: write MY_TOKEN=… into');
    expect(text).toContain('sudo loginctl enable-linger anna');
    expect(text).toContain('journalctl --user -u starling.service -f');
  });

  it('of a node with a name of its own has a file of its own', async () => {
    const stateDir = join(home, 'lab');
    await mkdir(stateDir);
    await noteNode(stateDir, process.env);
    await writeAbout(stateDir, {
      name: 'lab',
      mesh: 'm',
      fingerprint: 'a b c d',
      configFile: config,
    });
    const system = systemOf(fine);
    await said(() => install({ node: 'lab' }, system));
    const text = await readFile(join(home, '.config/systemd/user/starling-lab.service'), 'utf8');
    expect(text).toContain(`"up" "--state" "${stateDir}" "--config" "${config}"`);
    expect(text).toContain('Description=Starling node lab\n');
    const other = join(home, 'other');
    await mkdir(other);
    await writeAbout(other, { name: 'lab', mesh: 'm', fingerprint: 'a b c d' });
    await expect(install({ state: other }, system)).rejects.toThrow(/is there already/);
  });

  it.each<[string, { code: number; stderr: string }, RegExp]>([
    [
      'has no systemctl',
      { code: 127, stderr: 'ENOENT' },
      /systemctl is not there.*nothing was written/,
    ],
    [
      'has no bus for this user',
      { code: 1, stderr: 'Failed to connect to bus: No medium found\n' },
      /does not answer: Failed to connect to bus: No medium found; nothing was written/,
    ],
  ])('on a machine that %s says so and leaves no trace', async (_, answer, says) => {
    const installed = install(
      { config },
      systemOf(() => answer),
    );
    await expect(installed).rejects.toThrow(says);
    // What helps there: cron, with the whole line.
    await expect(installed).rejects.toMatchObject({
      hint: expect.stringMatching(
        /crontab -e:\n {4}@reboot PATH=\S+ (?:\w+=\S+ )*\S*node \S.* up --state \S+ --config \S+starling\.json$/,
      ) as string,
    });
    await expect(access(join(home, '.config'))).rejects.toThrow();
  });

  it('says how the manager runs without a login where there is one', async () => {
    const answer = { code: 1, stderr: 'Failed to connect to bus: No medium found\n' };
    const installed = install(
      { config },
      systemOf(() => answer),
    );
    await expect(installed).rejects.toMatchObject({
      hint: expect.stringContaining(
        'sudo loginctl enable-linger anna\n    export XDG_RUNTIME_DIR=/run/user/1000\n',
      ) as string,
    });
  });

  it('of a node that runs in a terminal says so, and installs one whose service runs anew', async () => {
    const { stateDir } = await fakeNode({
      answer: () => ({ structuredContent: { name: 'lab', pid: 77 }, content: [] }),
    });
    const isActive = (words: string): boolean => words.includes('is-active');
    const idle = systemOf((words) => ({ code: isActive(words) ? 3 : 0, stderr: '' }));
    await expect(install({ config, state: stateDir }, idle)).rejects.toMatchObject({
      code: 'STARLING_STATE_LOCKED',
      message: expect.stringMatching(/^the node lab runs already \(pid 77\)/) as string,
    });
    await expect(access(join(home, '.config'))).rejects.toThrow();
    await said(() => install({ config, state: stateDir }, systemOf(fine)));
  });

  it('on a system of which nothing is known says what to have started', async () => {
    await expect(install({ config }, systemOf(fine, 'win32'))).rejects.toMatchObject({
      code: 'STARLING_SERVICE_UNAVAILABLE',
      hint: expect.stringContaining('starling up') as string,
    });
  });

  it('on macOS writes an agent and starts that', async () => {
    const system = systemOf(fine, 'darwin');
    await said(() => install({ config, state: join(home, 'lab') }, system));
    expect(system.asked.at(-1)).toBe(
      `launchctl bootstrap gui/1000 ${join(home, 'Library/LaunchAgents/dev.starling.lab.plist')}`,
    );
  });
});

it('what is said of a service, at 80 columns', async () => {
  const folder = await shortFolder();
  vi.stubEnv('HOME', folder);
  vi.stubEnv('PATH', '/usr/bin:/bin');
  const [own, named] = [join(folder, 'starling.json'), 'K: ${MY_TOKEN}'];
  await writeFile(own, JSON.stringify({ mcpServers: { a: { command: 'x', env: { K: named } } } }));
  const config = own;
  const system = systemOf(fine);
  const shown: string[] = [];
  const show = async (words: string, work: () => Promise<unknown>): Promise<void> => {
    shown.push(`$ starling service ${words}\n${await atColumns(80, () => said(work))}`);
  };
  await show('install', () => install({ config }, system));
  await show('uninstall --print', () => uninstall({ config, print: true }, system));
  await show('uninstall', () => uninstall({ config }, system));
  await show('uninstall', () => uninstall({ config }, system));
  for (const answer of [
    { code: 127, stderr: 'ENOENT' },
    { code: 1, stderr: 'Failed to connect to bus: No medium found\n' },
  ]) {
    const none = systemOf(() => answer);
    await show('install', async () =>
      printError(await install({ config }, none).catch((error: unknown) => error), false),
    );
  }
  const stable = shown
    .join('\n')
    .replaceAll(/(?<=@reboot ).*/g, 'PATH=/usr/bin:/bin node … up --state …');
  await expect(withHome(stable, folder)).toMatchFileSnapshot(
    resolve(import.meta.dirname, '../../golden/terminal/service.txt'),
  );
});

describe('starling service uninstall', () => {
  it('ends the service and removes its file; a second time there is none', async () => {
    const system = systemOf(fine);
    await said(() => install({ config }, system));
    const text = await said(async () => expect(await uninstall({ config }, system)).toBe(0));
    expect(text).toContain('the node has ended, and its state folder stays as it is');
    expect(system.asked.slice(4)).toEqual([
      'systemctl --user disable --now starling.service',
      'systemctl --user daemon-reload',
    ]);
    await expect(access(join(home, '.config/systemd/user/starling.service'))).rejects.toThrow();
    await said(async () => expect(await uninstall({ config }, system)).toBe(1));
  });
});
