import { execFileSync } from 'node:child_process';
import { chmod, mkdir, readFile, readdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { createIdentity, loadIdentity, verifySignature } from '../../src/identity/index.ts';
import { modeOf, testFolder } from '../fixtures/folders.ts';

let root: string;
let path: string;
beforeEach(async () => {
  root = await testFolder('starling-key-');
  path = join(root, 'key');
});

const isUnix = process.platform !== 'win32';

/** Fails unless loading refuses the file, names it, and leaves it as it was. */
async function refuses(problem: RegExp): Promise<void> {
  const before = await readFile(path, 'latin1');
  await expect(loadIdentity(path)).rejects.toMatchObject({
    code: 'STARLING_KEY_UNUSABLE',
    message: expect.stringMatching(problem),
    hint: expect.stringMatching(/\w/),
  });
  await expect(loadIdentity(path)).rejects.toMatchObject({
    message: expect.stringContaining(path),
  });
  expect(await readFile(path, 'latin1')).toBe(before);
  expect(await readdir(root)).toContain('key');
}

describe('the key file', () => {
  it('is made once, for its owner only, and gives the same identity ever after', async () => {
    const first = await loadIdentity(path);
    const again = await loadIdentity(path);
    expect(again.peerId).toBe(first.peerId);
    const message = Buffer.from('hello');
    expect(verifySignature(first.did, message, again.sign(message))).toBe(true);
    if (isUnix) expect(await modeOf(path)).toBe(0o600);
    expect(await readdir(root)).toEqual(['key']);
  });

  it('is one line of JSON that says what it is', async () => {
    const identity = await loadIdentity(path);
    const text = await readFile(path, 'utf8');
    expect(text.endsWith('}\n')).toBe(true);
    expect(text.trim()).not.toContain('\n');
    expect(JSON.parse(text)).toEqual({
      type: 'starling-key',
      version: 1,
      seed: Buffer.from(identity.seed).toString('base64url'),
      peerId: identity.peerId,
    });
  });

  it('is refused when any of its bytes is missing', async () => {
    await loadIdentity(path);
    const whole = await readFile(path);
    for (let length = 0; length < whole.length - 1; length += 7) {
      await writeFile(path, whole.subarray(0, length));
      await refuses(/is damaged/);
    }
  });

  it('is refused when a character of it was changed', async () => {
    const identity = await loadIdentity(path);
    const text = await readFile(path, 'utf8');
    const seed = Buffer.from(identity.seed).toString('base64url');
    const other = createIdentity();
    const changed = [
      text.replace('starling-key', 'other-key'),
      text.replace('"version":1', '"version":2'),
      text.replace(seed, Buffer.from(other.seed).toString('base64url')),
      text.replace(seed, `${seed}=`),
      text.replace(seed, seed.slice(1)),
      text.replace(`"${seed}"`, '7'),
      text.replace(identity.peerId, other.peerId),
      text.replace(/,"peerId":"\w+"/, ''),
      '[]',
      'null',
      `${text}${text}`,
      'x'.repeat(10_000),
    ];
    for (const content of changed) {
      await writeFile(path, content);
      await refuses(/is damaged/);
    }
  });

  it('never has its seed in a message', async () => {
    const identity = await loadIdentity(path);
    const seed = Buffer.from(identity.seed).toString('base64url');
    await writeFile(path, (await readFile(path, 'utf8')).replace('}', '"'));
    const error: unknown = await loadIdentity(path).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(Error);
    expect(JSON.stringify([error, String(error), (error as Error).cause])).not.toContain(seed);
  });

  it.runIf(isUnix).each([0o640, 0o604, 0o644, 0o620])(
    'is refused while others can reach it (mode %o), with the command that helps',
    async (mode) => {
      await loadIdentity(path);
      await chmod(path, mode);
      await refuses(new RegExp(`can be read by others \\(mode ${mode.toString(8)}\\)`));
      await expect(loadIdentity(path)).rejects.toMatchObject({
        hint: expect.stringContaining(`chmod 600 ${path}`),
      });
    },
  );

  it.runIf(isUnix)('is refused as a symbolic link, dangling or not', async () => {
    const target = join(root, 'target');
    await symlink(target, path);
    await expect(loadIdentity(path)).rejects.toMatchObject({
      code: 'STARLING_KEY_UNUSABLE',
      message: expect.stringContaining('symbolic link'),
    });
    await loadIdentity(target);
    await refuses(/symbolic link/);
  });

  it('is refused when it is a folder', async () => {
    await mkdir(path, { mode: 0o700 });
    await expect(loadIdentity(path)).rejects.toMatchObject({ code: 'STARLING_KEY_UNUSABLE' });
  });

  it.runIf(isUnix)('is refused, not waited for, when it is a named pipe', async () => {
    const makePipe = '/usr/bin/mkfifo';
    execFileSync(makePipe, ['-m', '600', path]);
    await expect(loadIdentity(path)).rejects.toMatchObject({
      code: 'STARLING_KEY_UNUSABLE',
      message: expect.stringContaining('is not a file'),
    });
  });
});
