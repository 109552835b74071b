/**
 * Multicast DNS on each interface. The library's socket joins its group on each, but sends where the default route
 * leads: on a LAN without one, nothing goes out at all (RFC 6762 §14 has a host speak on each of its interfaces).
 */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { Socket } from 'node:dgram';
import { networkInterfaces } from 'node:os';
import { lanInterfaces } from '../../core/index.ts';

/** Packets that wait for the one before: more of them are dropped, as UDP may. */
const WAITING_MAX = 64;
/** IPv4 multicast (RFC 5771): 224.0.0.0 to 239.255.255.255. */
const MULTICAST = /^2(?:2[4-9]|3\d)\./;

type Done = (error: Error | null, bytes?: number) => void;

/** Has `service`, which makes its socket when it starts, send multicast on each interface. */
export function onEachInterface(service: object): void {
  const start: unknown = Reflect.get(service, 'start');
  if (typeof start !== 'function') return;
  Object.assign(service, {
    start: async () => {
      const mend = (message: unknown): void => {
        const { socket } = message as { readonly socket: Socket };
        sendOnEach(socket, () => lanInterfaces(networkInterfaces()).map(({ address }) => address));
      };
      // The library keeps its socket to itself; it is made before the first wait.
      subscribe('udp.socket', mend);
      let started: unknown;
      try {
        started = Reflect.apply(start, service, []);
      } finally {
        unsubscribe('udp.socket', mend);
      }
      await started;
    },
  });
}

/** From now on `socket` sends what goes to a multicast group once on each of `addresses`, one after the other. */
export function sendOnEach(
  socket: Pick<Socket, 'send' | 'setMulticastInterface'>,
  addresses: () => readonly string[],
): void {
  const send = socket.send.bind(socket) as (...args: readonly unknown[]) => void;
  let waiting = 0;
  let last: Promise<void> = Promise.resolve();
  const sendOn = (address: string, args: readonly unknown[]): Promise<Error | null> =>
    new Promise((resolve) => {
      try {
        socket.setMulticastInterface(address);
        send(...args, (error: Error | null) => resolve(error));
      } catch (error) {
        // The socket was closed meanwhile, or the interface is gone.
        resolve(error instanceof Error ? error : new Error(String(error)));
      }
    });
  const sendOnAll = async (args: readonly unknown[], done: Done | undefined): Promise<void> => {
    const errors: (Error | null)[] = [];
    for (const address of addresses()) errors.push(await sendOn(address, args));
    waiting -= 1;
    const sent = errors.includes(null) || errors.length === 0;
    done?.(sent ? null : (errors[0] ?? null));
  };
  Object.assign(socket, {
    send: (...all: readonly unknown[]): void => {
      const done = typeof all.at(-1) === 'function' ? (all.at(-1) as Done) : undefined;
      const args = done === undefined ? all : all.slice(0, -1);
      const group = args.at(-1);
      const isGroup = typeof group === 'string' && MULTICAST.test(group);
      if (!isGroup || addresses().length === 0) return send(...all);
      if (waiting >= WAITING_MAX) return done?.(new Error('too many packets wait'));
      waiting += 1;
      last = last.then(() => sendOnAll(args, done));
    },
  });
}
