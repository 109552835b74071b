/** Servers that end, print garbage, are missing, or answer far too much: a node keeps running, and says so. */
import { beforeAll, describe, expect, it } from 'vitest';
import { textOf } from '../../../sim/client.ts';
import type { NodeProcess } from '../../../sim/process.ts';
import { SERVERS, attempt, ok, sees, status, upstream, useWorld } from '../support.ts';

const world = useWorld('file');
let alice: NodeProcess;

beforeAll(async () => {
  alice = await world.start('alice', {
    config: {
      mcpServers: {
        exits: SERVERS.fixture('exits.mjs'),
        garbage: SERVERS.fixture('garbage.mjs'),
        missing: { command: 'no-such-command-anywhere' },
        huge: SERVERS.fixture('huge.mjs'),
        good: SERVERS.toolbox(),
      },
    },
  });
});

describe('a node keeps running', () => {
  it('when an upstream exits at once, prints garbage, or never answers', async () => {
    const report = await status(alice);
    expect(upstream(report, 'good')).toMatchObject({ state: 'ready', tools: 4 });
    expect(upstream(report, 'exits').state).toBe('failed');
    expect(upstream(report, 'exits').error).toMatch(/exit/);
    expect(upstream(report, 'missing').error).toMatch(/no-such-command-anywhere/);
    expect(upstream(report, 'garbage').error ?? '').toMatch(/JSON-RPC/);
    const failed = await attempt(alice, 'call', 'exits__anything');
    expect(failed.code).toBe(1);
    expect(await ok(alice, 'call', 'good__echo', '--arg', 'message=still here')).toContain(
      'still here',
    );
  });

  it('when an upstream answers with 50 MB: the call fails by name of the limit', async () => {
    const bob = await world.start('bob', { args: ['--join', alice.up.ticket ?? ''] });
    await ok(alice, 'grant', 'create', bob.up.peerId, '--tool', 'huge/*');
    // A person who grants more servers at once than fit is told how many do.
    const servers = Array.from({ length: 17 }, (_, index) => ['--server', `s${index}`]);
    const many = ['grant', 'create', bob.up.peerId, ...servers.flat()];
    const refused = await attempt(alice, ...many);
    expect(refused.code).not.toBe(0);
    expect(refused.stderr).toContain('grant at most 16 servers at a time');
    expect((await attempt(alice, ...many.slice(0, -2))).code).toBe(0);
    await sees(bob, [alice]);
    for (const [node, tool] of [
      [alice, 'huge__huge'],
      [bob, 'alice__huge__huge'],
    ] as const) {
      const failed = await attempt(node, 'call', tool);
      expect(failed.code).toBe(1);
      expect(failed.stderr).toContain('limits.messageBytes');
    }
    const client = await world.http(bob);
    const small = await client.callTool({ name: 'alice__huge__small', arguments: {} });
    expect(textOf(small)).toBe('small');
  });
});
