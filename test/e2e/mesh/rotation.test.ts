/** Three processes, and one of them changes its key: nobody retypes anything. */
import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import type { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { beforeAll, describe, expect, it } from 'vitest';
import type { PeersResult } from '../../../src/index.ts';
import { runCli } from '../../../sim/process.ts';
import type { NodeProcess } from '../../../sim/process.ts';
import {
  CLI,
  SERVERS,
  eventually,
  grantList,
  ok,
  peers,
  sees,
  status,
  ticketOf,
  useWorld,
} from '../support.ts';

const world = useWorld('file');
const CONFIG = {
  heartbeat: { intervalMs: 1000 },
  // A sandbox is three processes more, at each of the starts.
  mcpServers: { toolbox: { ...SERVERS.toolbox(), sandbox: false } },
};

/** One mesh for all tests: each changes the keys of others of its nodes. */
let alice: NodeProcess;
let bob: NodeProcess;
let carol: NodeProcess;

/** Stops a node, changes its key, and starts it again. */
async function rotate(node: NodeProcess, start = true): Promise<NodeProcess> {
  await node.stop();
  const out = await ok(node, 'identity', 'rotate');
  expect(out).toContain('this node has a new key');
  return start ? world.start(node.name, { config: CONFIG }) : node;
}

beforeAll(async () => {
  alice = await world.start('alice', { config: CONFIG });
  const start = async (name: string): Promise<NodeProcess> =>
    world.start(name, { config: CONFIG, args: ['--join', await ticketOf(alice)] });
  bob = await start('bob');
  carol = await start('carol');
  await sees(bob, [alice, carol]);
  await sees(carol, [alice, bob]);
});

const adds = async (client: Client, tool: string): Promise<string> => {
  const result = await client.callTool({ name: tool, arguments: { a: 1, b: 2 } });
  return JSON.stringify(result.content);
};

/** Asks until the call is answered: the peer has to be met again first. */
const goesOn = (client: Client, tool: string): Promise<string> =>
  eventually(
    tool,
    () => adds(client, tool).catch((error: unknown) => String(error)),
    (said) => said.includes('"3"'),
  );

const alias = async (
  who: NodeProcess,
  whom: NodeProcess,
): Promise<PeersResult['peers'][number]> => {
  const found = (await peers(who)).peers.find(({ peerId }) => peerId === whom.up.peerId);
  if (found === undefined) throw new Error(`${who.name} does not know ${whom.name}`);
  return found;
};

describe('a node that changes its key', () => {
  it('can not do it while it runs, and says what to do', async () => {
    const result = await runCli(CLI, ['identity', 'rotate', '--state', alice.stateDir]);
    expect(result).toMatchObject({ code: 1 });
    expect(result.stderr).toContain('STARLING_STATE_LOCKED');
    expect(result.stderr).toContain('starling up');
    expect((await status(alice)).did).toBe(alice.up.did);
  });

  it('is a member that does it twice while another is away: its name and what it gave are found again', async () => {
    await ok(bob, 'grant', 'create', 'carol', '--tool', 'toolbox/*');
    await ok(carol, 'grant', 'create', 'bob', '--tool', 'toolbox/*');
    await goesOn(await world.stdio(carol), 'bob__toolbox__add');
    await carol.stop();
    const copy = join(await world.root(), 'stolen');
    await rotate(bob, false);
    await cp(bob.stateDir, copy, { recursive: true });
    const now = await rotate(bob);
    await sees(alice, [now]);
    const back = await world.start('carol', { config: CONFIG });
    await sees(back, [now]);
    await goesOn(await world.stdio(back), 'bob__toolbox__add');
    await goesOn(await world.stdio(now), 'carol__toolbox__add');
    await eventually(
      'both former keys are known',
      () => alias(back, now),
      ({ formerly }) => formerly?.length === 2,
    );
    await now.stop();
    // Who has the folder of a key that was changed since is told so, and gets nowhere.
    const thief = await world.start('thief', { config: CONFIG, args: ['--state', copy] });
    await eventually(
      'the old key is refused',
      async () => thief.log(),
      (log) => log.includes('is retired'),
    );
    await eventually(
      'alice sees carol, and nobody with a key of bob',
      async () => {
        const { peers: seen } = await peers(alice);
        return seen.filter(({ state }) => state === 'alive').map(({ peerId }) => peerId);
      },
      (alive) => alive.join() === back.up.peerId,
    );
    await thief.stop();
    carol = back;
    bob = await world.start('bob', { config: CONFIG });
    await sees(bob, [alice, carol]);
    await sees(carol, [alice, bob]);
  });

  it('is the founder and owner: members, grants, delegations and used-up uses stay', async () => {
    await ok(
      alice,
      'grant',
      'create',
      'bob',
      '--tool',
      'toolbox/*',
      '--uses',
      '4',
      '--max-depth',
      '1',
      '--expires',
      '1h',
    );
    const atBob = await world.stdio(bob);
    const atCarol = await world.stdio(carol);
    await goesOn(atBob, 'alice__toolbox__add');
    const received = await eventually(
      'bob holds the grant',
      async () =>
        (await grantList(bob)).grants.find(
          ({ direction, capabilities, with: from }) =>
            direction === 'received' &&
            from === 'alice' &&
            capabilities[0]?.resource === 'tool:toolbox/*',
        ),
      (grant) => grant !== undefined,
    );
    await ok(bob, 'grant', 'delegate', received?.id ?? '', 'carol', '--tool', 'toolbox/add');
    await goesOn(atCarol, 'alice__toolbox__add');
    const now = await rotate(alice);
    expect(now.up.did).not.toBe(alice.up.did);
    expect(now.up.mesh.id).toBe(alice.up.mesh.id);
    await sees(bob, [now]);
    await sees(carol, [now]);
    await goesOn(atBob, 'alice__toolbox__add');
    await goesOn(atCarol, 'alice__toolbox__add');
    await expect(adds(atBob, 'alice__toolbox__add')).rejects.toThrow('all 4 uses');
    expect(await alias(bob, now)).toMatchObject({ alias: 'alice', formerly: [alice.up.peerId] });
    expect(await ok(bob, 'peers', '--wide')).toContain('rotated');
    const told = await eventually(
      'all are told',
      () => status(now),
      ({ formerly }) => formerly?.untold.length === 0,
    );
    expect(told.formerly?.did).toBe(alice.up.did);
    expect(await ok(now, 'audit', 'verify')).toContain('the record holds');
    await now.stop();
    expect(await ok(now, 'audit', 'verify')).toContain('the record holds');
  });
});
