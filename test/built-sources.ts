/**
 * What the tests import of `src`, built into one file. A worker takes the sources one by one from Vitest's server, which
 * are more than a thousand, and each call from one to another goes by way of both modules' tables: a whole run is
 * quicker where they are one module. A run of some files takes the sources themselves, so that errors name their lines.
 */
import { readFileSync, readdirSync, rmSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import type { Plugin } from 'vitest/config';

const ROOT = resolve(import.meta.dirname, '..');
const SRC = join(ROOT, 'src');
/** What stands in the place of tweetnacl, for the sources and for the tests alike. */
export const QUICK_NACL = join(ROOT, 'test/fixtures/quick-nacl.ts');

/** Within the package, so that the libraries are found; the next build clears it. */
const FOLDER = join(ROOT, 'dist', `test-sources-${process.pid}`);
/** Of files that are built, and are imported as they are. */
export const BUILT_SOURCES = /\/dist\/test-sources-\d+\//;

/** Where a file of tests names one of the sources. */
const NAMED = /(?:from |import[ (])'((?:\.\.?\/)+(?:[\w-]+\/)*[\w-]+\.ts)'/g;

/** For Vitest: has everything that imports a source import what was built of it. */
export function builtSources(setupFiles: readonly string[]): Plugin {
  let built: Promise<ReadonlyMap<string, string>> | undefined;
  return {
    name: 'built-sources',
    enforce: 'pre',
    async resolveId(source, importer) {
      const path =
        importer !== undefined && source.startsWith('.')
          ? resolve(dirname(importer), source)
          : source;
      if (path !== QUICK_NACL && !path.startsWith(`${SRC}/`)) return undefined;
      built ??= build(setupFiles);
      const file = (await built).get(path);
      if (file === undefined)
        throw new Error(`${path} is imported by a way that is not seen: write its name as a text`);
      return file;
    },
    buildEnd: () => rmSync(FOLDER, { recursive: true, force: true }),
  };
}

/** Builds what is imported; gives the built file of each. */
async function build(setupFiles: readonly string[]): Promise<ReadonlyMap<string, string>> {
  const names = new Map(
    [
      ...setupFiles.map((file) => join(ROOT, file)).filter((path) => path.startsWith(SRC)),
      QUICK_NACL,
      ...imported(),
    ].map((path) => [path, relative(ROOT, path).replace(/\.ts$/, '')]),
  );
  // Only here: a test that asks where the built sources are has no use for the bundler.
  const { rolldown } = await import('rolldown');
  const bundle = await rolldown({
    input: Object.fromEntries([...names].map(([path, name]) => [name, path])),
    platform: 'node',
    external: (id) => !/^[./]/.test(id) && id !== 'tweetnacl',
    resolve: { alias: { tweetnacl: QUICK_NACL } },
    treeshake: false,
    logLevel: 'silent',
  });
  await bundle.write({
    dir: FOLDER,
    format: 'esm',
    // Before the code of each source stands its path from the root, as a comment: see `test/gateway/walk.test.ts`.
    minify: false,
    entryFileNames: '[name].mjs',
    chunkFileNames: '[name].mjs',
    codeSplitting: { groups: [{ name: 'sources', test: /[\\/]src[\\/]|quick-nacl/ }] },
  });
  await bundle.close();
  return new Map([...names].map(([path, name]) => [path, join(FOLDER, `${name}.mjs`)]));
}

/** Absolute paths of all sources that a test, or what is measured in tests, imports. */
function imported(): ReadonlySet<string> {
  const paths = new Set<string>();
  for (const folder of ['test', 'sim']) {
    for (const entry of readdirSync(join(ROOT, folder), { withFileTypes: true, recursive: true })) {
      if (!entry.isFile() || !entry.name.endsWith('.ts')) continue;
      const text = readFileSync(join(entry.parentPath, entry.name), 'utf8');
      for (const [, name = ''] of text.matchAll(NAMED)) {
        const path = resolve(entry.parentPath, name);
        if (path.startsWith(`${SRC}/`)) paths.add(path);
      }
    }
  }
  return paths;
}
