/** House rules that a program can check. */
import { readFileSync, readdirSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ERRORS } from '../src/core/index.ts';

const ROOT = resolve(import.meta.dirname, '..');

function files(folder: string, ending: RegExp): string[] {
  return readdirSync(join(ROOT, folder), { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && ending.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name));
}

const source = [...files('src', /\.ts$/), ...files('sim', /\.ts$/)];
const everything = [...source, ...files('test', /\.(ts|mjs)$/)];

function findings(paths: readonly string[], rule: (line: string) => boolean): string[] {
  return paths.flatMap((path) =>
    readFileSync(path, 'utf8')
      .split('\n')
      .flatMap((line, index) =>
        rule(line) ? [`${relative(ROOT, path)}:${index + 1}: ${line.trim()}`] : [],
      ),
  );
}

describe('the code', () => {
  it('has no file over 600 lines', () => {
    const long = everything.filter((path) => readFileSync(path, 'utf8').split('\n').length > 600);
    expect(long.map((path) => relative(ROOT, path))).toEqual([]);
  });

  it('has a docstring on top of every file of src and sim', () => {
    const bare = source.filter((path) => !/^(#!.*\n)?\/\*\*/.test(readFileSync(path, 'utf8')));
    expect(bare.map((path) => relative(ROOT, path))).toEqual([]);
  });

  it('has a docstring on every exported function, interface and class', () => {
    const bare = source.flatMap((path) => {
      const text = readFileSync(path, 'utf8');
      const pattern = /(^|\n)([^\n]*)\nexport (?:async )?(?:function|interface|class) (\w+)/g;
      return [...text.matchAll(pattern)]
        .filter((match) => !/\*\/\s*$|^\s*\/\/|^export (async )?function/.test(match[2] ?? ''))
        .map((match) => `${relative(ROOT, path)}: ${match[3]}`);
    });
    expect(bare).toEqual([]);
  });

  it('has no unfinished marks, silenced checks or skipped tests', () => {
    const marks =
      /\b(FIXME|XXX|HACK|TODO)\b|@ts-(ignore|nocheck|expect-error)|\bas any[;,)\]}]|\b(it|test|describe)\.(skip|only|todo)\(/;
    const own = resolve(import.meta.filename);
    expect(
      findings(
        everything.filter((path) => path !== own),
        (line) => marks.test(line),
      ),
    ).toEqual([]);
  });

  it('names no machine path and no registry', () => {
    const leak = /\/work\/|\/root\/|registry\.npm|"resolved": *"http/;
    const own = resolve(import.meta.filename);
    const paths = [
      ...everything.filter((path) => path !== own),
      ...['README.md', 'package.json', 'package-lock.json'].map((name) => join(ROOT, name)),
      ...files('config', /./),
      ...files('docs', /./),
    ];
    expect(findings(paths, (line) => leak.test(line))).toEqual([]);
  });
});

describe('error codes', () => {
  const page = readFileSync(join(ROOT, 'docs/reference/errors.md'), 'utf8');
  const text = source
    .filter((path) => !/core\/errors\.ts$|cli\/reference\//.test(path))
    .map((path) => readFileSync(path, 'utf8'))
    .join('\n');

  it.each(Object.keys(ERRORS))('%s is raised somewhere and explained in docs/reference', (code) => {
    expect(text).toContain(`'${code}'`);
    expect(page).toContain(code);
  });
});
