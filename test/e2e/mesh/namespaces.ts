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

const ip = (...args: string[]): Promise<void> => inTurn(['ip', ...args]);

/**
 * Runs commands one after the other, up to the first that fails, in one shell: to start a process from one as large as that
 * of tests costs seven times as much as what such a command does. @throws Error with what the failing one said
 */
async function inTurn(...commands: readonly (readonly string[])[]): Promise<void> {
  const lines = commands.map((words) => words.map(quoted).join(' '));
  await run('sh', ['-ec', lines.join('\n')]);
}

const quoted = (word: string): string => `'${word.replaceAll("'", String.raw`'\''`)}'`;

/** A namespace with loopback. */
const space = (name: string): readonly (readonly string[])[] => [
  ['ip', 'netns', 'add', name],
  ['ip', '-n', name, 'link', 'set', 'lo', 'up'],
];

/** The hub's namespace, with the bridge `br0` into which hosts are plugged. */
const switchIn = (hub: string): readonly (readonly string[])[] => [
  ...space(hub),
  ['ip', '-n', hub, 'link', 'add', 'br0', 'type', 'bridge'],
  ['ip', '-n', hub, 'link', 'set', 'br0', 'up'],
];

/** A cable from the port of the hub to `eth0` of the namespace. */
const plug = (hub: string, port: string, name: string): readonly (readonly string[])[] => [
  [...at(hub), 'link', 'add', port, 'type', 'veth', 'peer', 'eth0', 'netns', name],
  [...at(hub), 'link', 'set', port, 'master', 'br0', 'up'],
];

const at = (name: string): readonly string[] => ['ip', '-n', name];
const remove = (names: readonly string[]): Promise<void> =>
  inTurn(...names.toReversed().map((name) => ['ip', 'netns', 'del', name]));

/** Makes what the commands say, or nothing: of these namespaces none is left when one of them fails. */
async function make(
  names: readonly string[],
  commands: readonly (readonly string[])[],
): Promise<void> {
  try {
    await inTurn(...commands);
  } catch (error) {
    for (const name of names.toReversed()) await remove([name]).catch(() => undefined);
    throw error;
  }
}

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
    await inTurn(['ip', 'netns', 'add', name], ['ip', 'netns', 'del', name]);
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
  const nameOf = (host: number): string => `${tag}-h${host}`;
  const hub = `${tag}-hub`;
  const all = Array.from({ length: hosts }, (_, index) => index + 1);
  const names = [hub, ...all.map(nameOf)];
  // Multicast needs a route that covers 224.0.0.0/4.
  const route = family === 4 ? ['route'] : ['-6', 'route'];
  await make(names, [
    ...switchIn(hub),
    ...all.flatMap((host) => {
      const own = family === 4 ? [`192.0.2.${host}/24`] : [`2001:db8::${host}/64`, 'nodad'];
      const [address = '', ...flags] = own;
      return [
        ...space(nameOf(host)),
        ...plug(hub, `p${host}`, nameOf(host)),
        [...at(nameOf(host)), 'addr', 'add', address, 'dev', 'eth0', ...flags],
        [...at(nameOf(host)), 'link', 'set', 'eth0', 'up'],
        [...at(nameOf(host)), ...route, 'add', 'default', 'dev', 'eth0'],
      ];
    }),
  ]);
  return {
    prefix: (host) => ['ip', 'netns', 'exec', nameOf(host)],
    address: (host) => (family === 4 ? `192.0.2.${host}` : `2001:db8::${host}`),
    cable: (host, state) => ip('-n', hub, 'link', 'set', `p${host}`, state),
    between(one, other, state) {
      const verb = state === 'shut' ? 'add' : 'del';
      const way = (from: number, to: number): readonly string[] => [
        ...at(nameOf(from)),
        'route',
        verb,
        'unreachable',
        `192.0.2.${to}/32`,
      ];
      return inTurn(way(one, other), way(other, one));
    },
    remove: () => remove(names),
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
  const hub = `${tag}-hub`;
  const [hostOf, routerOf] = ['h', 'r'].map(
    (kind) => (host: number) => `${tag}-${kind}${host}`,
  ) as [(host: number) => string, (host: number) => string];
  const behind = Array.from({ length: hosts - 1 }, (_, index) => index + 2);
  const outside = (name: string, host: number): readonly (readonly string[])[] => [
    ...space(name),
    ...plug(hub, `p${host}`, name),
    [...at(name), 'addr', 'add', `11.77.0.${host}/24`, 'dev', 'eth0'],
    [...at(name), 'link', 'set', 'eth0', 'up'],
  ];
  const inside = (name: string): readonly string[] => ['ip', 'netns', 'exec', name];
  const names = [hub, hostOf(1), ...behind.flatMap((host) => [hostOf(host), routerOf(host)])];
  await make(names, [
    ...switchIn(hub),
    ...outside(hostOf(1), 1),
    [...at(hostOf(1)), 'route', 'add', 'default', 'dev', 'eth0'],
    ...behind.flatMap((host) => {
      const [own, out] = [hostOf(host), routerOf(host)];
      return [
        ...space(own),
        ...outside(out, host),
        [...at(out), 'link', 'add', 'eth1', 'type', 'veth', 'peer', 'eth0', 'netns', own],
        [...at(out), 'addr', 'add', `10.0.${host}.1/24`, 'dev', 'eth1'],
        [...at(out), 'link', 'set', 'eth1', 'up'],
        [...at(own), 'addr', 'add', `10.0.${host}.2/24`, 'dev', 'eth0'],
        [...at(own), 'link', 'set', 'eth0', 'up'],
        [...at(own), 'route', 'add', 'default', 'via', `10.0.${host}.1`],
        [...inside(out), 'sysctl', '-qw', 'net.ipv4.ip_forward=1'],
        [...inside(out), 'nft', natRules(ports)],
      ];
    }),
  ]);
  return {
    prefix: (host) => inside(hostOf(host)),
    routerPrefix: (host) => inside(routerOf(host)),
    address: (host) => `11.77.0.${host}`,
    forward: (host, port) =>
      inTurn([
        ...inside(routerOf(host)),
        'nft',
        `add rule ip nat in iif eth0 tcp dport ${port} dnat to 10.0.${host}.2:${port}`,
      ]),
    remove: () => remove(names),
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
