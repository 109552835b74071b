/** The tools for API keys, as the operator calls them. */
import { describe, expect, it } from 'vitest';
import { keyTools } from '../../src/builtin/index.ts';
import { silentLogger } from '../../src/core/index.ts';
import type { JsonObject } from '../../src/core/index.ts';
import { createApiKeys } from '../../src/gateway/index.ts';
import type { BuiltinTool } from '../../src/gateway/index.ts';
import { createTestClock } from '../core/test-clock.ts';
import { memoryTable } from '../grants/memory-table.ts';

const clock = createTestClock();

function tools(): {
  readonly all: readonly BuiltinTool[];
  readonly call: (name: string, args?: JsonObject) => Promise<JsonObject>;
} {
  const keys = createApiKeys({ table: memoryTable(), clock, logger: silentLogger });
  const all = keyTools({ clock, keys });
  return {
    all,
    async call(name, args = {}) {
      const tool = all.find(({ definition }) => definition.name === name);
      if (tool === undefined) throw new Error(`no tool ${name}`);
      const principal = { kind: 'operator' } as const;
      return tool.call(args, { principal, signal: new AbortController().signal });
    },
  };
}

describe('the operator', () => {
  it('alone may make, see and end keys', () => {
    const { all } = tools();
    expect(all.map(({ definition }) => definition.name)).toEqual([
      'key_create',
      'key_list',
      'key_revoke',
    ]);
    expect(all.every(({ clients, peers }) => clients === 'no' && peers === 'no')).toBe(true);
  });

  it('sees a key once, and from then on only what it is for', async () => {
    const { call } = tools();
    const made = await call('key_create', {
      name: 'ci',
      scopes: ['tool:files/*'],
      expires_s: 60,
    });
    expect(made['key']).toMatch(/^starling_[0-9a-f]{12}_[\w-]{43}$/);
    const info = {
      id: String(made['key']).split('_')[1],
      name: 'ci',
      scopes: ['tool:files/*'],
      createdAt: clock.now(),
      expiresAt: clock.now() + 60_000,
      state: 'valid',
    };
    expect(made['info']).toEqual(info);
    expect(await call('key_list')).toEqual({ keys: [info] });
    clock.advance(60_000);
    expect(await call('key_list')).toEqual({ keys: [{ ...info, state: 'expired' }] });
    expect(await call('key_revoke', { key: 'ci' })).toMatchObject({ revoked: { name: 'ci' } });
    expect(await call('key_list')).toEqual({ keys: [] });
  });

  it('makes keys for everything, without end, where nothing else was said', async () => {
    const { info } = await tools().call('key_create', { name: 'ci' });
    expect(info).toMatchObject({ scopes: ['*'], state: 'valid' });
    expect(info).not.toHaveProperty('expiresAt');
  });

  it.each<[string, JsonObject, RegExp]>([
    ['key_create', {}, /name/],
    ['key_create', { name: 'ci', scopes: ['files/*'] }, /'files\/\*' is no scope/],
    ['key_create', { name: 'ci', scopes: [] }, /scopes/],
    ['key_create', { name: 'ci', expires_s: -1 }, /expires_s/],
    ['key_create', { name: 'ci', key: 'mine' }, /key/],
    ['key_revoke', { key: 'nobody' }, /no API key is called 'nobody'/],
  ])('is told what is wrong with %s %j', async (name, args, why) => {
    const calling = tools().call(name, args);
    await expect(calling).rejects.toMatchObject({ code: 'STARLING_USAGE' });
    await expect(calling).rejects.toThrow(why);
  });
});
