/** The main job, with real processes: a client on one node uses the tools of another. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ToolListChangedNotificationSchema } from '@modelcontextprotocol/sdk/types.js';
import { beforeAll, describe, expect, it } from 'vitest';
import { textOf } from '../../sim/client.ts';
import type { NodeProcess } from '../../sim/process.ts';
import { isLong } from '../long/extent.ts';
import {
  SERVERS,
  attempt,
  deferred,
  eventually,
  json,
  ok,
  sameListen,
  sees,
  toolNames,
  useWorld,
} from './support.ts';
import type { GrantCreateResult } from '../../src/index.ts';

/** The three nodes are one mesh for all tests of theirs, in their order. */
const world = useWorld('file');

/** alice owns the servers; bob and carol join by tickets. */
async function threeNodes(): Promise<Record<'alice' | 'bob' | 'carol', NodeProcess>> {
  const docs = join(await world.root(), 'docs');
  await mkdir(docs, { recursive: true });
  await writeFile(join(docs, 'hello.txt'), 'hello from alice');
  const alice = await world.start('alice', {
    config: {
      listen: sameListen(),
      mcpServers: {
        files: SERVERS.files(docs),
        everything: SERVERS.everything(),
        toolbox: SERVERS.toolbox(),
      },
    },
  });
  const bob = await world.start('bob', { args: ['--join', alice.up.ticket ?? ''] });
  const { ticket } = await json<{ ticket: string }>(bob, 'invite');
  const carol = await world.start('carol', { env: { STARLING_JOIN: ticket } });
  await Promise.all([
    sees(alice, [bob, carol]),
    sees(bob, [alice, carol]),
    sees(carol, [alice, bob]),
  ]);
  return { alice, bob, carol };
}

describe('a mesh of three processes, joined by tickets', () => {
  let alice: NodeProcess;
  let bob: NodeProcess;
  let carol: NodeProcess;
  beforeAll(async () => {
    ({ alice, bob, carol } = await threeNodes());
  });

  it('refuses without a grant, calls with one over stdio and HTTP, refuses after revoke', async () => {
    const path = join(await world.root(), 'docs', 'hello.txt');
    const http = await world.http(bob);
    const stdio = await world.stdio(bob);

    expect((await toolNames(http)).filter((name) => name.startsWith('alice__'))).toEqual([]);
    const read = { name: 'alice__files__read_text_file', arguments: { path } };
    await expect(http.callTool(read)).rejects.toThrow(
      /starling grant create bob --tool 'files\/read_text_file'/,
    );
    const refused = await attempt(bob, 'call', read.name, '--arg', `path=${path}`);
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain("starling grant create bob --tool 'files/read_text_file'");

    const changed = new Promise((resolve) => {
      http.setNotificationHandler(ToolListChangedNotificationSchema, resolve);
    });
    const created = await json<GrantCreateResult>(
      alice,
      'grant',
      'create',
      'bob',
      '--tool',
      'files/*',
    );
    await changed;
    await eventually(
      'bob lists the files tools',
      () => toolNames(http),
      (names) => names.includes(read.name),
    );
    expect(await toolNames(http)).not.toContain('alice__everything__echo');
    expect(textOf(await http.callTool(read))).toContain('hello from alice');
    expect(textOf(await stdio.callTool(read))).toContain('hello from alice');
    expect(await ok(bob, 'call', read.name, '--arg', `path=${path}`)).toContain('hello from alice');
    expect(await ok(bob, 'tools')).toContain(read.name);

    await ok(alice, 'grant', 'create', 'bob', '--tool', 'everything/echo');
    await eventually(
      'echo is listed',
      () => toolNames(stdio),
      (names) => names.includes('alice__everything__echo'),
    );
    const echo = { name: 'alice__everything__echo', arguments: { message: 'two peers away' } };
    expect(textOf(await stdio.callTool(echo))).toContain('two peers away');
    expect(textOf(await http.callTool(echo))).toContain('two peers away');

    await ok(alice, 'grant', 'revoke', created.grant.id);
    await expect(http.callTool(read)).rejects.toThrow(/revoked|no grant/i);
    await expect(stdio.callTool(read)).rejects.toThrow(/revoked|no grant/i);
    await eventually(
      'the files tools are gone',
      () => toolNames(http),
      (names) => !names.includes(read.name),
    );
    expect(textOf(await http.callTool(echo))).toContain('two peers away');
  });

  it('ends a call in flight when its grant is revoked', async () => {
    const grant = await json<GrantCreateResult>(
      alice,
      'grant',
      'create',
      'bob',
      '--tool',
      'toolbox/*',
    );
    const client = await world.http(bob);
    const progressed = deferred();
    const call = client.callTool(
      { name: 'alice__toolbox__wait', arguments: { ms: 30_000 } },
      undefined,
      { onprogress: () => progressed.resolve(), timeout: 60_000, resetTimeoutOnProgress: true },
    );
    const ended = expect(call).rejects.toThrow(/revoked|no grant/i);
    await progressed.promise;
    await ok(alice, 'grant', 'revoke', grant.grant.id);
    await ended;
  });

  it('survives kill -9 of the owner: the call fails clearly, the peer is dead, and comes back', async () => {
    await ok(alice, 'grant', 'create', 'bob', '--tool', 'toolbox/*');
    const client = await world.http(bob);
    const stdio = await world.stdio(bob);
    const tool = 'alice__toolbox__wait';
    await eventually(
      'listed',
      () => toolNames(client),
      (names) => names.includes(tool),
    );
    const progressed = deferred();
    const call = client.callTool({ name: tool, arguments: { ms: 60_000 } }, undefined, {
      onprogress: () => progressed.resolve(),
      timeout: 60_000,
      resetTimeoutOnProgress: true,
    });
    const failed = expect(call).rejects.toThrow(/alice.*(went away|unreachable|lost)/i);
    await progressed.promise;
    const identityBefore = alice.up.peerId;
    await alice.stop('SIGKILL');
    await failed;
    await Promise.all([sees(bob, [alice], 'dead'), sees(carol, [alice], 'dead')]);
    await eventually(
      'tools are gone',
      () => toolNames(client),
      (names) => !names.includes(tool),
    );

    alice = await world.start('alice', {
      config: {
        listen: sameListen(alice),
        mcpServers: { toolbox: SERVERS.toolbox() },
      },
    });
    expect(alice.up.peerId).toBe(identityBefore);
    await Promise.all([sees(bob, [alice]), sees(carol, [alice])]);
    await eventually(
      'tools are back',
      () => toolNames(client),
      (names) => names.includes(tool),
    );
    const echo = { name: 'alice__toolbox__echo', arguments: { message: 'back' } };
    expect(textOf(await client.callTool(echo))).toBe('back');
    expect(textOf(await stdio.callTool(echo))).toBe('back');
  });

  it('says goodbye on SIGTERM, so that the others see it left, and exits 0', async () => {
    expect(await carol.stop('SIGTERM')).toBe(0);
    await Promise.all([sees(alice, [carol], 'left'), sees(bob, [carol], 'left')]);
  });

  it('keeps key, token and folder private', async () => {
    const { stat } = await import('node:fs/promises');
    const mode = async (path: string): Promise<number> => (await stat(path)).mode & 0o777;
    expect(await mode(alice.stateDir)).toBe(0o700);
    expect(await mode(join(alice.stateDir, 'key'))).toBe(0o600);
    expect(await mode(alice.up.endpoints.tokenFile)).toBe(0o600);
    const key = JSON.parse(await readFile(join(alice.stateDir, 'key'), 'utf8')) as { seed: string };
    const token = (await readFile(alice.up.endpoints.tokenFile, 'utf8')).trim();
    const shown = (await ok(alice, 'status')) + (await ok(alice, 'status', '--json')) + alice.log();
    expect(shown).not.toContain(key.seed);
    expect(shown).not.toContain(token);
  });
});

describe('an open mesh, joined by a bare bootstrap multiaddr', () => {
  it('lets anybody in, and still nobody calls without a grant', async () => {
    const alice = await world.start('open-alice', {
      args: ['--open'],
      config: { mcpServers: { toolbox: SERVERS.toolbox() } },
    });
    const bob = await world.start('open-bob', {
      args: ['--bootstrap', alice.up.addresses[0] ?? ''],
    });
    // In `npm run long` the one that calls was let in by another that was.
    const guest = isLong
      ? await world.start('open-carol', { args: ['--bootstrap', bob.up.addresses[0] ?? ''] })
      : bob;
    await Promise.all([sees(alice, [bob, guest]), sees(guest, [alice])]);
    expect(guest.up.mesh.id).toBe(alice.up.mesh.id);
    const call = ['call', 'open-alice__toolbox__echo', '--arg', 'message=hi'];
    const refused = await attempt(guest, ...call);
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain(`starling grant create ${guest.name}`);
    await ok(alice, 'grant', 'create', guest.name, '--tool', 'toolbox/echo');
    expect(await ok(guest, ...call)).toContain('hi');
  });
});
