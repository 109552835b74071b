/** A node whose disk is full: what it says, what goes on, and how it comes back. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { StartFailedError } from '../../../sim/process.ts';
import type { NodeProcess } from '../../../sim/process.ts';
import { attach } from '../../../src/cli/node/client.ts';
import type { JsonObject, StarlingError } from '../../../src/core/index.ts';
import type { KeyCreateResult, KeyListResult } from '../../../src/builtin/results.ts';
import type { BoardListResult, GrantCreateResult, GrantListResult } from '../../../src/index.ts';
import { createSmallDisk, smallDiskMissing } from '../../store/small-disk.ts';
import { eventually, ok, status, useWorld } from '../support.ts';

const world = useWorld();
const missing = await smallDiskMissing();
if (missing !== undefined) process.stderr.write(`skipped: ${missing}\n`);

/** What may have found room. */
const FILLER = 'filler';
const GUEST = 'did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK';

async function readyz(node: NodeProcess): Promise<string> {
  const response = await fetch(new URL('/readyz', node.up.endpoints.url));
  return `${response.status} ${(await response.text()).trim()}`;
}

const codes = (node: NodeProcess): Promise<readonly string[]> =>
  status(node).then(({ warnings }) => warnings.map(({ code }) => code));

/** What a tool of the built-in server gives, over one client: a process for each question costs too much. */
async function ask<T>(node: NodeProcess, tool: string, args: JsonObject = {}): Promise<T> {
  const client = await attach(node.stateDir);
  try {
    return await client.builtin<T>(tool, args);
  } finally {
    client.close();
  }
}

/** Writes until that is refused: the last pages of files may have room. */
async function untilRefused(node: NodeProcess, code: string): Promise<void> {
  const args = { board: 'plans', key: FILLER, value: 'x'.repeat(8000), create: true };
  const write = (): Promise<string> =>
    ask(node, 'board_set', args).then(
      () => 'fine',
      (error: unknown) => (error as StarlingError).code,
    );
  await expect.poll(write, { timeout: 60_000, interval: 1 }).toBe(code);
}

async function keysOf(node: NodeProcess): Promise<readonly string[]> {
  const { entries } = await ask<BoardListResult>(node, 'board_list', { board: 'plans' });
  return (entries ?? []).map(({ key }) => key).filter((key) => key !== FILLER);
}

async function stateOf(node: NodeProcess, id: string): Promise<string | undefined> {
  const { grants } = await ask<GrantListResult>(node, 'grant_list');
  return grants.find((grant) => grant.id === id)?.state;
}

/** What somebody could show to be let in: the node's token, the names of keys, and the tickets that are open. */
async function waysIn(node: NodeProcess): Promise<readonly unknown[]> {
  const { keys } = await ask<KeyListResult>(node, 'key_list');
  const { grants } = await ask<GrantListResult>(node, 'grant_list', { all: true });
  return [
    await readFile(join(node.stateDir, 'token'), 'utf8'),
    keys.map(({ name }) => name),
    grants.filter(({ state }) => state === 'valid').map(({ id }) => id),
  ];
}

async function refused(node: NodeProcess, ...args: string[]): Promise<string> {
  const { code, stderr } = await node.run(args);
  expect([args.join(' '), code]).toEqual([args.join(' '), 1]);
  return stderr;
}

describe.skipIf(missing !== undefined)('a node on a disk that is full', () => {
  it('says so, can be read, changes nothing, and goes on by itself when there is room', async () => {
    const disk = await createSmallDisk(64 * 1024 * 1024);
    world.defer(() => disk.remove());
    // The audit log would refuse all else before the database is asked.
    const init = { root: disk.path, config: { audit: { enabled: false } } };
    const node = await world.start('alice', init);
    const entry = { board: 'plans', key: 'kept', value: 1 };
    await ask(node, 'board_set', { ...entry, create: true });
    const wanted = { peer: GUEST, tools: ['files/*'] };
    const { id } = (await ask<GrantCreateResult>(node, 'grant_create', wanted)).grant;
    const before = await waysIn(node);

    await disk.fill();
    await untilRefused(node, 'STARLING_STATE_UNUSABLE');
    const why = await refused(node, 'board', 'set', 'plans', 'refused', '2');
    expect(why).toContain('the disk is full');
    expect(why).toContain('free space');
    expect(why).not.toMatch(/\bmove\b/);
    await refused(node, 'grant', 'revoke', id);
    await refused(node, 'secret', 'set', 'NAME', '--file', '/etc/hostname');
    const full = { code: 'STARLING_STATE_UNUSABLE' };
    await expect(ask(node, 'invite_create')).rejects.toMatchObject(full);
    await expect(ask(node, 'key_create', { name: 'ci' })).rejects.toMatchObject(full);
    expect(await waysIn(node)).toEqual(before);

    expect(await readyz(node)).toBe('503 not ready: its database can not be written');
    expect(await codes(node)).toContain('state-unwritable');
    const doctor = await node.run(['doctor']);
    expect([doctor.code, doctor.stdout]).toEqual([1, expect.stringContaining('the disk is full')]);
    expect(await keysOf(node)).toEqual(['kept']);
    expect(await stateOf(node, id)).toBe('valid');

    await disk.free();
    await eventually(
      'ready',
      () => readyz(node),
      (text) => text === '200 ready',
    );
    expect(await codes(node)).not.toContain('state-unwritable');
    await ask(node, 'board_set', { ...entry, key: 'after' });
    await ok(node, 'grant', 'revoke', id);
    const { key } = await ask<KeyCreateResult>(node, 'key_create', { name: 'ci' });
    await ask(node, 'invite_create');
    await ask(node, 'token_rotate');
    const after = await waysIn(node);
    await node.stop('SIGKILL');

    const again = await world.start('alice', init);
    expect(await keysOf(again)).toEqual(['after', 'kept']);
    expect(await stateOf(again, id)).toBe('revoked');
    // What was told before the node was killed lets in, and nothing that was refused does.
    expect(await waysIn(again)).toEqual(after);
    expect(before[0]).not.toBe(after[0]);
    const headers = { authorization: `Bearer ${key}` };
    const mcp = new URL('/mcp', again.up.endpoints.url);
    expect((await fetch(mcp, { method: 'DELETE', headers })).status).not.toBe(401);
    await again.stop();

    await disk.fill();
    const failed = await world.start('alice', init).catch((error: unknown) => error);
    expect(failed).toBeInstanceOf(StartFailedError);
    const { output } = failed as StartFailedError;
    expect(output).toContain('the disk is full');
    expect(output).not.toMatch(/\bmove\b/);
  });

  it('lets the operator read while the audit log can not be written', async () => {
    const disk = await createSmallDisk(64 * 1024 * 1024);
    world.defer(() => disk.remove());
    const node = await world.start('alice', { root: disk.path });
    await ok(node, 'board', 'set', 'plans', 'kept', '1', '--create');
    await disk.fill();
    await untilRefused(node, 'STARLING_AUDIT_UNAVAILABLE');
    for (const args of [
      ['status'],
      ['grant', 'list'],
      ['audit', 'verify'],
      ['board', 'list', 'plans'],
    ])
      await ok(node, ...args);
    await disk.free();
    await eventually(
      'ready',
      () => readyz(node),
      (text) => text === '200 ready',
    );
    await ok(node, 'board', 'set', 'plans', 'after', '3');
    expect(await ok(node, 'audit', 'verify')).toBeDefined();
  });
});
