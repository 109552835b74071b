/** What a person can get wrong: each gives one clear message, and never a crash or a hang. */
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { StartFailedError } from '../../../sim/process.ts';
import type { NodeProcess, ProcessInit } from '../../../sim/process.ts';
import { eventually, ok, sees, status, useWorld } from '../support.ts';
import { someOf } from '../../long/extent.ts';
import { longIt } from '../../long/long-it.ts';

const world = useWorld('file');
/** A node that runs, with a mesh of its own. */
let alice: NodeProcess;
/** A node that ran, with another mesh of its own. */
let stopped: NodeProcess;

beforeAll(async () => {
  [alice, stopped] = await Promise.all([world.start('alice'), world.start('stopped')]);
  await stopped.stop();
});

/** Starts a node that must refuse to start; gives its exit code and what it printed. */
async function refuses(name: string, init: Partial<ProcessInit>): Promise<StartFailedError> {
  try {
    await world.start(name, init);
  } catch (error) {
    if (error instanceof StartFailedError) return error;
    throw error;
  }
  throw new Error(`${name} started, but should have refused`);
}

describe('a node refuses to start, and says why', () => {
  it('with a damaged key', async () => {
    const key = join(stopped.stateDir, 'key');
    const before = await readFile(key, 'utf8');
    await writeFile(key, before.slice(0, 20));
    const failed = await refuses('stopped', {});
    expect(failed.code).toBe(1);
    expect(failed.output).toContain(key);
    expect(failed.output).toContain('STARLING_KEY_UNUSABLE');
    expect(await readFile(key, 'utf8')).toBe(before.slice(0, 20));
    await writeFile(key, before);
  });

  longIt('with a key that others can read', async () => {
    const key = join(stopped.stateDir, 'key');
    await chmod(key, 0o644);
    const failed = await refuses('stopped', {});
    expect(failed.code).toBe(1);
    expect(failed.output).toMatch(/chmod 600/);
    await chmod(key, 0o600);
  });

  it('with an unknown key in its config', async () => {
    const failed = await refuses('nobody', { config: { mcpServer: {} } });
    expect(failed.code).toBe(2);
    expect(failed.output).toContain('mcpServer');
    expect(failed.output).toContain('mcpServers');
  });

  // Why a start fails is held piece by piece: of each exit code one such start is tried by a process.
  longIt('while another node uses its state folder', async () => {
    const failed = await refuses('alice', {});
    expect(failed.code).toBe(1);
    expect(failed.output).toContain('STARLING_STATE_LOCKED');
  });

  it.each(someOf(['http', 'libp2p'], () => false))('on a taken %s port', async (kind) => {
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
    world.defer(() => taken.close());
    const { port } = taken.address() as AddressInfo;
    const config =
      kind === 'http' ? { http: { port } } : { listen: [`/ip4/127.0.0.1/tcp/${port}`] };
    const failed = await refuses('nobody', { config });
    expect(failed.code).toBe(1);
    expect(failed.output).toContain(String(port));
    expect(failed.output).toContain('STARLING_LISTEN_FAILED');
  });

  longIt('with a ticket that is none', async () => {
    const failed = await refuses('nobody', { args: ['--join', 'starling1notaticket'] });
    expect(failed.output).toContain('STARLING_TICKET_INVALID');
  });

  longIt('with an expired ticket', async () => {
    const made = JSON.parse(await ok(alice, 'invite', '--expires', '1s', '--json')) as {
      ticket: string;
      expiresAt: number;
    };
    await eventually(
      'the ticket has expired',
      async () => Date.now(),
      (now) => now > made.expiresAt,
      90_000,
    );
    const failed = await refuses('bob', { args: ['--join', made.ticket] });
    expect(failed.code).toBe(1);
    expect(failed.output).toContain('STARLING_TICKET_EXPIRED');
  });

  longIt('with a ticket for another mesh than its own', async () => {
    const failed = await refuses('stopped', { args: ['--join', alice.up.ticket ?? ''] });
    expect(failed.code).toBe(1);
    expect(failed.output).toContain('STARLING_MESH_MISMATCH');
  });

  it('with the bare address of a private mesh', async () => {
    const failed = await refuses('bob', { args: ['--bootstrap', alice.up.addresses[0] ?? ''] });
    expect(failed.code).toBe(1);
    expect(failed.output).toMatch(/ticket/);
  });
});

describe('a node keeps running', () => {
  it('when its bootstrap address is unreachable, and says so', async () => {
    const nobody = '/ip4/127.0.0.1/tcp/9/p2p/12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp';
    const lonely = await world.start('lonely', { args: ['--open', '--bootstrap', nobody] });
    await eventually(
      'the failure is said',
      async () => lonely.log(),
      (log) => log.includes('127.0.0.1:9'),
    );
    expect((await status(lonely)).name).toBe('lonely');
    await lonely.stop();
  });

  it('when nobody runs: commands say how to start one', async () => {
    const state = join(await world.root(), 'nowhere');
    await mkdir(state, { mode: 0o700 });
    const commands = [['status'], ['mcp'], ['peers'], ['tools']];
    for (const command of someOf(commands, (_, index) => index < 2)) {
      const result = await world.cli([...command, '--state', state]);
      expect(result.code).toBe(1);
      expect(result.stderr).toContain('starling up');
    }
  });
});

describe('a ticket that was used', () => {
  it('lets nobody else in, and its user keeps its identity, its mesh and its name after a restart', async () => {
    const join = { args: ['--join', alice.up.ticket ?? ''] };
    const bob = await world.start('bob', join);
    await sees(alice, [bob]);
    const failed = await refuses('carol', join);
    expect(failed.code).toBe(1);
    expect(failed.output).toContain('STARLING_TICKET_SPENT');
    await bob.stop();
    const again = await world.start('bob');
    expect(again.up.peerId).toBe(bob.up.peerId);
    expect(again.up.mesh).toEqual(alice.up.mesh);
    await sees(again, [alice]);
  });
});
