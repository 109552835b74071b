/** The pages of `docs/reference` say what the code says. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { configKeys } from '../../src/cli/reference/configuration.ts';
import { DOCUMENT_NAMES } from '../../src/cli/reference/environment.ts';
import { referencePages } from '../../src/cli/reference/pages.ts';
import { ENVIRONMENT } from '../../src/config/env.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const pages = await referencePages(resolve(ROOT, 'src'));

it.each([...pages.keys()])('%s is as the code is; else run: npm run docs', (name) => {
  expect(readFileSync(resolve(ROOT, 'docs/reference', name), 'utf8')).toBe(pages.get(name));
});

describe('the page of', () => {
  it('commands has a part for each, with an example', () => {
    const parts = (pages.get('commands.md') ?? '').split('\n## ').slice(2);
    expect(parts.length).toBeGreaterThan(55);
    const bare = parts.filter((part) => !part.includes('```sh'));
    expect(bare.map((part) => part.split('\n')[0])).toEqual([]);
  });

  it('configuration explains every key', () => {
    expect(configKeys().length).toBeGreaterThan(80);
    expect(configKeys().filter(({ text }) => text === '')).toEqual([]);
  });

  it('the environment names only variables and keys that there are', () => {
    const keys = configKeys().map(({ key }) => key);
    for (const { key } of ENVIRONMENT) if (key !== undefined) expect(keys).toContain(key);
    const ours = ENVIRONMENT.map(({ name }) => name);
    for (const { ours: name, text } of DOCUMENT_NAMES) {
      if (name === undefined) expect(text).toMatch(/\w{10}|above/);
      else expect(ours).toContain(name);
    }
  });

  it('limits finds the constants, and shows them with their unit', () => {
    const page = pages.get('limits.md') ?? '';
    expect(page).toContain('| `HELLO_TIMEOUT_MS` | 10 s | `cli/node/client.ts` |');
    expect(page).toContain('| `MESSAGE_BYTES_MAX` | 128 MiB | `cli/node/client.ts` |');
    expect(page).not.toMatch(/NaN|undefined/);
  });
});
