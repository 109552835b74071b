/** Named API keys: made once, shown once, stored as a hash, ended at once. */
import { describe, expect, it } from 'vitest';
import { silentLogger } from '../../../src/core/index.ts';
import { createApiKeys } from '../../../src/gateway/door/api-keys.ts';
import type { ApiKeys } from '../../../src/gateway/door/api-keys.ts';
import { digestOf } from '../../../src/gateway/door/bearer.ts';
import type { Credential } from '../../../src/gateway/door/types.ts';
import type { Write } from '../../../src/store/index.ts';
import { createTestClock } from '../../core/test-clock.ts';
import { memoryTable } from '../../grants/memory-table.ts';

const HOUR_MS = 3_600_000;

interface Fixture {
  readonly clock: ReturnType<typeof createTestClock>;
  readonly table: ReturnType<typeof memoryTable>;
  readonly keys: ApiKeys;
  /** The keys as they are after a restart. */
  readonly again: () => Promise<ApiKeys>;
}

async function fixture(): Promise<Fixture> {
  const clock = createTestClock();
  const table = memoryTable();
  const again = async (): Promise<ApiKeys> => {
    const keys = createApiKeys({ table, clock, logger: silentLogger });
    await keys.load();
    return keys;
  };
  return { clock, table, keys: await again(), again };
}

const check = (keys: ApiKeys, token: string): Credential | undefined =>
  keys.check(token, digestOf(token));

describe('an API key', () => {
  it('lets its holder in with its scopes, after a restart too', async () => {
    const { keys, again } = await fixture();
    const { key, info } = await keys.create({ name: 'ci', scopes: ['tool:files/*'] });
    expect(key.reveal()).toMatch(/^starling_[0-9a-f]{12}_[\w-]{43}$/);
    const credential = {
      id: `key:${info.id}`,
      principal: { kind: 'client', name: 'ci', scopes: ['tool:files/*'] },
    };
    expect(check(keys, key.reveal())).toEqual(credential);
    expect(check(await again(), key.reveal())).toEqual(credential);
  });

  it('that is used while it is revoked does not come back with the next start', async () => {
    const { keys, again, clock, table } = await fixture();
    const { key } = await keys.create({ name: 'ci', scopes: ['*'] });
    clock.advance(HOUR_MS);
    let write: () => void = () => undefined;
    const slow = new Promise<void>((resolve) => {
      write = resolve;
    });
    // Writes are made in the order in which they were asked for, and told when the disk has them.
    const late =
      <A>(write: (what: A) => Promise<void>) =>
      async (what: A) => {
        await write(what);
        await slow;
      };
    const { rows: _, ...before } = table;
    table.batch = late((writes: readonly Write[]) => before.batch(writes));
    table.delete = late((name: string) => before.delete(name));
    const revoked = keys.revoke('ci');
    expect(check(keys, key.reveal())).toBeDefined();
    write();
    await revoked;
    expect(check(keys, key.reveal())).toBeUndefined();
    expect(check(await again(), key.reveal())).toBeUndefined();
  });

  it('is stored as a hash, and never printed', async () => {
    const { keys, table } = await fixture();
    const { key, info } = await keys.create({ name: 'ci', scopes: ['*'] });
    const secret = key.reveal().split('_').slice(2).join('_');
    const stored = Buffer.concat([...table.rows.values()]).toString();
    expect(stored).toContain(info.id);
    expect(stored).not.toContain(secret);
    expect(JSON.stringify([keys.list(), key])).not.toContain(secret);
  });

  it('is nothing when any part of it is another', async () => {
    const { keys } = await fixture();
    const key = (await keys.create({ name: 'a', scopes: ['*'] })).key.reveal();
    const other = (await keys.create({ name: 'b', scopes: ['*'] })).key.reveal();
    const [, id = '', ...rest] = key.split('_');
    const [, otherId = ''] = other.split('_');
    const last = key.endsWith('A') ? 'B' : 'A';
    for (const forged of [
      `starling_${otherId}_${rest.join('_')}`,
      `starling_${id}_${'A'.repeat(43)}`,
      `${key.slice(0, -1)}${last}`,
      `${key}A`,
      key.slice(0, -1),
      key.toUpperCase(),
      `starling_${id}_`,
      '',
    ]) {
      expect(check(keys, forged)).toBeUndefined();
    }
  });

  it('ends at once when it is revoked, by name, id or the beginning of that, and whoever listens hears it', async () => {
    const { keys, again } = await fixture();
    const heard: string[] = [];
    keys.events.on('revoked', (credential) => heard.push(credential));
    const one = await keys.create({ name: 'one', scopes: ['*'] });
    const two = await keys.create({ name: 'two', scopes: ['*'] });
    const three = await keys.create({ name: 'three', scopes: ['*'] });
    await keys.revoke('one');
    await keys.revoke(two.info.id);
    await expect(keys.revoke(three.info.id.slice(0, 3))).rejects.toThrow(/too short for a key/);
    await keys.revoke(three.info.id.slice(0, 4));
    expect(heard).toEqual([one, two, three].map(({ info }) => `key:${info.id}`));
    expect(check(keys, one.key.reveal())).toBeUndefined();
    expect(check(await again(), two.key.reveal())).toBeUndefined();
    await expect(keys.revoke('one')).rejects.toThrow(/no API key is called 'one'/);
  });

  it('lets nobody in when its time is over', async () => {
    const { keys, clock } = await fixture();
    const expiresAt = clock.now() + HOUR_MS;
    const { key } = await keys.create({ name: 'ci', scopes: ['*'], expiresAt });
    clock.advance(HOUR_MS - 1);
    expect(check(keys, key.reveal())?.expiresAt).toBe(expiresAt);
    clock.advance(1);
    expect(check(keys, key.reveal())).toBeUndefined();
    expect(keys.list()).toHaveLength(1);
  });

  it('says when it was used last, to a minute, after a restart too', async () => {
    const { keys, clock, again } = await fixture();
    const { key } = await keys.create({ name: 'ci', scopes: ['*'] });
    const usedAt = clock.now();
    check(keys, key.reveal());
    clock.advance(30_000);
    check(keys, key.reveal());
    expect(keys.list()[0]?.lastUsedAt).toBe(usedAt);
    expect((await again()).list()[0]?.lastUsedAt).toBe(usedAt);
    clock.advance(30_000);
    check(keys, key.reveal());
    expect(keys.list()[0]?.lastUsedAt).toBe(usedAt + 60_000);
  });

  it.each([
    [{ name: 'CI', scopes: ['*'] }, /'CI' can't be the name/],
    [{ name: 'ci', scopes: [] }, /1 to 64 scopes/],
    [{ name: 'ci', scopes: ['files/*'] }, /'files\/\*' is no scope/],
    [{ name: 'ci', scopes: ['*'], expiresAt: 5 }, /expired already/],
    [{ name: 'taken', scopes: ['*'] }, /a key 'taken' already/],
  ])('can not be made as %o', async (init, why) => {
    const { keys } = await fixture();
    await keys.create({ name: 'taken', scopes: ['*'] });
    await expect(keys.create(init)).rejects.toThrow(why);
    expect(keys.list()).toHaveLength(1);
  });

  it('is one of a name, also when two are asked for at once', async () => {
    const { keys } = await fixture();
    const made = await Promise.allSettled(
      [1, 2].map(() => keys.create({ name: 'ci', scopes: ['*'] })),
    );
    expect(made.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
  });

  it('that was damaged on disk is left out, and the others hold', async () => {
    const { keys, table, again } = await fixture();
    const { key } = await keys.create({ name: 'good', scopes: ['*'] });
    table.rows.set('000000000000', Buffer.from('{"name":"x"'));
    table.rows.set('000000000001', Buffer.from('null'));
    table.rows.set(
      '000000000002',
      Buffer.from('{"name":"x","scopes":["*"],"createdAt":1,"sha256":""}'),
    );
    const restarted = await again();
    expect(restarted.list().map(({ name }) => name)).toEqual(['good']);
    expect(check(restarted, key.reveal())).toBeDefined();
  });

  it('is not left behind when the disk fails', async () => {
    const { keys, table } = await fixture();
    table.put = () => Promise.reject(new Error('disk full'));
    await expect(keys.create({ name: 'ci', scopes: ['*'] })).rejects.toThrow('disk full');
    expect(keys.list()).toEqual([]);
  });

  it('whose revocation could not be stored goes on, until it is revoked again', async () => {
    const { keys, table, again } = await fixture();
    const { key } = await keys.create({ name: 'ci', scopes: ['*'] });
    const forget = table.delete.bind(table);
    table.delete = () => Promise.reject(new Error('disk full'));
    await expect(keys.revoke('ci')).rejects.toThrow('disk full');
    expect(check(keys, key.reveal())).toBeDefined();
    expect(keys.list()).toHaveLength(1);
    table.delete = forget;
    await keys.revoke('ci');
    expect(check(keys, key.reveal())).toBeUndefined();
    expect(check(await again(), key.reveal())).toBeUndefined();
  });
});
