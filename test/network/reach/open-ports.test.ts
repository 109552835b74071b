/** Ports that a router opens by choice: asked for, kept open, closed; and routers that lie, dawdle or say no. */
import { multiaddr } from '@multiformats/multiaddr';
import { afterEach, describe, expect, it } from 'vitest';
import { createScope, silentLogger } from '../../../src/core/index.ts';
import type { Logger } from '../../../src/core/index.ts';
import {
  ROUTER_LOOK_MS,
  ROUTER_SEARCH_MS,
  ROUTER_TOTAL_MS,
} from '../../../src/network/constants.ts';
import { createOpenPorts } from '../../../src/network/reach/open-ports.ts';
import type { OpenPorts } from '../../../src/network/reach/open-ports.ts';
import { createTestClock } from '../../core/test-clock.ts';
import type { TestClock } from '../../core/test-clock.ts';
import { describeRouter, startFakeRouter } from './fake-router.ts';
import type { FakeRouter, RouterManners } from './fake-router.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

interface Node {
  readonly router: FakeRouter;
  readonly ports: OpenPorts;
  readonly clock: TestClock;
  readonly said: string[];
  /** Does what begins a round, and lets that come to its end. */
  round(begin: () => void): Promise<void>;
  stop(): Promise<void>;
}

async function nodeAt(
  manners: RouterManners = {},
  lanIps: () => readonly string[] = () => ['127.0.0.1'],
): Promise<Node> {
  const router = await startFakeRouter(manners);
  cleanups.push(() => router.close());
  const clock = createTestClock();
  const scope = createScope(clock);
  const said: string[] = [];
  const logger: Logger = { ...silentLogger, info: (_, text) => void said.push(text) };
  const ports = createOpenPorts({
    listeners: () =>
      ['/ip4/127.0.0.1/tcp/4040', '/ip4/127.0.0.1/tcp/4041/ws', '/ip4/192.0.2.9/tcp/7'].map((one) =>
        multiaddr(one),
      ),
    lanIps,
    group: router.group,
    clock,
    logger,
    scope,
  });
  const round = async (begin: () => void): Promise<void> => {
    const found = router.found();
    const held = manners.isSilent === true ? router.held() : undefined;
    begin();
    await found;
    for (let turn = 0; turn < 4; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    clock.advance(ROUTER_SEARCH_MS);
    await held;
    if (held !== undefined) clock.advance(ROUTER_TOTAL_MS);
    await ports.settled();
  };
  const stop = async (): Promise<void> => {
    scope.close();
    await ports.stop();
  };
  cleanups.push(stop);
  return { router, ports, clock, said, round, stop };
}

describe('a router that opens ports', () => {
  it('is found, opens each port on which the node listens there, is asked again, and closes them at the end', async () => {
    const node = await nodeAt();
    await node.round(() => node.ports.start());
    const all = new Map([
      ['4040', '127.0.0.1 3600'],
      ['4041', '127.0.0.1 3600'],
    ]);
    expect(node.router.open).toEqual(all);
    expect(node.said).toEqual(['UPnP: the router at 127.0.0.1 has opened 4040, 4041']);
    expect(node.ports.view()).toEqual([
      { address: '127.0.0.1', router: '127.0.0.1', opened: [4040, 4041] },
    ]);
    // The router was switched off meanwhile.
    node.router.open.clear();
    await node.round(() => node.clock.advance(ROUTER_LOOK_MS));
    expect(node.router.open).toEqual(all);
    expect(node.said).toHaveLength(1);
    await node.stop();
    expect(node.router.open.size).toBe(0);
  });

  it('is asked for a port for good where it knows nothing else', async () => {
    const node = await nodeAt({ error: (lease) => (lease === '0' ? undefined : '725') });
    await node.round(() => node.ports.start());
    expect(node.router.open.get('4040')).toBe('127.0.0.1 0');
  });

  it.each([
    ['718', /another machine has it/],
    ['606', /says no \(error 606\)/],
  ])('that says no with %s is told of once, and changes nothing', async (error, what) => {
    const node = await nodeAt({ error: () => error });
    await node.round(() => node.ports.start());
    await node.round(() => node.clock.advance(ROUTER_LOOK_MS));
    expect(node.said).toEqual([expect.stringMatching(what)]);
    const why = expect.stringMatching(what) as string;
    expect(node.ports.view()).toEqual([{ address: '127.0.0.1', opened: [], why }]);
    await node.stop();
    expect(node.router.asked).not.toContain('DeletePortMapping');
  });
});

it('tells which ports a router has opened when it opens one and not another, and forgets a network that is gone', async () => {
  let ips = ['127.0.0.1'];
  const node = await nodeAt(
    { error: (_, port) => (port === '4041' ? '718' : undefined) },
    () => ips,
  );
  await node.round(() => node.ports.start());
  const why = 'the router does not open port 4041: another machine has it';
  expect(node.ports.view()).toEqual([
    { address: '127.0.0.1', router: '127.0.0.1', opened: [4040], why },
  ]);
  expect(node.said).toEqual([`UPnP: the router at 127.0.0.1 has opened 4040; ${why}`]);
  ips = [];
  node.clock.advance(ROUTER_LOOK_MS);
  await new Promise((resolve) => setImmediate(resolve));
  await node.ports.settled();
  expect(node.ports.view()).toEqual([]);
  await node.stop();
  expect(node.router.open.size).toBe(0);
});

describe('whoever poses as a router', () => {
  it.each<[string, RouterManners, RegExp, readonly string[]]>([
    [
      'and names a third machine',
      { location: () => 'http://192.0.2.1/igd.xml' },
      /no router of this network/,
      [],
    ],
    [
      'and names no place',
      { location: () => 'file:///etc/passwd' },
      /no router of this network/,
      [],
    ],
    [
      'and has requests sent to a third machine',
      {
        description: () =>
          describeRouter('urn:schemas-upnp-org:service:WANIPConnection:1', 'http://192.0.2.1/x'),
      },
      /opens no ports/,
      ['describe /igd.xml'],
    ],
    [
      'and opens no ports',
      {
        description: () => describeRouter('urn:schemas-upnp-org:service:ContentDirectory:1', '/c'),
      },
      /opens no ports/,
      ['describe /igd.xml'],
    ],
    [
      'and never ends its answer',
      { description: () => '<service>'.repeat(60_000) },
      /too long/,
      ['describe /igd.xml'],
    ],
    ['and never answers', { isSilent: true }, /./, []],
  ])('%s gets nothing done, and the node stops all the same', async (_, manners, what, asked) => {
    const node = await nodeAt(manners);
    await node.round(() => node.ports.start());
    expect(node.said).toEqual([expect.stringMatching(what)]);
    expect(node.router.asked).toEqual(asked);
    expect(node.router.open.size).toBe(0);
    await node.stop();
  });
});
