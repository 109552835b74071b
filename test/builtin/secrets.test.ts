/** The tools for secrets, as the operator calls them. */
import { describe, expect, it } from 'vitest';
import { secretTools } from '../../src/builtin/index.ts';
import { Secret, silentLogger } from '../../src/core/index.ts';
import type { JsonObject } from '../../src/core/index.ts';
import { createIdentity, sealerOf } from '../../src/identity/index.ts';
import { createTestClock } from '../core/test-clock.ts';
import { memoryTable } from '../grants/memory-table.ts';
import { createSecretStore } from '../../src/secrets/index.ts';

const clock = createTestClock();
const blind = 'b'.repeat(32);

function desk(running: readonly string[] = []) {
  const identity = createIdentity(Buffer.alloc(32, 1));
  const secrets = createSecretStore({
    table: memoryTable(),
    sealer: () => sealerOf(identity, 'secrets'),
    clock,
    logger: silentLogger,
  });
  const uses = new Secret([{ secret: 'USED' }, { secret: 'LACKED' }]);
  const server = { type: 'stdio', command: 'x', args: [], env: { K: uses } } as const;
  const base = { timeoutMs: 1, shared: false, peerRoots: false, idleMs: 0 };
  const all = secretTools({
    secrets,
    servers: () => ({ files: { ...server, ...base } }),
    changed: () => running,
  });
  return {
    all,
    call: (name: string, args: JsonObject = {}): Promise<JsonObject> => {
      const tool = all.find(({ definition }) => definition.name === name);
      if (tool === undefined) throw new Error(`no tool ${name}`);
      const principal = { kind: 'operator' } as const;
      return tool.call(args, { principal, signal: new AbortController().signal });
    },
  };
}

describe('the operator', () => {
  it('alone may set, see and remove secrets', () => {
    const { all } = desk();
    expect(all.map(({ definition }) => definition.name)).toEqual([
      'secret_set',
      'secret_list',
      'secret_remove',
    ]);
    expect(all.every(({ clients, peers }) => clients === 'no' && peers === 'no')).toBe(true);
  });

  it('hears who uses a secret and who lacks one, and never its value', async () => {
    const { call } = desk(['files']);
    const set = await call('secret_set', { name: 'USED', value: 'hunter2', blind });
    expect(set).toEqual({ name: 'USED', replaced: false, usedBy: ['files'], running: ['files'] });
    await call('secret_set', { name: 'IDLE', value: 'hunter3', blind });
    const list = await call('secret_list');
    expect(list).toEqual({
      secrets: [
        { name: 'IDLE', setAt: clock.now(), usedBy: [] },
        { name: 'USED', setAt: clock.now(), usedBy: ['files'] },
        { name: 'LACKED', usedBy: ['files'] },
      ],
    });
    expect(JSON.stringify([set, list])).not.toContain('hunter');
    const removed = await call('secret_remove', { name: 'USED' });
    expect(removed).toEqual({ name: 'USED', removed: true, usedBy: ['files'] });
    expect(await call('secret_remove', { name: 'USED' })).toMatchObject({ removed: false });
  });

  it('must blind what the audit log hashes', async () => {
    await expect(desk().call('secret_set', { name: 'A', value: 'hunter2' })).rejects.toMatchObject({
      code: 'STARLING_USAGE',
      message: expect.not.stringContaining('hunter2') as string,
    });
  });
});
