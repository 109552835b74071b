/** Whether this machine sends multicast, which mDNS needs. */
import { createSocket } from 'node:dgram';
import { networkInterfaces } from 'node:os';
import { systemClock } from '../../core/time/clock.ts';
import { messageOf } from '../../core/errors.ts';
import { lanInterfaces } from '../../core/system/lan-interfaces.ts';
import { finding } from './check.ts';
import type { Check } from './check.ts';

/** mDNS (RFC 6762 §3). */
const GROUP = '224.0.0.251';
const TIMEOUT_MS = 1500;
const HINT =
  'peers on the LAN are not found by themselves: use tickets or --bootstrap, or give the machine a multicast route';

/** The check: on one interface at least, a packet to the group must come back to us. */
export const multicast: Check = {
  name: 'multicast',
  async run({ config }) {
    if (config?.mdns === false) return [finding('multicast', 'ok', 'mDNS is off')];
    // The same interfaces that a node sends on, and in the same way.
    const ways = lanInterfaces(networkInterfaces());
    if (ways.length === 0) {
      return [finding('multicast', 'warn', 'this machine has no network interface', HINT)];
    }
    const tried = await Promise.all(
      ways.map(async ({ name, address }) => ({ name, problem: await tryInterface(address) })),
    );
    const good = tried.filter(({ problem }) => problem === undefined).map(({ name }) => name);
    if (good.length > 0) {
      return [finding('multicast', 'ok', `multicast works on ${[...new Set(good)].join(', ')}`)];
    }
    const why = tried.map(({ name, problem }) => `${name}: ${problem ?? ''}`).join('; ');
    return [finding('multicast', 'warn', `multicast does not work (${why})`, HINT)];
  },
};

/** Sends a packet to the group; gives what is wrong, or undefined when the packet came back. */
function tryInterface(address: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = createSocket({ type: 'udp4', reuseAddr: true });
    let over = false;
    const end = (problem: string | undefined): void => {
      if (over) return;
      over = true;
      stopTimer();
      socket.close();
      resolve(problem);
    };
    const stopTimer = systemClock.schedule(TIMEOUT_MS, () => end('packets do not come back'));
    socket.on('error', (error) => end(messageOf(error)));
    socket.once('message', () => end(undefined));
    socket.bind(0, () => {
      try {
        socket.addMembership(GROUP, address);
        socket.setMulticastInterface(address);
        socket.setMulticastTTL(1);
        socket.send('starling', socket.address().port, GROUP);
      } catch (error) {
        end(messageOf(error));
      }
    });
  });
}
