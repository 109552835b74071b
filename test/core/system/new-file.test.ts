/** Files that commands make: whole, or not there, whatever breaks. */
import { lstat, mkdir, readFile, readdir, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, expect, it } from 'vitest';
import { makeFile } from '../../../src/core/system/new-file.ts';
import { testFolder } from '../../fixtures/folders.ts';
import { createSmallDisk, smallDiskMissing } from '../../store/small-disk.ts';

const INIT = { mode: 0o600, hint: 'name another: --out <file>' };
const missing = await smallDiskMissing();

let root: string;
beforeEach(async () => {
  root = await testFolder('starling-new-file-');
});

it('stands there once all of it was added, with its mode, and gives what was asked for', async () => {
  const path = join(root, 'report');
  const given = await makeFile(path, INIT, async (add) => {
    await add('one ');
    // Whoever is killed here leaves nothing that could be taken for the whole.
    await expect(lstat(path)).rejects.toMatchObject({ code: 'ENOENT' });
    await add('two');
    return 2;
  });
  expect([given, await readFile(path, 'utf8')]).toEqual([2, 'one two']);
  expect((await lstat(path)).mode & 0o777).toBe(0o600);
  expect(await readdir(root)).toEqual(['report']);
});

it('is not there when whoever fills it fails', async () => {
  const filling = makeFile(join(root, 'answers'), INIT, async (add) => {
    await add('the first page');
    throw new Error('the node went away');
  });
  await expect(filling).rejects.toThrow('the node went away');
  expect(await readdir(root)).toEqual([]);
});

it("takes nobody's place, also of one that is made meanwhile", async () => {
  const path = join(root, 'report');
  const refused = { code: 'STARLING_USAGE', hint: INIT.hint };
  const late = makeFile(path, INIT, async () => writeFile(path, 'mine'));
  await expect(late).rejects.toMatchObject(refused);
  await expect(makeFile(path, INIT, (add) => add('x'))).rejects.toMatchObject(refused);
  await mkdir(join(root, 'folder'));
  await expect(makeFile(join(root, 'folder'), INIT, (add) => add('x'))).rejects.toMatchObject(
    refused,
  );
  await expect(makeFile(join(root, 'no', 'x'), INIT, (add) => add('x'))).rejects.toMatchObject({
    ...refused,
    message: expect.stringContaining('there is no such folder'),
  });
  expect(await readFile(path, 'utf8')).toBe('mine');
  expect((await readdir(root)).toSorted()).toEqual(['folder', 'report']);
});

it('goes with what a process that was killed has left of one of that name', async () => {
  const left = join(root, '.report.0123456789ab');
  await writeFile(left, 'half');
  const before = new Date(Date.now() - 3_600_000);
  await utimes(left, before, before);
  await makeFile(join(root, 'report'), INIT, (add) => add('whole'));
  expect(await readdir(root)).toEqual(['report']);
});

it.skipIf(missing !== undefined)('leaves nothing on a disk that is full, and says so', async () => {
  const disk = await createSmallDisk(1024 * 1024);
  try {
    await disk.fill(8192);
    const making = makeFile(join(disk.path, 'answers'), INIT, async (add) => {
      for (let page = 0; page < 100; page += 1) await add('x'.repeat(4096));
    });
    await expect(making).rejects.toMatchObject({
      code: 'STARLING_STATE_UNUSABLE',
      message: expect.stringContaining('the disk is full'),
      hint: expect.stringContaining('df -h'),
    });
    expect(await readdir(disk.path)).toEqual(['ballast']);
  } finally {
    await disk.remove();
  }
});
