/** The keys that say how tools are listed: their defaults, forms, and what is said of wrong ones. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { loadConfig } from '../../src/config/index.ts';
import type { Config } from '../../src/config/index.ts';

const folders: string[] = [];

afterEach(async () => {
  for (const folder of folders.splice(0))
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
});

async function load(content: object): Promise<Config> {
  const folder = await mkdtemp(join(tmpdir(), 'starling-lists-'));
  folders.push(folder);
  const file = join(folder, 'starling.json');
  await writeFile(file, JSON.stringify(content));
  return loadConfig({ file, env: { HOME: folder }, flags: {} });
}

describe('lists of tools', () => {
  it('are whole, with prefixes, unmerged and pinned when nothing is said', async () => {
    const config = await load({});
    expect(config.list).toEqual({ tools: 'all', prefix: 'always', nameMax: 48, merge: false });
    expect(config.views).toEqual({});
    expect(config.pins).toBe('strict');
  });

  it('are as the file says', async () => {
    const list = { tools: 'search', prefix: 'auto', nameMax: 64, merge: ['gpu/*'] };
    const views = {
      coding: { allow: ['git/*', 'alice/files/**', '*'], deny: ['*/delete_*'], tools: 'search' },
      all: {},
    };
    const config = await load({ list, views, pins: 'off' });
    expect(config).toMatchObject({ list, views, pins: 'off' });
    expect(Object.keys(config.views['all'] ?? {})).toEqual([]);
  });

  it.each([
    [{ list: { tools: 'some' } }, 'list.tools: "some" can\'t be used; allowed: all or search'],
    [{ list: { prefix: 'maybe' } }, 'allowed: always, auto or never'],
    [{ list: { nameMax: 8 } }, 'allowed: a whole number from 24 to 128'],
    [{ list: { merge: 'yes' } }, 'allowed: true, false or a list like ["files/read_*"]'],
    [{ list: { prefixes: 'auto' } }, "list.prefixes: unknown key; did you mean 'prefix'?"],
    [{ pins: true }, 'allowed: strict or off'],
    [
      { views: { a: { allow: ['files'] } } },
      'views.a.allow.0: "files" can\'t be used; allowed: tools as <server>/<tool>',
    ],
    [{ views: { a: { deny: ['a/**/b'] } } }, 'views.a.deny.0: "a/**/b" can\'t be used'],
    [{ views: { a: { alow: [] } } }, "views.a.alow: unknown key; did you mean 'allow'?"],
    [{ views: { 'A b': {} } }, 'views.A b'],
  ])('that are wrong are told: %j', async (content, said) => {
    await expect(load(content)).rejects.toMatchObject({
      code: 'STARLING_CONFIG_INVALID',
      message: expect.stringContaining(said) as string,
    });
  });

  it('do not take a view name that is none, and say what one is', async () => {
    await expect(load({ views: { 'A b': {} } })).rejects.toThrow(/1 to 32 of a-z, 0-9 and -/);
  });
});
