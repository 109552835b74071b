/** Does this machine send multicast, which mDNS needs? */
import { createSocket } from 'node:dgram';
import { messageOf } from '../../core/errors.ts';
import { finding } from './check.ts';
import type { Check } from './check.ts';

/** mDNS (RFC 6762 §3). */
const GROUP = '224.0.0.251';
const TIMEOUT_MS = 1500;
const HINT =
  'peers on the LAN are not found by themselves: use tickets or --bootstrap, or give the machine a multicast route';

/** The check: a packet to the group must come back to us. */
export const multicast: Check = {
  name: 'multicast',
  run: ({ config }) =>
    config.mdns
      ? new Promise((resolve) => {
          const socket = createSocket({ type: 'udp4', reuseAddr: true });
          const end = (ok: boolean, text: string): void => {
            clearTimeout(timer);
            socket.close();
            resolve([finding('multicast', ok ? 'ok' : 'warn', text, ok ? undefined : HINT)]);
          };
          const timer = setTimeout(
            () => end(false, 'multicast packets do not come back'),
            TIMEOUT_MS,
          );
          socket.once('error', (error) => end(false, `multicast does not work: ${error.message}`));
          socket.once('message', () => end(true, 'multicast works'));
          socket.bind(0, () => {
            try {
              socket.addMembership(GROUP);
              socket.setMulticastTTL(1);
              socket.send('starling', socket.address().port, GROUP);
            } catch (error) {
              end(false, `multicast does not work: ${messageOf(error)}`);
            }
          });
        })
      : Promise.resolve([finding('multicast', 'ok', 'mDNS is off')]),
};
