import { chmod, mkdir, readFile, readdir, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import {
  StarlingError,
  diskText,
  ensurePrivateFolder,
  writeFileAtomic,
} from '../../../src/core/index.ts';
import { writeFileInPlace } from '../../../src/core/system/atomic-file.ts';
import { modeOf, testFolder } from '../../fixtures/folders.ts';

let root: string;
beforeEach(async () => {
  root = await testFolder('starling-core-');
});

describe('writing a file in one step', () => {
  it('makes it with its mode, and leaves nothing else behind', async () => {
    const path = join(root, 'token');
    await writeFileAtomic(path, 'first', 0o600);
    await writeFileAtomic(path, Buffer.from('second'), 0o600);
    expect(await readFile(path, 'utf8')).toBe('second');
    expect(await modeOf(path)).toBe(0o600);
    expect(await readdir(root)).toEqual(['token']);
  });

  it('never shows half a file to whoever reads meanwhile', async () => {
    const path = join(root, 'file');
    const contents = ['a', 'b'].map((letter) => letter.repeat(300_000));
    await writeFileAtomic(path, contents[0] ?? '', 0o600);
    const progress = { isWriting: true };
    const writing = (async () => {
      for (let round = 0; round < 20; round += 1) {
        await writeFileAtomic(path, contents[round % 2] ?? '', 0o600);
      }
      progress.isWriting = false;
    })();
    const seen = new Set<boolean>();
    while (progress.isWriting) seen.add(contents.includes(await readFile(path, 'utf8')));
    await writing;
    expect([...seen]).toEqual([true]);
  });

  it('keeps the old content and names the file when it can not write', async () => {
    const path = join(root, 'folder');
    await mkdir(path);
    await writeFile(join(path, 'inside'), 'kept');
    await expect(writeFileAtomic(path, 'new', 0o600)).rejects.toMatchObject({
      code: 'STARLING_STATE_UNUSABLE',
      message: expect.stringContaining(path),
      hint: expect.stringContaining(root),
    });
    expect(await readdir(root)).toEqual(['folder']);
    expect(await readFile(join(path, 'inside'), 'utf8')).toBe('kept');
    await expect(writeFileAtomic(join(root, 'none', 'file'), '', 0o600)).rejects.toMatchObject({
      code: 'STARLING_STATE_UNUSABLE',
    });
  });
});

describe.runIf(process.platform !== 'win32')('a private folder', () => {
  it('is made with its parents, for its owner only', async () => {
    const path = join(root, 'a', 'b');
    await ensurePrivateFolder(path);
    await ensurePrivateFolder(path);
    expect(await modeOf(path)).toBe(0o700);
    expect(await modeOf(join(root, 'a'))).toBe(0o700);
  });

  it.each([[[]], [['key', 'db']], [['0123456789abcdef.sock']]])(
    'is closed to others when it holds %j',
    async (names) => {
      const path = join(root, 'state');
      await mkdir(path);
      for (const name of names) await writeFile(join(path, name), '');
      await chmod(path, 0o755);
      await ensurePrivateFolder(path);
      expect(await modeOf(path)).toBe(0o700);
    },
  );

  it.each([
    ['a folder of other things', 0o755, ['letter.txt']],
    ['a shared folder of temporary files', 0o1777, ['key']],
  ])('is never made of %s', async (_, mode, names) => {
    const path = join(root, 'home');
    await mkdir(path);
    for (const name of names) await writeFile(join(path, name), '');
    await chmod(path, mode);
    await expect(ensurePrivateFolder(path)).rejects.toMatchObject({
      code: 'STARLING_STATE_UNUSABLE',
      message: expect.stringContaining(path),
      hint: expect.stringContaining('--state'),
    });
    expect(await modeOf(path)).toBe(mode & 0o777);
  });

  it('is neither a file nor a link', async () => {
    const file = join(root, 'file');
    await writeFile(file, '');
    const link = join(root, 'link');
    await symlink(root, link);
    for (const path of [file, link]) {
      await expect(ensurePrivateFolder(path)).rejects.toMatchObject({
        code: 'STARLING_STATE_UNUSABLE',
        message: expect.stringContaining(path),
      });
    }
  });
});

it.each([
  [Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' })],
  [new StarlingError('STARLING_STATE_UNUSABLE', 'it is broken: the disk is full')],
])('says of a full disk once that it is full', (error) => {
  expect(diskText(error).match(/the disk is full/g)).toHaveLength(1);
});

it('writes over a file that stays the same file, longer and shorter', async () => {
  const path = join(root, 'file');
  await writeFile(path, 'before', { mode: 0o640 });
  const { ino } = await stat(path);
  for (const text of ['longer than before', 'short', '']) {
    await writeFileInPlace(path, text, 'before');
    expect(await readFile(path, 'utf8')).toBe(text);
  }
  expect(await stat(path)).toMatchObject({ ino, mode: 0o100640 });
});
