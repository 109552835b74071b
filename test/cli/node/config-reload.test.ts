/** The watched config file: what is told when it is absent, comes, and changes. */
import { EventEmitter } from 'node:events';
import { unwatchFile, watchFile } from 'node:fs';
import { appendFile, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { reloadOnChange } from '../../../src/cli/node/config-reload.ts';
import { temporaryFolder } from '../support.ts';

type Node = Parameters<typeof reloadOnChange>[0];

/** A node that takes up what it is given; `isHeld` says whether a server could have written the file. */
function nodeOf(reload: Node['reload'], isHeld: () => boolean = () => false): Node {
  return {
    reload,
    refuseConfig: () => undefined,
    events: new EventEmitter(),
    holdsBackConfig: isHeld,
  };
}

it('takes up a file that comes later, and nothing as long as there is none', async () => {
  const folder = await temporaryFolder();
  const names: (string | undefined)[] = [];
  let seen = (): void => undefined;
  const reload: Node['reload'] = (config) => {
    names.push(config.name);
    seen();
    return Promise.resolve([]);
  };
  const next = (): Promise<void> => new Promise((resolve) => (seen = resolve));
  const sources = { env: { XDG_CONFIG_HOME: folder }, flags: {} };
  const refused: string[] = [];
  const refuseConfig = (problem: string): void => {
    refused.push(problem);
    seen();
  };
  const node = { ...nodeOf(reload), refuseConfig };
  onTestFinished(reloadOnChange(node, sources, true));

  // Node tells once of a file that is not there; of this one it tells after it told of that.
  const absent = join(folder, 'absent');
  await new Promise<void>((resolve) => watchFile(absent, () => resolve()));
  unwatchFile(absent);

  const came = next();
  await mkdir(join(folder, 'starling'));
  await writeFile(join(folder, 'starling', 'starling.json'), '{"name":"one"}');
  await came;
  const changed = next();
  await appendFile(join(folder, 'starling', 'starling.json'), '\n');
  await changed;
  expect(names).toEqual(['one', 'one']);
  // The node hears of a file that can't be used, so that its status says it.
  const broken = next();
  await appendFile(join(folder, 'starling', 'starling.json'), '{');
  await broken;
  expect(refused).toEqual([expect.stringContaining('starling.json')]);
});

it('leaves a file that a server could have written until the operator asks by SIGHUP', async () => {
  const folder = await temporaryFolder();
  const file = join(folder, 'starling.json');
  await writeFile(file, '{"name":"one"}');
  const taken: unknown[] = [];
  let seen = (): void => undefined;
  const next = (): Promise<void> => new Promise((resolve) => (seen = resolve));
  const reload: Node['reload'] = (config, init) => {
    taken.push([config.name, init]);
    seen();
    return Promise.resolve([]);
  };
  const isHeld = (): boolean => {
    seen();
    return true;
  };
  onTestFinished(reloadOnChange(nodeOf(reload, isHeld), { file, env: {}, flags: {} }, true));
  const looked = next();
  await writeFile(file, '{"name":"two"}');
  await looked;
  expect(taken).toEqual([]);
  const asked = next();
  process.emit('SIGHUP');
  await asked;
  expect(taken).toEqual([['two', { asked: true }]]);
});
