/** A state folder as the node of commit 6fb304d (release 0.1.0) has left it, and a node of today that takes it over. */
import { execFile } from 'node:child_process';
import { mkdir, readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { json, ok, useWorld } from './support.ts';

/** Written by `npm run compat -- --keep <file>`: `state/` of the node `bob`, which knew the node `alice`. */
const FOLDER = resolve(import.meta.dirname, '../fixtures/state-of-0.1.0.tar.gz');
const world = useWorld('file');

it('has its key, mesh, boards, grants, secrets and record in a node of today, and its version from then on', async () => {
  const home = join(await world.root(), 'bob');
  await mkdir(home);
  await promisify(execFile)('tar', ['-xzf', FOLDER, '-C', home]);
  const key = JSON.parse(await readFile(join(home, 'state/key'), 'utf8')) as object;
  const bob = await world.start('bob');
  expect(key).toMatchObject({ peerId: bob.up.peerId });
  expect(bob.up.mesh).toMatchObject({ name: 'alice-mesh', open: false });
  expect(await ok(bob, 'board', 'get', 'notes', 'colour')).toBe('blue\n');
  expect(await ok(bob, 'board', 'get', 'notes', 'size')).toBe('7\n');
  expect(await ok(bob, 'grant', 'list')).toMatch(/alice.*files\/\*/);
  expect(await ok(bob, 'secret', 'list')).toContain('VAULT');
  expect(await ok(bob, 'audit', 'verify')).toContain('the record holds');
  const { entries } = await json<{ readonly entries: readonly { readonly seq: number }[] }>(
    bob,
    'audit',
    'query',
    '--limit',
    '1000',
  );
  expect(entries.map(({ seq }) => seq)).toContain(1);
  const note = await readFile(join(home, 'state/version.json'), 'utf8');
  expect(JSON.parse(note)).toMatchObject({ state: 2 });
});
