/** The licences of all packages that the program holds, in one file beside the program. */
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { OutputBundle, Plugin } from 'rolldown';
import { reachedFrom } from './left-out.ts';

/** The file, in the folder of what is built. */
const FILE = 'LICENSES.txt';
const HEAD = `Starling is licensed under the Apache License 2.0 (the file LICENSE). Its program holds these packages,
each under its own licence. This file is written by the build.
`;
/** The folder of a package, however deep its module lies. */
const PACKAGE = /^(.*[\\/]node_modules[\\/](?:@[^\\/]+[\\/])?[^\\/]+)[\\/]/;
const LICENCE_FILE = /^(?:licen[cs]e|copying|notice)(?:[-.].*)?$/i;

/** The packages of all bundles of this build: each bundle adds its own, and the last writes all of them. */
const homes = new Set<string>();

/** Adds the packages of a bundle, as far as the `entries` load them, and writes the file into `built`. */
export function licences(built: string, entries: readonly string[]): Plugin {
  return {
    name: 'licences',
    generateBundle(_, bundle) {
      for (const home of homesIn(bundle, reachedFrom(bundle, entries))) homes.add(home);
    },
    writeBundle() {
      const texts = [...homes].map((home) => textOf(home)).toSorted();
      writeFileSync(join(built, FILE), [HEAD, ...texts].join(`\n${'-'.repeat(80)}\n\n`));
    },
  };
}

function homesIn(bundle: OutputBundle, files: ReadonlySet<string>): string[] {
  return Object.values(bundle).flatMap((chunk) =>
    chunk.type === 'chunk' && files.has(chunk.fileName)
      ? chunk.moduleIds.flatMap((id) => PACKAGE.exec(id)?.[1] ?? [])
      : [],
  );
}

/** @throws Error when a package names no licence: then nobody may pass it on */
function textOf(home: string): string {
  const { name, version, license } = JSON.parse(
    readFileSync(join(home, 'package.json'), 'utf8'),
  ) as { readonly name: string; readonly version: string; readonly license?: string };
  if (license === undefined) throw new Error(`the package ${name} names no licence`);
  const texts = licenceFiles(home).map((path) => readFileSync(path, 'utf8').trim());
  return [`${name} ${version} (${license})`, ...texts].join('\n\n').concat('\n');
}

/** The licence files of a package, and of the libraries in other languages that it is compiled with. */
function licenceFiles(home: string): string[] {
  const inside = join(home, 'deps');
  return [
    ...readdirSync(home).map((name) => join(home, name)),
    ...(existsSync(inside) ? readdirSync(inside, { recursive: true, encoding: 'utf8' }) : []).map(
      (name) => join(inside, name),
    ),
  ].filter((path) => LICENCE_FILE.test(path.split(/[\\/]/).at(-1) ?? ''));
}
