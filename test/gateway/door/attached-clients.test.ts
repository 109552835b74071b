/** Names of clients: one name is one client, however it attaches. */
import { describe, expect, it } from 'vitest';
import { silentLogger } from '../../../src/core/index.ts';
import { createApiKeys } from '../../../src/gateway/door/api-keys.ts';
import type { ApiKeys } from '../../../src/gateway/door/api-keys.ts';
import { digestOf } from '../../../src/gateway/door/bearer.ts';
import { createAttachedClients } from '../../../src/gateway/door/attached-clients.ts';
import type { AttachedClients } from '../../../src/gateway/door/attached-clients.ts';
import { ATTACHED_SCOPES, OPERATOR, WATCHING } from '../../../src/guard/index.ts';
import type { Table } from '../../../src/store/index.ts';
import { createTestClock } from '../../core/test-clock.ts';
import { memoryTable } from '../../grants/memory-table.ts';

interface Bench {
  readonly clients: AttachedClients;
  readonly keys: ApiKeys;
}

async function benchOf(
  tables: { readonly names: Table; readonly keys: Table } = {
    names: memoryTable(),
    keys: memoryTable(),
  },
): Promise<Bench> {
  const keys: ApiKeys = createApiKeys({
    table: tables.keys,
    holderOf: (name) => clients.holderOf(name),
    clock: createTestClock(),
    logger: silentLogger,
  });
  const clients = createAttachedClients({ table: tables.names, keys, logger: silentLogger });
  await keys.load();
  await clients.load();
  return { clients, keys };
}

const CURSOR = { name: 'cursor', program: 'cursor', byKey: false };

describe('who attaches on this machine', () => {
  it('is whom it says: the operator, a client by its name, or one that nobody named', async () => {
    const { clients } = await benchOf();
    expect(clients.principalOf('operator')).toBe(OPERATOR);
    expect(clients.principalOf('watching')).toBe(WATCHING);
    expect(clients.principalOf()).toMatchObject({ kind: 'client', name: 'local' });
    expect(clients.principalOf('client:local')).toBe(clients.principalOf());
    const cursor = clients.principalOf('client:cursor');
    expect(cursor).toEqual({
      kind: 'client',
      name: 'cursor',
      scopes: ATTACHED_SCOPES,
      person: true,
    });
    expect(clients.principalOf('client:cursor')).toBe(cursor);
    expect(clients.tcp).toEqual({ kind: 'client', name: 'tcp', scopes: ATTACHED_SCOPES });
  });

  it.each([
    'client:',
    'client:operator',
    'client:tcp',
    'client:Cursor',
    'client:cursоr',
    'client:a b',
    `client:${'a'.repeat(33)}`,
    'Operator',
    'operator ',
    'peer:bob',
    '',
    null,
    7,
    ['operator'],
    { toString: 'operator' },
  ])('is nobody as %j', async (as) => {
    const { clients } = await benchOf();
    expect(() => clients.principalOf(as)).toThrow(/nobody attaches here as/);
  });
});

describe('one name', () => {
  it('is one client: no key takes the name of one that is connected, or was attached', async () => {
    const { clients, keys } = await benchOf();
    await clients.connect(CURSOR);
    clients.principalOf('client:by-hand');
    for (const name of ['cursor', 'by-hand']) {
      const made = keys.create({ name, scopes: ['*'] });
      await expect(made).rejects.toThrow(`the name '${name}' belongs to`);
    }
    for (const name of ['local', 'tcp', 'operator']) {
      await expect(keys.create({ name, scopes: ['*'] })).rejects.toThrow("can't be the name");
    }
  });

  it('of a key is no other client’s, here or over HTTP', async () => {
    const { clients, keys } = await benchOf();
    await keys.create({ name: 'cursor', scopes: ['*'] });
    expect(() => clients.principalOf('client:cursor')).toThrow('belongs to an API key');
    await expect(clients.connect(CURSOR)).rejects.toThrow('belongs to an API key');
    await expect(clients.connect({ ...CURSOR, byKey: true })).rejects.toThrow('an API key');
    expect(await clients.disconnect(CURSOR)).toBe(false);
    expect(keys.list()).toHaveLength(1);
  });

  it('of one program is refused to another, also after a restart, until it is given back', async () => {
    const tables = { names: memoryTable(), keys: memoryTable() };
    const before = await benchOf(tables);
    await before.clients.connect({ ...CURSOR, name: 'work' });
    const { clients, keys } = await benchOf(tables);
    const other = { name: 'work', program: 'vscode', byKey: false };
    await expect(clients.connect(other)).rejects.toThrow("the name 'work' belongs to cursor");
    expect(await clients.disconnect(other)).toBe(false);
    expect(await clients.disconnect({ name: 'work', program: 'cursor' })).toBe(true);
    await clients.connect(other);
    await expect(keys.create({ name: 'work', scopes: ['*'] })).rejects.toThrow('vscode');
  });
});

describe('a client that is connected over HTTP', () => {
  it('has what every attached client has, and its owner sits before it', async () => {
    const tables = { names: memoryTable(), keys: memoryTable() };
    const { clients } = await benchOf(tables);
    const { key } = await clients.connect({ ...CURSOR, byKey: true });
    const token = key?.reveal() ?? '';
    const { keys } = await benchOf(tables);
    expect(keys.check(token, digestOf(token))?.principal).toEqual({
      kind: 'client',
      name: 'cursor',
      scopes: ATTACHED_SCOPES,
      person: true,
    });
  });

  it('has one key at a time, and none once it comes otherwise or is disconnected', async () => {
    const { clients, keys } = await benchOf();
    const first = (await clients.connect({ ...CURSOR, byKey: true })).key?.reveal() ?? '';
    const second = (await clients.connect({ ...CURSOR, byKey: true })).key?.reveal() ?? '';
    expect(keys.check(first, digestOf(first))).toBeUndefined();
    expect(keys.check(second, digestOf(second))).toBeDefined();
    await clients.connect(CURSOR);
    expect(keys.list()).toEqual([]);
    await clients.connect({ ...CURSOR, byKey: true, scopes: ['tool:files/*'] });
    expect(keys.list()).toMatchObject([{ name: 'cursor', scopes: ['tool:files/*'] }]);
    expect(await clients.disconnect(CURSOR)).toBe(true);
    expect(keys.list()).toEqual([]);
  });

  it('of an API key that a person made by hand nobody is asked', async () => {
    const { keys } = await benchOf();
    const { key } = await keys.create({ name: 'bot', scopes: ['*'] });
    const credential = keys.check(key.reveal(), digestOf(key.reveal()));
    expect(credential?.principal).not.toHaveProperty('person');
  });
});
