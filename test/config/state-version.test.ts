/** The version of a state folder: earlier ones are taken over, later ones are left as they are. */
import { mkdir, readFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { loadConfig } from '../../src/config/index.ts';
import {
  STATE_VERSION,
  noteStateVersion,
  requireKnownState,
} from '../../src/config/state-version.ts';
import { VERSION } from '../../src/core/version.ts';
import { createNode } from '../../src/node.ts';
import { run, temporaryFolder } from '../cli/support.ts';

const UNUSABLE = { code: 'STARLING_STATE_UNUSABLE' };

/** A state folder whose note says `note`. */
async function noted(note: unknown): Promise<string> {
  const folder = join(await temporaryFolder(), 'state');
  await mkdir(folder, { mode: 0o700 });
  await writeFile(fileIn(folder), typeof note === 'string' ? note : JSON.stringify(note));
  return folder;
}

const fileIn = (folder: string): string => join(folder, 'version.json');
const textIn = (folder: string): Promise<string> => readFile(fileIn(folder), 'utf8');

it('is noted once, with the release that first wrote in that form', async () => {
  const folder = await temporaryFolder();
  await requireKnownState(folder);
  await noteStateVersion(folder);
  expect(JSON.parse(await textIn(folder))).toEqual({ state: STATE_VERSION, starling: VERSION });
  const before = await noted({ state: STATE_VERSION, starling: '0.1.9' });
  await noteStateVersion(before);
  expect(await textIn(before)).toContain('0.1.9');
});

it('goes up, and never down: the note of a later version stays', async () => {
  const earlier = await noted({ state: 1 });
  await requireKnownState(earlier);
  await noteStateVersion(earlier);
  expect(await textIn(earlier)).toContain(VERSION);
  const note = JSON.stringify({ state: STATE_VERSION + 1, starling: '9.9.9' });
  const later = await noted(note);
  await noteStateVersion(later);
  expect(await textIn(later)).toBe(note);
});

it.each([
  ['nothing', ''],
  ['no JSON', '{ "state":'],
  ['a list', '[2]'],
  ['no version', { starling: VERSION }],
  ['a text', { state: '2' }],
  ['less than the first', { state: 0 }],
  ['a half', { state: 1.5 }],
  ['too much', ' '.repeat(2000)],
])('is not guessed where the note says %s', async (_, note) => {
  const folder = await noted(note);
  await expect(requireKnownState(folder)).rejects.toMatchObject(UNUSABLE);
  await expect(noteStateVersion(folder)).rejects.toMatchObject(UNUSABLE);
});

it('of a later Starling is refused with both versions, and the folder is left as it is', async () => {
  const folder = await noted({ state: 99, starling: '9.9.9', more: [] });
  const said = `written by Starling 9.9.9, as version 99; Starling ${VERSION} reads versions up to ${STATE_VERSION}`;
  const config = await loadConfig({
    env: { STARLING_CONFIG: '' },
    flags: { stateDir: folder, listen: ['/ip4/127.0.0.1/tcp/0'], mdns: false },
  });
  await expect(createNode(config)).rejects.toMatchObject({
    ...UNUSABLE,
    message: expect.stringContaining(said) as string,
    hint: expect.stringContaining('update Starling') as string,
  });
  const value = join(folder, '..', 'value');
  await writeFile(value, 'hush');
  for (const words of [['secret', 'set', 'NAME', '--file', value], ['doctor']]) {
    const ran = await run(...words, '--state', folder);
    expect(ran.code).toBe(1);
    expect((ran.stdout + ran.stderr).replaceAll(/\s+/g, ' ')).toContain(said);
  }
  expect(await readdir(folder)).toEqual(['version.json']);
});
