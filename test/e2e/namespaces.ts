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
  const tag = `st${process.pid.toString(36)}${Math.floor(performance.now()).toString(36).slice(-3)}`;
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
