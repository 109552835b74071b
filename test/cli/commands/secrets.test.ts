/** `starling secret …` and `starling identity …`: with a real node, and in the folder of one that rests. */
import { readFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { resolve } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { askHidden } from '../../../src/cli/terminal/questions/ask-hidden.ts';
import { newPassphrase, passphraseOf } from '../../../src/cli/terminal/questions/passphrase.ts';
import { nodesFolder, notedIn } from '../../../src/config/index.ts';
import { loadIdentity, readKeyFacts } from '../../../src/identity/index.ts';
import { run, start, temporaryFolder } from '../support.ts';
import type { Ran } from '../support.ts';

const SERVER = resolve(import.meta.dirname, '../../fixtures/servers/secret.mjs');
const VALUE = 'hunter2-hunter2';

async function folder(): Promise<{ root: string; state: string; config: string }> {
  const root = await temporaryFolder();
  const [state, config] = [join(root, 'state'), join(root, 'starling.json')];
  const content = {
    stateDir: state,
    listen: ['/ip4/127.0.0.1/tcp/0'],
    http: { enabled: false },
    mdns: false,
    mcpServers: {
      s: { command: process.execPath, args: [SERVER], env: { API_KEY: '${secret:API_KEY}' } },
    },
  };
  await writeFile(config, JSON.stringify(content));
  return { root, state, config };
}

/** Runs a command in this process, with these in its environment. */
async function runWith(
  env: Readonly<Record<string, string>>,
  args: readonly string[],
): Promise<Ran> {
  for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value);
  try {
    return await run(...args);
  } finally {
    vi.unstubAllEnvs();
  }
}

/** Runs a command as a process, with this on its standard input. */
async function piped(input: string, args: readonly string[]): Promise<Ran> {
  const started = start(args);
  started.child.stdin?.end(input);
  return started.ended();
}

async function holds(path: string, text: string): Promise<boolean> {
  for (const entry of await readdir(path, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    if ((await readFile(join(entry.parentPath, entry.name), 'latin1')).includes(text)) return true;
  }
  return false;
}

describe('starling secret', () => {
  it('gives a running node what its server lacks, and shows the value nowhere', async () => {
    const { state, config } = await folder();
    const node = start(['up', '--config', config, '--log', 'trace']);
    await node.says('✗ s ');
    const lacking = await run('secret', 'list', '--config', config);
    expect(lacking.stdout).toMatch(/API_KEY +not set +s/);
    expect((await run('status', '--config', config)).stdout).toContain(
      'starling secret set API_KEY',
    );
    const set = await piped(`${VALUE}\n`, ['secret', 'set', 'API_KEY', '--config', config]);
    expect(set).toMatchObject({ code: 0, stdout: 'set API_KEY\nused by s\n' });
    // The server starts when its secret comes; its tools are there a moment later.
    const status = async (): Promise<string> => (await run('status', '--config', config)).stdout;
    await expect.poll(status, { interval: 200 }).toContain('✓ s ');
    const called = await run('call', 's__length', '--config', config);
    expect(called, called.stderr).toMatchObject({ code: 0, stdout: `${VALUE.length}\n` });
    const shown = [
      set,
      await run('secret', 'list', '--json', '--config', config),
      await run('mcp', 'list', '--config', config),
      await run('status', '--json', '--config', config),
      await run('audit', 'query', '--json', '--config', config),
    ];
    node.child.kill('SIGTERM');
    shown.push(await node.ended());
    expect(JSON.stringify(shown)).not.toContain(VALUE);
    expect(await holds(state, VALUE)).toBe(false);
  });

  it('keeps one for the next start where no node runs, in a folder that nodes hide from now on', async () => {
    const { root, state, config } = await folder();
    await writeFile(join(root, 'value'), `${VALUE}\r\n`);
    const options = ['--config', config];
    const file = join(root, 'value');
    const set = await run('secret', 'set', 'API_KEY', '--file', file, ...options);
    expect(set).toMatchObject({ code: 0, stdout: 'set API_KEY\nused by s\n' });
    expect(await notedIn(nodesFolder(process.env))).toContain(state);
    await run('secret', 'set', 'OTHER', '--file', file, ...options);
    const list = await run('secret', 'list', '--json', ...options);
    expect(JSON.parse(list.stdout)).toEqual({
      secrets: [
        { name: 'API_KEY', setAt: expect.any(Number) as number, usedBy: ['s'] },
        { name: 'OTHER', setAt: expect.any(Number) as number, usedBy: [] },
      ],
    });
    expect((await run('secret', 'remove', 'OTHER', ...options)).stdout).toBe('removed OTHER\n');
    expect((await run('secret', 'remove', 'OTHER', ...options)).code).toBe(1);
    const node = start(['up', ...options]);
    await node.says('✓ s ');
    const called = await run('call', 's__length', ...options);
    // That it waits for an answer is said on a machine with much to do.
    expect(called, called.stderr).toMatchObject({ code: 0, stdout: `${VALUE.length}\n` });
  });

  it('repeats no value that was typed as an argument', async () => {
    const { state } = await folder();
    for (const words of [[`API_KEY=${VALUE}`], ['API_KEY', VALUE]]) {
      const ran = await run('secret', 'set', ...words, '--state', state);
      expect(ran.code).toBe(2);
      expect(ran.stdout + ran.stderr).not.toContain(VALUE);
    }
  });

  it('looks into no folder that is not a node’s', async () => {
    const root = await temporaryFolder();
    const ran = await run('secret', 'list', '--state', join(root, 'typo'));
    expect(ran).toMatchObject({ code: 1, stdout: '' });
    expect(ran.stderr).toContain('there is no key');
    expect(await readdir(root)).toEqual([]);
  });
});

describe('starling identity', () => {
  it('encrypts, changes the passphrase and decrypts, and the node is the same', async () => {
    const { root, state } = await folder();
    const [one, two] = [join(root, 'one'), join(root, 'two')];
    await writeFile(one, 'first passphrase\n', { mode: 0o600 });
    await writeFile(two, 'second passphrase', { mode: 0o600 });
    await run('secret', 'set', 'A', '--file', one, '--state', state);
    const { did } = await loadIdentity(join(state, 'key'));
    const show = async (): Promise<unknown> =>
      JSON.parse((await run('identity', 'show', '--json', '--state', state)).stdout);
    expect(await show()).toMatchObject({ did, encrypted: false, path: join(state, 'key') });
    const encrypt = ['identity', 'encrypt', '--json', '--state', state];
    const first = await runWith({ STARLING_PASSPHRASE_FILE: one }, encrypt);
    expect(JSON.parse(first.stdout)).toMatchObject({ encrypted: true, changed: false });
    expect(await show()).toMatchObject({ did, encrypted: true });
    const second = await runWith({ STARLING_PASSPHRASE: 'first passphrase' }, [
      ...encrypt,
      '--new-passphrase-file',
      two,
    ]);
    expect(JSON.parse(second.stdout)).toMatchObject({ encrypted: true, changed: true });
    const decrypt = ['identity', 'decrypt', '--state', state];
    const old = await runWith({ STARLING_PASSPHRASE_FILE: one }, decrypt);
    expect(old.stderr).toContain('[STARLING_PASSPHRASE_WRONG]');
    expect(await run(...decrypt)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('[STARLING_PASSPHRASE_MISSING]') as string,
    });
    expect((await runWith({ STARLING_PASSPHRASE_FILE: two }, decrypt)).code).toBe(0);
    expect((await loadIdentity(join(state, 'key'))).did).toBe(did);
    expect(JSON.stringify([first, second, old])).not.toMatch(/(first|second) passphrase/);
  });

  it('leaves the key alone while the node runs, and the node starts with the passphrase', async () => {
    const { state, config } = await folder();
    const node = start(['up', '--config', config], { STARLING_PASSPHRASE: 'correct horse' });
    await node.says('starling up --join');
    expect((await readKeyFacts(join(state, 'key')))?.isEncrypted).toBe(true);
    const ran = await run('identity', 'encrypt', '--state', state);
    expect(ran.stderr).toContain('[STARLING_STATE_LOCKED]');
    expect((await run('doctor', '--config', config)).stdout).toContain('the key is encrypted');
    node.child.kill('SIGTERM');
    await node.ended();
    const without = start(['up', '--config', config]);
    expect((await without.ended()).stderr).toContain('STARLING_PASSPHRASE_FILE');
  });

  it('says where there is none', async () => {
    const root = await temporaryFolder();
    for (const command of ['show', 'encrypt', 'decrypt']) {
      const ran = await run('identity', command, '--state', join(root, 'none'));
      expect(ran.stderr).toContain('there is no key');
    }
    expect(await readdir(root)).toEqual([]);
  });
});

describe('a passphrase', () => {
  it('is taken out of the environment', async () => {
    const env = { STARLING_PASSPHRASE: 'correct horse', HOME: '/h' };
    const source = passphraseOf(env);
    expect(env).toEqual({ HOME: '/h' });
    expect((await source.given())?.reveal()).toBe('correct horse');
  });

  it('is given in one way only', async () => {
    const both = passphraseOf({ STARLING_PASSPHRASE: 'a', STARLING_PASSPHRASE_FILE: 'b' });
    await expect(both.given()).rejects.toMatchObject({ code: 'STARLING_PASSPHRASE_UNUSABLE' });
    const none = passphraseOf({ STARLING_PASSPHRASE: '', STARLING_PASSPHRASE_FILE: '' });
    expect(await none.given()).toBeUndefined();
  });

  it.each([
    ['', /is empty/],
    ['\n', /is empty/],
    ['one\ntwo\n', /not one line/],
    ['a\0b', /not one line/],
    ['x'.repeat(4097), /more than 4096 bytes/],
  ])('can not come from a file with %j', async (content, why) => {
    const path = join(await temporaryFolder(), 'passphrase');
    await writeFile(path, content, { mode: 0o600 });
    const source = passphraseOf({ STARLING_PASSPHRASE_FILE: path });
    await expect(source.given()).rejects.toMatchObject({
      code: 'STARLING_PASSPHRASE_UNUSABLE',
      message: expect.stringMatching(why) as string,
    });
  });

  it.each(['/dev/zero', '.', './nowhere'])('can not come from %s', async (path) => {
    await expect(newPassphrase(path)).rejects.toMatchObject({
      code: 'STARLING_PASSPHRASE_UNUSABLE',
    });
  });
});

describe('a hidden question', () => {
  function terminal() {
    const modes: boolean[] = [];
    const output = new PassThrough();
    const input = Object.assign(new PassThrough(), {
      setRawMode: (mode: boolean) => void modes.push(mode),
    });
    return { modes, input, output };
  }

  it.each([
    ['abc\r', 'abc'],
    ['abx\u007Fc\n', 'abc'],
    ['wrong\u0015abc\r', 'abc'],
    ['a\u001B[Db\u001BOAc\r', 'abc'],
    ['schlüssel\r', 'schlüssel'],
  ])('takes %j as %j and shows none of it', async (typed, answer) => {
    const talk = terminal();
    const asked = askHidden('passphrase: ', talk);
    for (const byte of Buffer.from(typed)) talk.input.write(Buffer.of(byte));
    expect((await asked).reveal()).toBe(answer);
    expect(String(talk.output.read())).toBe('passphrase: \n');
    expect(talk.modes).toEqual([true, false]);
  });

  it.each([
    ['ab\u0003', 'STARLING_INTERRUPTED'],
    ['\u0004', 'STARLING_USAGE'],
    ['x'.repeat(70_000), 'STARLING_USAGE'],
  ])('is left by %j', async (typed, code) => {
    const talk = terminal();
    const asked = askHidden('passphrase: ', talk);
    talk.input.write(typed);
    await expect(asked).rejects.toMatchObject({ code });
    expect(talk.modes).toEqual([true, false]);
  });
});
