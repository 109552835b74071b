/** A config file that stays the same file while it is changed, and a process that is killed in the middle of that. */
import { readFile, readdir, realpath, rename, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, expect, it } from 'vitest';
import { loadConfig } from '../../src/config/index.ts';
import { nodesFolder } from '../../src/config/paths.ts';
import { changeInPlace, finishChange } from '../../src/config/unfinished-change.ts';
import { modeOf, testFolder } from '../fixtures/folders.ts';
import { createSmallDisk, smallDiskMissing } from '../store/small-disk.ts';

const missing = await smallDiskMissing();
const BEFORE = '{ "name": "alice", "mcpServers": { "files": { "command": "files" } } }\n';
const AFTER = '{ "name": "bob", "http": { "port": 4711 } }\n';

let path: string;
let env: NodeJS.ProcessEnv;
beforeEach(async () => {
  const root = await realpath(await testFolder('starling-change-'));
  path = join(root, 'starling.json');
  env = { HOME: join(root, 'home'), XDG_STATE_HOME: root };
  await writeFile(path, BEFORE, { mode: 0o640 });
});

const notes = (): Promise<readonly string[]> => readdir(nodesFolder(env)).catch(() => []);

/** What is noted when a process begins to change the file: where there is no file, nothing but the note is written. */
async function note(before: string, after: string): Promise<void> {
  await rename(path, `${path}.away`);
  await expect(changeInPlace({ path, before, after }, env)).rejects.toThrow("can't be written");
  await rename(`${path}.away`, path);
}

it('is changed as the same file, with its mode, and leaves no note', async () => {
  const { ino } = await stat(path);
  await changeInPlace({ path, before: BEFORE, after: AFTER }, env);
  expect([await readFile(path, 'utf8'), (await stat(path)).ino, await modeOf(path)]).toEqual([
    AFTER,
    ino,
    0o640,
  ]);
  expect(await notes()).toEqual([]);
});

it.each([
  ['a longer text', BEFORE, AFTER],
  ['a shorter text', AFTER, BEFORE],
  ['no text', '', AFTER],
])('is finished wherever the process was killed, over %s', async (_, before, after) => {
  const lengthMax = Math.max(before.length, after.length);
  const padded = after.padEnd(lengthMax, '\n');
  for (let at = 1; at <= lengthMax; at += 1) {
    const torn = padded.slice(0, at) + before.slice(at);
    // Nothing had changed yet.
    if (torn === before) continue;
    await note(before, after);
    await writeFile(path, torn);
    await finishChange(path, env);
    expect(await readFile(path, 'utf8'), `killed after ${at} bytes`).toBe(after);
    expect(await notes()).toEqual([]);
  }
});

it('that somebody has written since stays as it is', async () => {
  await note(BEFORE, AFTER);
  const text = '{ "name": "carol" }\n';
  await writeFile(path, text);
  await finishChange(path, env);
  expect([await readFile(path, 'utf8'), await notes()]).toEqual([text, []]);
});

it('is left to whoever has just begun to change it', async () => {
  await note(BEFORE, AFTER);
  await finishChange(path, env);
  const [noted = ''] = await notes();
  expect([await readFile(path, 'utf8'), noted]).toEqual([
    BEFORE,
    expect.stringMatching(/\.change$/),
  ]);
  const old = new Date(Date.now() - 3_600_000);
  await utimes(join(nodesFolder(env), noted), old, old);
  await finishChange(path, env);
  expect([await readFile(path, 'utf8'), await notes()]).toEqual([BEFORE, []]);
});

it('is read by the next start as what it was to be', async () => {
  await note(BEFORE, AFTER);
  await writeFile(path, AFTER.slice(0, 20) + BEFORE.slice(20));
  const config = await loadConfig({ file: path, env, flags: {} });
  expect(config).toMatchObject({ name: 'bob', http: { port: 4711 } });
});

it.skipIf(missing !== undefined)('is as it was on a disk that is full', async () => {
  const disk = await createSmallDisk(1024 * 1024);
  try {
    const full = join(disk.path, 'starling.json');
    await writeFile(full, BEFORE);
    await disk.fill();
    const change = { path: full, before: BEFORE, after: AFTER.padEnd(100_000) };
    await expect(changeInPlace(change, env)).rejects.toMatchObject({
      code: 'STARLING_STATE_UNUSABLE',
      message: expect.stringContaining('the disk is full'),
    });
    expect([await readFile(full, 'utf8'), await notes()]).toEqual([BEFORE, []]);
  } finally {
    await disk.remove();
  }
});
