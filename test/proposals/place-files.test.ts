/** Files of a proposal on the disk: all or none, over nothing, through no link, and the same once more. */
import { lstat, mkdir, mkdtemp, readFile, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { placeFiles } from '../../src/proposals/place-files.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup();
});

async function place(): Promise<{ root: string; folder: string }> {
  const root = await mkdtemp(join(tmpdir(), 'starling-place-'));
  cleanups.push(() => rm(root, { recursive: true, force: true, maxRetries: 5 }));
  return { root, folder: join(root, 'services', 'resize-1') };
}

const FILES = [
  { path: 'a.txt', text: 'one' },
  { path: 'src/main.mjs', text: 'two' },
];

it('are there with their folders, closed to others, and once more is nothing new', async () => {
  const { folder } = await place();
  const data = join(folder, 'data');
  await placeFiles(folder, { files: FILES, data });
  await expect(readFile(join(folder, 'src/main.mjs'), 'utf8')).resolves.toBe('two');
  expect((await lstat(folder)).mode & 0o077).toBe(0);
  expect((await lstat(join(folder, 'a.txt'))).mode & 0o177).toBe(0);
  // What the program has written since is its own.
  await writeFile(join(data, 'kept'), 'x');
  const before = await lstat(join(folder, 'a.txt'));
  await placeFiles(folder, { files: FILES, data });
  expect((await lstat(join(folder, 'a.txt'))).ino).toBe(before.ino);
});

it('of a run that was killed in between are taken away, and made anew', async () => {
  const { folder, root } = await place();
  const left = join(root, 'services', '.unfinished-resize-1-000000000000');
  await mkdir(left, { recursive: true });
  await writeFile(join(left, 'a.txt'), 'on');
  await placeFiles(folder, { files: FILES });
  await expect(readdir(join(root, 'services'))).resolves.toEqual(['resize-1']);
});

it.each([
  ['a file that says something else', (folder: string) => writeFile(join(folder, 'a.txt'), 'evil')],
  ['a file more', (folder: string) => writeFile(join(folder, 'b.txt'), 'evil')],
  [
    'a link in place of a file',
    async (folder: string) => {
      await rm(join(folder, 'a.txt'));
      await writeFile(join(folder, '..', 'a.txt'), 'one');
      await symlink('../a.txt', join(folder, 'a.txt'));
    },
  ],
  [
    'a link in place of the folder',
    async (folder: string) => {
      await rm(folder, { recursive: true });
      await symlink('/tmp', folder);
    },
  ],
  [
    'a file in place of the folder',
    async (folder: string) => {
      await rm(folder, { recursive: true });
      await writeFile(folder, 'x');
    },
  ],
])('are refused where there is %s', async (_, change) => {
  const { folder } = await place();
  await placeFiles(folder, { files: FILES });
  await change(folder);
  await expect(placeFiles(folder, { files: FILES })).rejects.toMatchObject({
    code: 'STARLING_STATE_UNUSABLE',
  });
});

it('are refused where the folder of all is a link to somewhere else', async () => {
  const { folder, root } = await place();
  const elsewhere = join(root, 'elsewhere');
  await mkdir(elsewhere);
  await symlink(elsewhere, join(root, 'services'));
  await expect(placeFiles(folder, { files: FILES })).rejects.toMatchObject({
    code: 'STARLING_STATE_UNUSABLE',
  });
  await expect(readdir(elsewhere)).resolves.toEqual([]);
});

it('lead out of their folder by no path', async () => {
  const { folder, root } = await place();
  await expect(
    placeFiles(folder, { files: [{ path: '../../evil', text: 'x' }] }),
  ).rejects.toMatchObject({ code: 'STARLING_STATE_UNUSABLE' });
  expect(await readdir(root)).toEqual(['services']);
});
