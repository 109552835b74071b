/** `starling doctor`, and which state folder a command means. */
import { chmod, mkdir, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { join, resolve } from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { stateDirOf } from '../../../src/cli/node/locate-node.ts';
import type { Finding } from '../../../src/cli/checks/check.ts';
import { loadIdentity } from '../../../src/identity/index.ts';
import { serving } from '../fake-node.ts';
import { fakeNode, run, runAt, shortFolder, temporaryFolder, withHome } from '../support.ts';

interface Setting {
  readonly folder: string;
  readonly stateDir: string;
  readonly doctor: () => Promise<{
    readonly code: number | null;
    readonly findings: readonly Finding[];
  }>;
}

async function setting(config: object = {}, parent?: string): Promise<Setting> {
  const folder = parent ?? (await temporaryFolder());
  const stateDir = join(folder, 'state');
  const file = join(folder, 'starling.json');
  const quiet = { listen: [], http: { enabled: false }, mdns: false, stateDir };
  await writeFile(file, JSON.stringify({ ...quiet, ...config }));
  return {
    folder,
    stateDir,
    async doctor() {
      const { code, stdout } = await run('doctor', '--json', '--config', file);
      return { code, ...(JSON.parse(stdout) as { findings: Finding[] }) };
    },
  };
}

const fails = (findings: readonly Finding[]): readonly Finding[] =>
  findings.filter(({ result }) => result === 'fail');

describe('starling doctor', () => {
  it('is content with a machine where no node has run yet, and makes nothing', async () => {
    const { stateDir, doctor } = await setting();
    const { code, findings } = await doctor();
    expect([code, fails(findings)]).toEqual([0, []]);
    expect(findings.map(({ check }) => check)).toEqual(
      expect.arrayContaining(['config', 'node', 'state', 'clock', 'multicast', 'peer']),
    );
    await expect(stat(stateDir)).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('finds a config that is wrong, and still checks the rest', async () => {
    const { doctor } = await setting({ mcpServer: {} });
    const { code, findings } = await doctor();
    expect(code).toBe(1);
    expect(fails(findings)).toMatchObject([{ check: 'config' }]);
    expect(fails(findings)[0]?.text).toContain('mcpServers');
    expect(findings.some(({ check }) => check === 'clock')).toBe(true);
  });

  it('finds a config that is not JSON', async () => {
    const { folder, doctor } = await setting();
    await writeFile(join(folder, 'starling.json'), '{ "name": ');
    expect(fails((await doctor()).findings)).toMatchObject([{ check: 'config' }]);
  });

  it('finds a state folder and a token that others can read', async () => {
    const { stateDir, doctor } = await setting();
    await mkdir(stateDir);
    await writeFile(join(stateDir, 'token'), 'secret');
    await chmod(stateDir, 0o755);
    await chmod(join(stateDir, 'token'), 0o644);
    const { code, findings } = await doctor();
    expect(code).toBe(1);
    expect(fails(findings).map(({ hint }) => hint)).toEqual([
      `chmod go= ${stateDir}`,
      `chmod go= ${join(stateDir, 'token')}`,
    ]);
    expect(JSON.stringify(findings)).not.toContain('secret');
  });

  it('finds a damaged key, and knows a sound one', async () => {
    const { stateDir, doctor } = await setting();
    await mkdir(stateDir, { mode: 0o700 });
    const { peerId } = await loadIdentity(join(stateDir, 'key'));
    const before = await doctor();
    expect(before.code).toBe(0);
    expect(before.findings.some(({ text }) => text.includes(peerId))).toBe(true);
    await writeFile(join(stateDir, 'key'), '{}');
    expect(fails((await doctor()).findings)[0]?.text).toContain('damaged');
  });

  it('finds a taken port, and says with which flag to choose another', async () => {
    const taken = createServer();
    await new Promise<void>((done) => {
      taken.listen(0, '127.0.0.1', done);
    });
    const { port } = taken.address() as AddressInfo;
    const { doctor } = await setting({
      listen: [`/ip4/127.0.0.1/tcp/${port}`],
      http: { enabled: true, host: '127.0.0.1', port },
      tcp: { enabled: true, port },
    });
    const found = fails((await doctor()).findings);
    taken.close();
    expect(found.map(({ check }) => check)).toEqual(['ports', 'ports', 'ports']);
    expect(found.map(({ hint }) => hint).join()).toMatch(/--listen.*--http-port.*--tcp/);
  });

  it('finds a server that goes without a sandbox', async () => {
    const { doctor } = await setting({
      mcpServers: { free: { command: process.execPath, sandbox: false } },
    });
    const { code, findings } = await doctor();
    expect(code).toBe(0);
    expect(findings.find(({ check }) => check === 'sandbox')).toMatchObject({
      result: 'warn',
      text: expect.stringContaining("server 'free' can read the key and the token") as string,
    });
  });

  it('finds a server whose command is not there', async () => {
    const { doctor } = await setting({
      mcpServers: {
        here: { command: process.execPath },
        gone: { command: 'no-such-command-anywhere' },
        web: { url: 'http://127.0.0.1:9/mcp' },
      },
    });
    const { code, findings } = await doctor();
    expect(code).toBe(1);
    expect(fails(findings)).toMatchObject([
      { check: 'upstream', hint: expect.stringContaining('mcpServers.gone.command') as string },
    ]);
  });

  it('asks a running node for its servers and peers', async () => {
    const status = {
      upstreams: [
        { server: 'files', kind: 'stdio', state: 'ready', tools: 3 },
        { server: 'git', kind: 'stdio', state: 'failed', tools: 0, error: 'gone', hint: 'fix it' },
        { server: 'slow', kind: 'stdio', state: 'starting', tools: 0 },
      ],
      warnings: [{ code: 'w', text: 'a board is full', hint: 'empty it' }],
    };
    const peer = { peerId: 'p', did: 'd', lastHeartbeatAt: 1 };
    const peers = {
      peers: [
        { ...peer, alias: 'bob', state: 'alive', rttMs: 1, route: 'direct' },
        { ...peer, alias: 'eve', state: 'dead', address: '/ip4/192.0.2.9/tcp/4040' },
        { ...peer, alias: 'zoe', newName: 'amy', state: 'alive', clockOffsetMs: 600_000 },
      ],
    };
    const { stateDir } = await fakeNode({ answer: serving({ status, peers }) });
    const { doctor } = await setting({ stateDir });
    const { code, findings } = await doctor();
    expect(code).toBe(1);
    expect(findings).toEqual(
      expect.arrayContaining([
        { check: 'upstream', result: 'ok', text: 'files: 3 tools' },
        { check: 'upstream', result: 'fail', text: 'git: gone', hint: 'fix it' },
        // One that has not had its time is no fault yet.
        expect.objectContaining({ result: 'warn', text: 'slow: starting, no answer yet' }),
        { check: 'node', result: 'warn', text: 'a board is full', hint: 'empty it' },
        { check: 'peer', result: 'ok', text: 'bob is alive (direct, 1.0 ms away)' },
        // A peer that has renamed itself is called by both names.
        { check: 'peer', result: 'ok', text: 'zoe (now amy) is alive (over others)' },
        { check: 'ports', result: 'ok', text: 'the running node holds its ports' },
      ]),
    );
    const warned = findings.filter(({ result }) => result === 'warn').map(({ text }) => text);
    expect(warned.join()).toMatch(/clock of zoe \(now amy\).*eve is dead/s);
  });

  it('prints at 80 columns what is well and what is not, and what to do', async () => {
    const home = await shortFolder();
    for (const name of ['XDG_STATE_HOME', 'XDG_CONFIG_HOME']) vi.stubEnv(name, '');
    vi.stubEnv('HOME', home);
    onTestFinished(() => void vi.unstubAllEnvs());
    const seen = { peerId: 'p', did: 'd', lastHeartbeatAt: Date.now() - 3_600_000 };
    const laptop = { ...seen, alias: 'laptop', newName: 'anna', state: 'alive', rttMs: 1.25 };
    const files = { server: 'files', kind: 'stdio', state: 'ready', tools: 1 };
    const well = {
      status: { upstreams: [files], warnings: [] },
      peers: { peers: [{ ...laptop, route: 'direct' }] },
    };
    const git = { server: 'git', kind: 'stdio', state: 'failed', tools: 0 };
    const error = "server 'git' exited with code 3; it last wrote: no repository in /srv/work";
    const ill = {
      status: {
        upstreams: [files, { ...git, error, hint: 'run its command by hand: starling mcp list' }],
        warnings: [
          {
            code: 'record-room',
            text: 'the records of the mesh have nearly no room left: 19000 of 20000 are there',
            hint: 'see whose they are: starling members; put out whoever signs too many: starling peers remove <peer>',
          },
        ],
      },
      peers: {
        peers: [
          { ...laptop, clockOffsetMs: 600_000 },
          { ...laptop, newName: 'bert', state: 'dead', address: '/ip4/192.0.2.9/tcp/4040' },
          { ...seen, alias: 'phone', state: 'left' },
        ],
      },
    };
    const shown: string[] = [];
    const show = async (what: string): Promise<void> => {
      const { code, stdout } = await runAt(80, 'doctor', '--config', join(home, 'starling.json'));
      const stable = stdout
        .split(/^(?=[✓!✗] )/m)
        // Whether multicast works depends on the machine, where the config does not say that it is off.
        .filter((finding) => !/^. multicast (?!mDNS is off)/.test(finding))
        .join('')
        .replaceAll(process.version, 'v20.20.0')
        .replaceAll(/\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+Z)?/g, '2026-05-01 08:00:00')
        .replaceAll(/12D3KooW\w{44}/g, `12D3KooW${'x'.repeat(44)}`);
      shown.push(`$ starling doctor    (${what})\n${stable}(ended with ${code})\n`);
    };
    for (const [what, results] of [
      ['all is well', well],
      ['much is wrong', ill],
    ] as const) {
      const { stateDir } = await fakeNode({ answer: serving(results), parent: home });
      await loadIdentity(join(stateDir, 'key'));
      if (results === ill) await chmod(stateDir, 0o755);
      await setting({ stateDir }, home);
      await show(what);
    }
    await setting({ mcpServer: {} }, home);
    await show('no node runs, and the config is wrong');
    await expect(withHome(shown.join('\n'), home)).toMatchFileSnapshot(
      resolve(import.meta.dirname, '../../golden/terminal/doctor.txt'),
    );
  });

  it('finds a node that runs but answers nonsense', async () => {
    const { stateDir } = await fakeNode({ answer: () => ({ content: [] }) });
    const { doctor } = await setting({ stateDir });
    const { code, findings } = await doctor();
    expect(code).toBe(1);
    // The node is not the one that a bare `starling up` starts.
    const hint = `stop it, and start it again with: starling up --state ${stateDir}`;
    expect(fails(findings)).toMatchObject([{ check: 'node', hint }]);
  });

  it('prints one line a finding, and what to do below it', async () => {
    const { folder, stateDir } = await setting();
    await mkdir(stateDir, { mode: 0o755 });
    const ran = await run('doctor', '--config', join(folder, 'starling.json'));
    expect(ran.stdout).toMatch(/^✗ state .*\n {4}→ chmod go= /m);
  });
});

describe('the state folder', () => {
  it('is that of the flag, else the environment, else the config file, else the default', async () => {
    const folder = await temporaryFolder();
    const config = join(folder, 'starling.json');
    await writeFile(config, JSON.stringify({ stateDir: '/from/file' }));
    const env = { STARLING_STATE_DIR: '/from/env', HOME: folder };
    expect(await stateDirOf({ state: '/from/flag', config }, env)).toBe('/from/flag');
    expect(await stateDirOf({ config }, env)).toBe('/from/env');
    expect(await stateDirOf({ config }, { HOME: folder })).toBe('/from/file');
    expect(await stateDirOf({}, { HOME: folder, STARLING_CONFIG: config })).toBe('/from/file');
    expect(await stateDirOf({}, { HOME: folder })).toContain(folder);
  });

  it('is not this folder when the variable is set to nothing', async () => {
    const env = { STARLING_STATE_DIR: '', STARLING_CONFIG: '', HOME: await temporaryFolder() };
    expect(await stateDirOf({}, env)).not.toBe(resolve('.'));
  });

  it.each(['{', '[]', '7', 'null', '{"stateDir": 7}', '{"stateDir": ""}'])(
    'is the default, or refused, with %s in the config file',
    async (text) => {
      const folder = await temporaryFolder();
      const config = join(folder, 'starling.json');
      await writeFile(config, text);
      const asked = stateDirOf({ config }, { HOME: folder });
      if (text === '{') {
        await expect(asked).rejects.toMatchObject({ code: 'STARLING_CONFIG_INVALID' });
      } else expect(await asked).toContain(folder);
    },
  );

  it('is refused when the config file that was named is not there', async () => {
    await expect(stateDirOf({ config: '/no/such/file' }, {})).rejects.toMatchObject({
      code: 'STARLING_CONFIG_INVALID',
    });
  });
});
