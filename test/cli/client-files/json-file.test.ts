/** Files of a person that commands write: whose they are, what they may, where they lie, and what two writers do to each other. */
import {
  chmod,
  chown,
  lstat,
  mkdir,
  readFile,
  readdir,
  stat,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, expect, it } from 'vitest';
import { readJsonFile, writeJsonFile } from '../../../src/cli/client-files/json-file.ts';
import { writeFileAtomic } from '../../../src/core/index.ts';
import { modeOf, testFolder } from '../../fixtures/folders.ts';

const NEW = { mode: 0o600 };
let root: string;
beforeEach(async () => {
  root = await testFolder('starling-json-');
});

it('a file that is replaced stays whose it was, and keeps what others may do with it', async () => {
  const path = join(root, 'mcp.json');
  await writeFile(path, '{}');
  // More than a usual umask leaves to a new file.
  await chmod(path, 0o666);
  // Where the test may not give it away, it stays its own.
  const uid = process.getuid?.() === 0 ? 12_345 : (process.getuid?.() ?? 0);
  await chown(path, uid, process.getgid?.() ?? 0).catch(() => undefined);
  await writeJsonFile(await readJsonFile(path), '{"a":1}', NEW);
  expect(await modeOf(path)).toBe(0o666);
  if (process.platform !== 'win32') expect((await stat(path)).uid).toBe(uid);
});

it('a link stays one, also where it leads to nothing yet', async () => {
  const [link, real] = [join(root, 'mcp.json'), join(root, 'dotfiles', 'mcp.json')];
  await mkdir(join(root, 'dotfiles'));
  await symlink(join('dotfiles', 'mcp.json'), link);
  await writeJsonFile(await readJsonFile(link), '{"a":1}', NEW);
  expect((await lstat(link)).isSymbolicLink()).toBe(true);
  expect(await readFile(real, 'utf8')).toBe('{"a":1}');
  await writeJsonFile(await readJsonFile(link), '{"a":2}', NEW);
  expect((await lstat(link)).isSymbolicLink()).toBe(true);
  expect(await readFile(real, 'utf8')).toBe('{"a":2}');
});

it('what another command has written meanwhile is not written over, up to the last moment', async () => {
  const path = join(root, 'mcp.json');
  await writeFile(path, '{}');
  const before = await readJsonFile(path);
  await writeJsonFile(before, '{"first":1}', NEW);
  const refused = { code: 'STARLING_CONFIG_INVALID' };
  await expect(writeJsonFile(before, '{"second":1}', NEW)).rejects.toMatchObject(refused);
  // As if the first had written after the second had looked: its own file is there already, beside the other one.
  const check = async (): Promise<void> => {
    expect(await readdir(root)).toHaveLength(2);
    await writeJsonFile(before, 'late', NEW);
  };
  await expect(writeFileAtomic(path, 'x', 0o600, { check })).rejects.toMatchObject(refused);
  expect(await readFile(path, 'utf8')).toBe('{"first":1}');
  expect(await readdir(root)).toEqual(['mcp.json']);
});

it('what a command that was killed has left beside the file goes with the next one', async () => {
  const path = join(root, 'mcp.json');
  const [left, fresh, other] = [
    '.mcp.json.0123456789ab',
    '.mcp.json.ba9876543210',
    '.mcp.json.bak',
  ];
  for (const name of ['mcp.json', left, fresh, other]) await writeFile(join(root, name), '{}');
  const old = new Date(Date.now() - 3_600_000);
  for (const name of [left, other]) await utimes(join(root, name), old, old);
  await writeJsonFile(await readJsonFile(path), '{"a":1}', NEW);
  expect((await readdir(root)).toSorted()).toEqual([other, fresh, 'mcp.json'].toSorted());
});

it('a file that stays the same file shows nobody the end of a longer text behind the shorter one that takes its place', async () => {
  const path = join(root, 'starling.json');
  const texts = [{ long: 'x'.repeat(2000) }, { short: 1 }].map((value) => JSON.stringify(value));
  await writeFile(path, texts[0] ?? '');
  const progress = { isWriting: true };
  const writing = (async () => {
    for (let round = 1; round <= 40; round += 1) {
      const text = texts[round % 2] ?? '';
      await writeJsonFile(await readJsonFile(path), text, { ...NEW, inPlace: true });
    }
    progress.isWriting = false;
  })();
  const odd: string[] = [];
  while (progress.isWriting) {
    const text = await readFile(path, 'utf8');
    // Of one that grows its beginning may be there first.
    if (!texts.some((one) => one.startsWith(text.trimEnd()))) odd.push(text.slice(0, 40));
  }
  await writing;
  expect(odd).toEqual([]);
});
