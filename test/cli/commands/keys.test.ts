/** `starling key …` against a double of the node. */
import { describe, expect, it } from 'vitest';
import type { JsonObject } from '../../../src/core/index.ts';
import { serving } from '../fake-node.ts';
import type { FakeNode } from '../fake-node.ts';
import { fakeNode, run } from '../support.ts';

const NOW = Date.now();
const KEY = `starling_0123456789ab_${'A'.repeat(43)}`;
const INFO = {
  id: '0123456789ab',
  name: 'ci',
  scopes: ['tool:files/*', 'prompt:files/*'],
  createdAt: NOW,
  expiresAt: NOW + 8 * 3_600_000 + 5000,
  state: 'valid',
} satisfies JsonObject;

const node = (results: Readonly<Record<string, JsonObject>>): Promise<FakeNode> =>
  fakeNode({ answer: serving(results) });

function argumentsOf(fake: FakeNode, tool: string): unknown {
  const call = fake.heard.find(({ params }) => params?.['name'] === `starling__${tool}`);
  return call?.params?.['arguments'];
}

describe('starling key create', () => {
  it('prints the key alone, and says beside it what it is for', async () => {
    const fake = await node({ key_create: { key: KEY, info: INFO } });
    const words = 'key create ci --scope tool:files/* --scope prompt:files/* --expires 8h';
    const ran = await run(...words.split(' '), '--state', fake.stateDir);
    expect(ran).toMatchObject({ code: 0, stdout: `${KEY}\n` });
    expect(ran.stderr).toContain('key ci may use tool:files/*, prompt:files/* for 8h');
    expect(ran.stderr).not.toContain(KEY);
    expect(argumentsOf(fake, 'key_create')).toEqual({
      name: 'ci',
      scopes: ['tool:files/*', 'prompt:files/*'],
      expires_s: 28_800,
    });
  });

  it('leaves scopes and time to the node where nobody named any; prints JSON too', async () => {
    const fake = await node({ key_create: { key: KEY, info: INFO } });
    const ran = await run('key', 'create', 'ci', '--json', '--state', fake.stateDir);
    expect(JSON.parse(ran.stdout)).toEqual({ key: KEY, info: INFO });
    expect(ran.stderr).toBe('');
    expect(argumentsOf(fake, 'key_create')).toEqual({ name: 'ci' });
  });
});

describe('starling key list', () => {
  it('shows name, id, state, end, last use and scopes', async () => {
    const old = { ...INFO, name: 'old', state: 'expired', lastUsedAt: NOW - 7_200_000 };
    const { stateDir } = await node({ key_list: { keys: [INFO, old] } });
    const { stdout } = await run('key', 'list', '--state', stateDir);
    const lines = stdout.trimEnd().split('\n');
    expect(lines[1]).toMatch(/ci +0123456789ab +valid +in 8h +never +tool:files\/\*, prompt/);
    expect(lines[2]).toMatch(/old +0123456789ab +expired +– +2h ago/);
  });

  it('says how to make one when there is none', async () => {
    const { stateDir } = await node({ key_list: { keys: [] } });
    const { stdout } = await run('key', 'list', '--state', stateDir);
    expect(stdout).toContain('starling key create');
  });
});

describe('starling key revoke', () => {
  it('names what it ended', async () => {
    const fake = await node({ key_revoke: { revoked: INFO } });
    const { stdout } = await run('key', 'revoke', 'ci', '--state', fake.stateDir);
    expect(stdout).toBe('revoked ci (0123456789ab): tool:files/*, prompt:files/*\n');
    expect(argumentsOf(fake, 'key_revoke')).toEqual({ key: 'ci' });
  });
});
