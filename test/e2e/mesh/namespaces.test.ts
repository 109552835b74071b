/** Nodes on hosts of their own: multicast discovery, and cables that are cut. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import type { TestContext } from 'vitest';
import type { NodeProcess } from '../../../sim/process.ts';
import { LISTEN_DEFAULT } from '../../../src/config/schema/schema.ts';
import type { KnockListResult } from '../../../src/builtin/index.ts';
import type { BoardListResult } from '../../../src/index.ts';
import { isLong, upTo } from '../../long/extent.ts';
import { longIt } from '../../long/long-it.ts';
import { createNatNetwork, createTestNetwork, namespacesMissing } from './namespaces.ts';
import type { TestNetwork } from './namespaces.ts';
import {
  SERVERS,
  attempt,
  builtin,
  createWorld,
  eventually,
  ok,
  peers,
  sees,
  status,
  ticketOf,
  useWorld,
} from '../support.ts';
import type { World } from '../support.ts';

const world = useWorld();
const missing = await namespacesMissing();
if (missing !== undefined) process.stderr.write(`skipped: ${missing}\n`);

/** The world of one of several tests that run at once: what is in it ends with that test. */
function ownWorld({ onTestFinished }: TestContext): World {
  const { world: own, end } = createWorld();
  onTestFinished(end);
  return own;
}

const UPNP_ROUTER = new URL('../../fixtures/upnp-router.mjs', import.meta.url).pathname;
const LISTEN = { listen: ['/ip4/0.0.0.0/tcp/4040'] };

describe.skipIf(missing !== undefined)('on hosts of their own', () => {
  it('nodes of an open mesh find one another by multicast, with nothing typed', async () => {
    const hosts = Array.from({ length: upTo(2, 3) }, (_, index) => index + 1);
    const network = await createTestNetwork(hosts.length);
    world.defer(() => network.remove());
    const start = (host: number): ReturnType<typeof world.start> =>
      world.start(`host${host}`, {
        prefix: network.prefix(host),
        config: { ...LISTEN, mdns: true },
        args: ['--open'],
      });
    const nodes = await Promise.all(hosts.map(start));
    for (const node of nodes)
      await sees(
        node,
        nodes.filter((other) => other !== node),
      );
    const [first, second] = nodes;
    if (first === undefined || second === undefined) throw new Error('nodes were started');
    const seen = await peers(first);
    expect(seen.peers.find((peer) => peer.peerId === second.up.peerId)?.address).toContain(
      '192.0.2.2',
    );
  });

  it('hosts that have IPv6 only start with the defaults, and one joins the other by its ticket', async () => {
    const network = await createTestNetwork(2, 6);
    world.defer(() => network.remove());
    const config = { listen: [...LISTEN_DEFAULT] };
    const one = await world.start('host1', { prefix: network.prefix(1), config });
    expect(one.up.addresses[0]).toMatch(/^\/ip6\/2001:db8::1\/tcp\/4040\//);
    const env = { STARLING_JOIN: one.up.ticket ?? '' };
    const two = await world.start('host2', { prefix: network.prefix(2), config, env });
    await sees(one, [two]);
  });
});

describe.skipIf(missing !== undefined || !isLong)('on three hosts of their own', () => {
  const mesh = useWorld('file');
  let network: TestNetwork;
  const start = (host: number, ticket?: string): ReturnType<typeof world.start> =>
    mesh.start(`host${host}`, {
      prefix: network.prefix(host),
      config: { ...LISTEN, mcpServers: host === 2 ? { toolbox: SERVERS.toolbox() } : {} },
      ...(ticket === undefined ? {} : { env: { STARLING_JOIN: ticket } }),
    });
  let one: NodeProcess;
  let two: NodeProcess;
  let three: NodeProcess;

  // `network/relay`; and members behind routers, below, are relayed until they have made a hole.
  longIt(
    'two members that cannot reach each other are relayed by a third, and calls go through',
    async () => {
      network = await createTestNetwork(3);
      mesh.defer(() => network.remove());
      await network.between(2, 3, 'shut');
      one = await start(1);
      two = await start(2, one.up.ticket);
      three = await start(3, await ticketOf(one));
      await Promise.all([sees(two, [one, three]), sees(three, [one, two])]);
      await ok(two, 'grant', 'create', three.up.peerId, '--tool', 'toolbox/*');
      const call = ['call', 'host2__toolbox__echo', '--arg', 'message=around the corner'];
      const answer = await eventually(
        'the call goes through',
        () => attempt(three, ...call),
        ({ code }) => code === 0,
      );
      expect(answer.stdout).toContain('around the corner');
      const seen = await peers(three);
      expect(seen.peers.find((peer) => peer.peerId === two.up.peerId)?.route).toBe('relayed');
    },
  );

  // `sim/bench/board-runs` holds it of processes whose links are cut, and that are killed.
  longIt(
    'a board written on both sides of a cut cable is equal after it, and survives kill -9',
    async () => {
      await network.between(2, 3, 'open');
      const nodes = [one, two, three];
      for (const node of nodes)
        await sees(
          node,
          nodes.filter((other) => other !== node),
        );
      const list = (node: NodeProcess): Promise<BoardListResult> =>
        builtin(node, 'board_list', { board: 'plan' });

      await ok(one, 'board', 'set', 'plan', 'doomed', 'delete me', '--create', '--open');
      for (const node of nodes) {
        await eventually(
          'doomed is everywhere',
          // Until a node has heard of the board, it says that there is none.
          () =>
            list(node).catch((error: unknown): Partial<BoardListResult> => ({
              digest: String(error),
            })),
          (board) => (board.entries ?? []).some((entry) => entry.key === 'doomed'),
        );
      }
      await network.cable(3, 'down');
      await ok(one, 'board', 'set', 'plan', 'from-one', '1');
      await ok(two, 'board', 'set', 'plan', 'from-two', '{"deep": [1, 2]}');
      await ok(two, 'board', 'delete', 'plan', 'doomed');
      await ok(three, 'board', 'set', 'plan', 'from-three', '"cut off"');
      await network.cable(3, 'up');

      const keys = (board: BoardListResult): string[] =>
        (board.entries ?? []).map((entry) => entry.key).toSorted();
      const wanted = ['from-one', 'from-three', 'from-two'];
      const digests = new Set<string | undefined>();
      for (const node of nodes) {
        const board = await eventually(
          `${node.name} has all`,
          () => list(node),
          (value) => keys(value).join() === wanted.join(),
          60_000,
        );
        digests.add(board.digest);
      }
      expect(digests.size).toBe(1);

      // What a node acknowledged is on its own disk; what it had just heard of others may have to come again.
      await Promise.all(nodes.map((node) => node.stop('SIGKILL')));
      const back: NodeProcess[] = [];
      for (const [host, own] of [
        [1, 'from-one'],
        [2, 'from-two'],
        [3, 'from-three'],
      ] as const) {
        const again = await start(host);
        expect(keys(await list(again))).toContain(own);
        back.push(again);
      }
      for (const node of back) {
        const board = await eventually(
          `${node.name} has all again`,
          () => list(node),
          (value) => keys(value).join() === wanted.join(),
          60_000,
        );
        expect(digests.has(board.digest)).toBe(true);
      }
    },
  );
});

/**
 * Each of these waits for many seconds, and computes for few: they run at once, each with nodes and hosts of its own.
 */
describe.skipIf(missing !== undefined).concurrent('at once, on hosts of their own', () => {
  longIt(
    'two meshes notice one another, one that knocks comes in once the operator has said so, and both meet again by multicast after their addresses went stale',
    async (context) => {
      const world = ownWorld(context);
      const network = await createTestNetwork(2);
      world.defer(() => network.remove());
      const config = { ...LISTEN, mdns: true };
      const lab = await world.start('workstation', {
        prefix: network.prefix(1),
        config,
        args: ['--mesh-name', 'lab'],
      });
      const lines: string[] = [];
      const other = await world.start('other', {
        prefix: network.prefix(2),
        config,
        onLine: (line) => void lines.push(line),
      });
      const { fingerprint } = lab.up.mesh;
      const told = await eventually(
        'the other mesh is told of',
        async () => lines.find((line) => line.startsWith('{"event":"neighbour"')),
        (line) => line !== undefined,
      );
      expect(JSON.parse(told ?? '{}')).toMatchObject({
        meshName: 'lab',
        fingerprint,
        name: 'workstation',
        open: false,
        address: `/ip4/192.0.2.1/tcp/4040/p2p/${lab.up.peerId}`,
      });
      // By a process: it looks around in the network of its host.
      const listing = `lab (${fingerprint}), workstation at 192.0.2.1 → ask to join: starling up --knock lab\n`;
      const { stdout: listed } = await eventually(
        'it is listed, which a busy machine may be too slow for in the time of one look',
        () => other.run(['up', '--knock']),
        ({ stdout }) => stdout.includes(listing),
      );
      // Its own mesh, which it hears as well, is none that it could ask.
      expect(listed.match(/--knock/g)).toHaveLength(1);
      await other.stop();

      // A node that is alone in its mesh goes over from it.
      const knocking = world.start('other', {
        prefix: network.prefix(2),
        config,
        args: ['--knock', 'lab', '--yes'],
      });
      const { knocks } = await eventually(
        'the operator hears who asks',
        () => builtin<KnockListResult>(lab, 'knock_list'),
        (list) => list.knocks.length === 1,
      );
      expect(knocks).toMatchObject([{ name: 'other', address: '192.0.2.2' }]);
      expect((await status(lab)).warnings).toMatchObject([
        { text: `other (${knocks[0]?.fingerprint}) at 192.0.2.2 asks to join this mesh` },
      ]);
      expect(await ok(lab, 'members', 'admit', 'other')).toBe(
        `other (${knocks[0]?.fingerprint}) is let in; it may use nothing yet: starling grant create other --tool '<server>/*'\n`,
      );
      const newcomer = await knocking;
      expect(newcomer.up.mesh).toMatchObject({ name: 'lab', fingerprint });
      expect([newcomer.up.peerId, other.up.peerId]).toEqual([knocks[0]?.peerId, knocks[0]?.peerId]);
      await sees(lab, [newcomer]);
      expect((await status(lab)).warnings).toEqual([]);

      await Promise.all([lab.stop('SIGKILL'), newcomer.stop('SIGKILL')]);
      const again = (host: number, name: string, port: number): ReturnType<typeof world.start> =>
        world.start(name, {
          prefix: network.prefix(host),
          config: { listen: [`/ip4/0.0.0.0/tcp/${port}`], mdns: true },
        });
      const labAgain = await again(1, 'workstation', 5050);
      await sees(await again(2, 'other', 6060), [labAgain]);
    },
  );

  it('make a hole in both, and one whose router forwards its port finds that out and tells others', async (context) => {
    const world = ownWorld(context);
    const network = await createNatNetwork(4);
    world.defer(() => network.remove());
    const start = (host: number, ticket?: string, more = {}): ReturnType<typeof world.start> =>
      world.start(`holed${host}`, {
        prefix: network.prefix(host),
        config: {
          ...LISTEN,
          ...more,
          mcpServers: host === 2 ? { toolbox: SERVERS.toolbox() } : {},
        },
        ...(ticket === undefined ? {} : { env: { STARLING_JOIN: ticket } }),
      });
    const one = await start(1);
    const two = await start(2, one.up.ticket);
    const three = await start(3, await ticketOf(one));
    await Promise.all([sees(two, [one, three]), sees(three, [one, two])]);
    const hole = await eventually(
      'a direct way through both routers',
      async () => (await peers(three)).peers.find(({ peerId }) => peerId === two.up.peerId),
      (way) => way?.route === 'direct',
      150_000,
    );
    expect(hole?.address).toContain(`/ip4/${network.address(2)}/tcp/`);
    expect(hole?.address).not.toContain('/tcp/4040');
    await ok(two, 'grant', 'create', three.up.peerId, '--tool', 'toolbox/*');
    const answer = await eventually(
      'a call through the hole',
      () => attempt(three, 'call', 'holed2__toolbox__echo', '--arg', 'message=through the hedge'),
      ({ code }) => code === 0,
    );
    expect(answer.stdout).toContain('through the hedge');
    const told = await eventually(
      'host 1 did not get in at host 3',
      () => status(three),
      ({ outside }) => outside?.found[0] !== undefined,
      150_000,
    );
    expect(told.outside).toMatchObject({
      seenAt: [network.address(3)],
      found: [{ address: `/ip4/${network.address(3)}/tcp/4040`, why: expect.any(String) }],
    });

    // The router of host 4 opens ports for who asks it.
    const [command = '', ...args] = network.routerPrefix(4);
    const router = spawn(command, [...args, process.execPath, UPNP_ROUTER, '10.0.4.1']);
    world.defer(() => router.kill());
    await once(router.stdout, 'data');
    const four = await start(4, await ticketOf(one), { upnp: true });
    const place = `/ip4/${network.address(4)}/tcp/4040`;
    const reached = await eventually(
      'host 4 is reached from outside',
      () => status(four),
      ({ outside, addresses }) =>
        outside?.found[0]?.why === undefined &&
        addresses.some((address) => address.startsWith(place)),
      150_000,
    );
    expect(reached.outside?.found).toMatchObject([{ address: place }]);
    expect(reached.upnp).toEqual([{ address: '10.0.4.2', router: '10.0.4.1', opened: [4040] }]);
    const text = await ok(four, 'status');
    expect(text).toMatch(/outside +behind a router, seen as 11\.77\.0\.4/);
    expect(text).toMatch(/UPnP +10\.0\.4\.1 has opened 4040/);
    expect(await ok(three, 'status')).toMatch(/UPnP +off: with upnp: true/);
  });

  longIt(
    'are relayed, know why, and meet directly once the router of one lets the other in',
    async (context) => {
      const world = ownWorld(context);
      const network = await createNatNetwork(3, 'others');
      world.defer(() => network.remove());
      const start = (host: number, ticket?: string): ReturnType<typeof world.start> =>
        world.start(`host${host}`, {
          prefix: network.prefix(host),
          config: {
            listen: ['/ip4/0.0.0.0/tcp/4040'],
            // What its operator knows of the router of host 2, which does not forward the port yet.
            ...(host === 2 ? { announce: [`/ip4/${network.address(2)}/tcp/4040`] } : {}),
          },
          ...(ticket === undefined ? {} : { env: { STARLING_JOIN: ticket } }),
        });
      const one = await start(1);
      const two = await start(2, one.up.ticket);
      const three = await start(3, await ticketOf(one));
      await Promise.all([sees(two, [one, three]), sees(three, [one, two])]);
      const wayToTwo = async () =>
        (await peers(three)).peers.find(({ peerId }) => peerId === two.up.peerId);
      const relayed = await eventually(
        'a way through host 1, and why',
        wayToTwo,
        (way) =>
          way?.route === 'relayed' &&
          way.whyRelayed?.includes("can't reach") === true &&
          way.whyRelayed.includes('a hole through both routers failed'),
        150_000,
      );
      expect(relayed?.address).toContain(`/p2p/${one.up.peerId}/p2p-circuit`);
      expect(await ok(three, 'ping', 'host2', '--count', '1')).toContain('through host1');
      await network.forward(2, 4040);
      await eventually('a direct way', wayToTwo, (way) => way?.route === 'direct');
      expect(await ok(three, 'ping', 'host2')).toContain(`direct, ${network.address(2)}:4040`);
    },
  );
});
