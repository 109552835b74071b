/** Multicast DNS on machines with several interfaces, and with no default route. The socket is a stub. */
import type { Socket } from 'node:dgram';
import type { NetworkInterfaceInfo } from 'node:os';
import { expect, it } from 'vitest';
import { lanInterfaces } from '../../../src/core/index.ts';
import { sendOnEach } from '../../../src/network/host/multicast-send.ts';

const GROUP = '224.0.0.251';

/** A socket that sends where `routes` says that a way leads. */
function stub(routes: (from: string) => boolean): {
  readonly socket: Socket;
  readonly sent: string[];
} {
  const sent: string[] = [];
  let from = '0.0.0.0';
  const socket = {
    setMulticastInterface: (address: string) => void (from = address),
    send: (bytes: Buffer, _: number, __: number, ___: number, to: string, done: Function) => {
      // As dgram does, which looks the address up first.
      process.nextTick(() => {
        const error = routes(from) ? null : new Error('send ENETUNREACH');
        if (error === null) sent.push(`${from} > ${to} ${String(bytes)}`);
        done(error);
      });
    },
  };
  return { socket: socket as unknown as Socket, sent };
}

function send(socket: Socket, text: string, to = GROUP): Promise<Error | null> {
  return new Promise((resolve) => {
    socket.send(Buffer.from(text), 0, text.length, 5353, to, resolve);
  });
}

it('a query goes out on each interface, where no default route says on which', async () => {
  const { socket, sent } = stub((from) => from !== '0.0.0.0');
  expect(await send(socket, 'q')).not.toBeNull();
  sendOnEach(socket, () => ['10.0.0.1', '192.168.1.2']);
  const both = [send(socket, 'a'), send(socket, 'b')];
  expect(await Promise.all(both)).toEqual([null, null]);
  expect(sent).toEqual(
    ['a', 'b'].flatMap((text) => [`10.0.0.1 > ${GROUP} ${text}`, `192.168.1.2 > ${GROUP} ${text}`]),
  );
});

it('an interface without a way does not keep others from theirs; none at all is an error', async () => {
  const { socket, sent } = stub((from) => from === '192.168.1.2');
  let addresses = ['10.0.0.1', '192.168.1.2'];
  sendOnEach(socket, () => addresses);
  expect(await send(socket, 'a')).toBeNull();
  expect(sent).toEqual([`192.168.1.2 > ${GROUP} a`]);
  addresses = ['10.0.0.1'];
  expect(await send(socket, 'b')).toMatchObject({ message: 'send ENETUNREACH' });
});

it('what goes to one host goes out once, and a flood has a bound', async () => {
  const { socket, sent } = stub(() => true);
  sendOnEach(socket, () => ['10.0.0.1', '192.168.1.2']);
  await send(socket, 'a', '10.0.0.7');
  expect(sent).toHaveLength(1);
  const many = await Promise.all(Array.from({ length: 100 }, () => send(socket, 'b')));
  expect(many.filter((error) => error !== null)).toHaveLength(36);
});

it('multicast goes out on the interfaces to other machines, on bridges only where nothing else is', () => {
  const info = (address: string, internal = false): NetworkInterfaceInfo[] => [
    { address, internal, family: 'IPv4', netmask: '', mac: '', cidr: null },
  ];
  const docker0 = info('172.17.0.1');
  const all = { lo: info('127.0.0.1', true), docker0, eth0: info('10.0.0.1') };
  expect(lanInterfaces(all)).toEqual([{ name: 'eth0', address: '10.0.0.1' }]);
  expect(lanInterfaces({ docker0 })).toEqual([{ name: 'docker0', address: '172.17.0.1' }]);
});
