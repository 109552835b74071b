/** Hosts of our own on this machine: network namespaces on a bridge that is in one as well. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** A small network of hosts. */
export interface TestNetwork {
  /** `ip netns exec …` for the host, to put before a command. */
  prefix(host: number): readonly string[];
  address(host: number): string;
  /** Pulls the host's cable, or puts it back. */
  cable(host: number, state: 'up' | 'down'): Promise<void>;
  /** Lets two hosts reach each other no more, or again; both still reach the others. */
  between(one: number, other: number, state: 'open' | 'shut'): Promise<void>;
  remove(): Promise<void>;
}

const ip = async (...args: string[]): Promise<void> => void (await run('ip', args));

let made = 0;

/** Tells networks apart, also those of one moment; what is left of a process that was killed has other tags. */
function nextTag(): string {
  made += 1;
  return `${process.pid.toString(36)}${Math.floor(performance.now()).toString(36).slice(-3)}${made.toString(36)}`;
}

/** Why this machine can't make namespaces; undefined when it can. */
export async function namespacesMissing(): Promise<string | undefined> {
  const name = `starling-probe-${process.pid}`;
  try {
    await ip('netns', 'add', name);
    await ip('netns', 'del', name);
    return undefined;
  } catch (error) {
    return `network namespaces can't be made here: ${(error as Error).message.trim()}`;
  }
}

/**
 * Makes `hosts` hosts on one switch: 192.0.2.1, .2, … (TEST-NET-1, RFC 5737), or 2001:db8::1, … (RFC 3849)
 * and no other address at all, loopback's of IPv4 apart.
 */
export async function createTestNetwork(hosts: number, family: 4 | 6 = 4): Promise<TestNetwork> {
  const tag = `st${nextTag()}`;
  const space = (host: number): string => `${tag}-h${host}`;
  const hub = `${tag}-hub`;
  const made: string[] = [];
  const add = async (name: string): Promise<void> => {
    await ip('netns', 'add', name);
    made.push(name);
    await ip('-n', name, 'link', 'set', 'lo', 'up');
  };
  await add(hub);
  await ip('-n', hub, 'link', 'add', 'br0', 'type', 'bridge');
  await ip('-n', hub, 'link', 'set', 'br0', 'up');
  for (let host = 1; host <= hosts; host += 1) {
    await add(space(host));
    const port = `p${host}`;
    await ip('-n', hub, 'link', 'add', port, 'type', 'veth', 'peer', 'eth0', 'netns', space(host));
    await ip('-n', hub, 'link', 'set', port, 'master', 'br0', 'up');
    const own = family === 4 ? [`192.0.2.${host}/24`] : [`2001:db8::${host}/64`, 'nodad'];
    const [address = '', ...flags] = own;
    await ip('-n', space(host), 'addr', 'add', address, 'dev', 'eth0', ...flags);
    await ip('-n', space(host), 'link', 'set', 'eth0', 'up');
    // Multicast needs a route that covers 224.0.0.0/4.
    const route = family === 4 ? ['route'] : ['-6', 'route'];
    await ip('-n', space(host), ...route, 'add', 'default', 'dev', 'eth0');
  }
  return {
    prefix: (host) => ['ip', 'netns', 'exec', space(host)],
    address: (host) => (family === 4 ? `192.0.2.${host}` : `2001:db8::${host}`),
    cable: (host, state) => ip('-n', hub, 'link', 'set', `p${host}`, state),
    async between(one, other, state) {
      const verb = state === 'shut' ? 'add' : 'del';
      for (const [here, there] of [
        [one, other],
        [other, one],
      ] as const) {
        await ip('-n', space(here), 'route', verb, 'unreachable', `192.0.2.${there}/32`);
      }
    },
    async remove() {
      for (const name of made.toReversed()) await ip('netns', 'del', name);
    },
  };
}

/** A host with a public-looking address, and others that are each alone behind a router. */
export interface NatNetwork {
  /** `ip netns exec …` for the host, to put before a command. */
  prefix(host: number): readonly string[];
  /** Where the host is seen from outside: its own address, or that of its router. */
  address(host: number): string;
  /** `ip netns exec …` for the router of the host. */
  routerPrefix(host: number): readonly string[];
  /** Has the router of the host hand on to it what comes to the TCP port. */
  forward(host: number, port: number): Promise<void>;
  remove(): Promise<void>;
}

/**
 * Makes `hosts` hosts: the first at 11.77.0.1, which counts as public (11.0.0.0/8 is in no list of private networks),
 * the others at 10.0.<host>.2 behind a router at 11.77.0.<host> that masquerades and drops what comes unasked. Their
 * connections keep their ports outside, or get others, as behind routers of some large networks.
 */
export async function createNatNetwork(
  hosts: number,
  ports: 'kept' | 'others' = 'kept',
): Promise<NatNetwork> {
  const tag = `sn${nextTag()}`;
  const [hub, space, router] = [
    `${tag}-hub`,
    (host: number): string => `${tag}-h${host}`,
    (host: number): string => `${tag}-r${host}`,
  ];
  const made: string[] = [];
  const add = async (name: string): Promise<void> => {
    await ip('netns', 'add', name);
    made.push(name);
    await ip('-n', name, 'link', 'set', 'lo', 'up');
  };
  const inside = (name: string, ...command: string[]): Promise<unknown> =>
    run('ip', ['netns', 'exec', name, ...command]);
  const plug = async (name: string, host: number): Promise<void> => {
    const port = `p${host}`;
    await ip('-n', hub, 'link', 'add', port, 'type', 'veth', 'peer', 'eth0', 'netns', name);
    await ip('-n', hub, 'link', 'set', port, 'master', 'br0', 'up');
    await ip('-n', name, 'addr', 'add', `11.77.0.${host}/24`, 'dev', 'eth0');
    await ip('-n', name, 'link', 'set', 'eth0', 'up');
  };
  await add(hub);
  await ip('-n', hub, 'link', 'add', 'br0', 'type', 'bridge');
  await ip('-n', hub, 'link', 'set', 'br0', 'up');
  await add(space(1));
  await plug(space(1), 1);
  await ip('-n', space(1), 'route', 'add', 'default', 'dev', 'eth0');
  for (let host = 2; host <= hosts; host += 1) {
    const [own, out] = [space(host), router(host)];
    await add(own);
    await add(out);
    await plug(out, host);
    await ip('-n', out, 'link', 'add', 'eth1', 'type', 'veth', 'peer', 'eth0', 'netns', own);
    await ip('-n', out, 'addr', 'add', `10.0.${host}.1/24`, 'dev', 'eth1');
    await ip('-n', out, 'link', 'set', 'eth1', 'up');
    await ip('-n', own, 'addr', 'add', `10.0.${host}.2/24`, 'dev', 'eth0');
    await ip('-n', own, 'link', 'set', 'eth0', 'up');
    await ip('-n', own, 'route', 'add', 'default', 'via', `10.0.${host}.1`);
    await inside(out, 'sysctl', '-qw', 'net.ipv4.ip_forward=1');
    await inside(out, 'nft', natRules(ports));
  }
  return {
    prefix: (host) => ['ip', 'netns', 'exec', space(host)],
    routerPrefix: (host) => ['ip', 'netns', 'exec', router(host)],
    address: (host) => `11.77.0.${host}`,
    async forward(host, port) {
      const rule = `add rule ip nat in iif eth0 tcp dport ${port} dnat to 10.0.${host}.2:${port}`;
      await inside(router(host), 'nft', rule);
    },
    async remove() {
      for (const name of made.toReversed()) await ip('netns', 'del', name);
    },
  };
}

function natRules(ports: 'kept' | 'others'): string {
  return [
    'add table ip nat',
    'add chain ip nat in { type nat hook prerouting priority -100 ; }',
    'add chain ip nat out { type nat hook postrouting priority 100 ; }',
    `add rule ip nat out oif eth0 masquerade${ports === 'kept' ? '' : ' fully-random'}`,
    'add table ip own',
    'add chain ip own in { type filter hook input priority 0 ; }',
    'add rule ip own in iif eth0 ct state new drop',
  ].join('\n');
}
