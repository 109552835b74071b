/** The package of this clone, as `npm pack` makes it. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';

const ROOT = resolve(import.meta.dirname, '../..');
const exec = promisify(execFile);

/** What a person has in the environment: nothing that an outer npm hands on, and in `folder` a cache without a package in it. */
export function cleanEnvironment(folder: string): NodeJS.ProcessEnv {
  const outer = Object.entries(process.env).filter(([name]) => !/^(?:npm|starling)_/i.test(name));
  return { ...Object.fromEntries(outer), npm_config_cache: join(folder, 'cache') };
}

/** Runs npm as a person does. */
export async function npm(args: readonly string[], folder: string, cwd = folder): Promise<string> {
  return (await exec('npm', args, { cwd, env: cleanEnvironment(folder) })).stdout;
}

/** Makes the package of what is built now; gives its file, which is in `folder`. */
export async function packInto(folder: string): Promise<string> {
  // `npm test` has written the types; after `npm run build` alone there are none.
  if (!existsSync(join(ROOT, 'dist/index.d.ts'))) await npm(['run', 'declare'], folder, ROOT);
  // Without its scripts: they would build anew under the tests that run beside this one.
  await npm(['pack', '--ignore-scripts', '--pack-destination', folder], folder, ROOT);
  return join(folder, (await readdir(folder)).find((name) => name.endsWith('.tgz')) ?? '');
}
