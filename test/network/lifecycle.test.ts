/** Starting, stopping, coming back, and what can go wrong with addresses. */
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { once } from 'node:events';
import { afterEach, describe, expect, it } from 'vitest';
import type { Transport } from '../../src/network/index.ts';
import { createTestClock } from '../core/test-clock.ts';
import { MemoryNetwork } from '../../sim/memory-transport.ts';
import { SECOND_DIALS_AFTER_MS } from '../../src/network/constants.ts';
import {
  acquaint,
  codeOf,
  connectedTo,
  disconnectedFrom,
  echo,
  makeMember,
  makeMembers,
  read,
  soon,
  stopAll,
  until,
} from './support.ts';
import type { Member } from './support.ts';

afterEach(stopAll);

describe('listening', () => {
  it('fails with the address and the way out when the port is taken', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const port = portOf(server.address());
    const a = await makeMember('a', { listen: [`/ip4/127.0.0.1/tcp/${port}`] });
    await expect(a.network.start()).rejects.toMatchObject({
      code: 'STARLING_LISTEN_FAILED',
      message: `can't listen on /ip4/127.0.0.1/tcp/${port}: another program uses the port`,
      hint: expect.stringContaining('--listen'),
    });
    expect(a.network.addresses()).toEqual([]);
    server.close();
    await once(server, 'close');
    await a.network.start();
    expect(a.network.addresses()).toEqual([`/ip4/127.0.0.1/tcp/${port}/p2p/${a.id}`]);
  });

  it('fails for an address that is not ours, or that no transport has', async () => {
    const a = await makeMember('a', { listen: ['/ip4/192.0.2.1/tcp/0'] });
    await expect(a.network.start()).rejects.toMatchObject({ code: 'STARLING_LISTEN_FAILED' });
    const b = await makeMember('b', { listen: ['/ip4/127.0.0.1/udp/4000'] });
    await expect(b.network.start()).rejects.toMatchObject({ code: 'STARLING_LISTEN_FAILED' });
  });

  it('tells the addresses of all interfaces for a wildcard', async () => {
    const a = await makeMember('a', { listen: ['/ip4/0.0.0.0/tcp/0', '/ip4/127.0.0.1/tcp/0/ws'] });
    await a.network.start();
    expect(a.network.addresses().some((address) => address.includes('0.0.0.0'))).toBe(false);
    expect(a.network.addresses().length).toBeGreaterThanOrEqual(2);
  });

  it('tells the announced addresses instead', async () => {
    const announce = ['/dns4/node.example/tcp/4040'];
    const a = await makeMember('a', { announce });
    await a.network.start();
    expect(a.network.addresses()).toEqual([`/dns4/node.example/tcp/4040/p2p/${a.id}`]);
  });
});

describe('a life', () => {
  it('starts twice and stops before the start without harm', async () => {
    const a = await makeMember('a');
    await a.network.stop();
    await Promise.all([a.network.start(), a.network.start()]);
    expect(a.network.addresses().length).toBe(1);
    await Promise.all([a.network.stop(), a.network.stop()]);
    expect(a.network.connected()).toEqual([]);
    await a.network.start();
    expect(a.network.addresses().length).toBe(1);
  });

  it('stops with peers connected and waits for no time to pass, leaving no timer', async () => {
    // The clock stands still: a stop that waited for any timeout would never end.
    const clock = createTestClock();
    const members = await makeMembers(['a', 'b', 'c', 'd'], {}, { clock });
    const [first, ...others] = members;
    if (first === undefined) throw new Error('four members');
    await Promise.all(others.map(({ network }) => network.dial(first.address(), soon(60_000))));
    await first.network.stop();
    expect(first.network.connected()).toEqual([]);
    await Promise.all(others.map(({ network }) => network.stop()));
    expect(clock.waiting()).toBe(0);
  });
});

describe('what is asked for', () => {
  it('is refused at once when its topic can not be, and the next start goes well', async () => {
    const a = await makeMember('a');
    const name = 'x'.repeat(300);
    expect(codeOf(() => a.network.topic(name).subscribe(() => undefined))).toBe(
      'STARLING_LIMIT_EXCEEDED',
    );
    await a.network.start();
    expect(codeOf(() => a.network.topic(name).subscribe(() => undefined))).toBe(
      'STARLING_LIMIT_EXCEEDED',
    );
    await a.network.stop();
    await a.network.start();
    expect(a.network.addresses()).toHaveLength(1);
  });

  it('counts when it is asked for while the network starts, or before a start that failed', async () => {
    const memory = new MemoryNetwork();
    const listen = ['/ip4/10.79.0.1/tcp/4040'];
    const taken = await memory.host('10.79.0.1').listen(listen[0] ?? '', () => undefined);
    const a = await makeMember('a', { listen }, { transports: [memory.host('10.79.0.1')] });
    const b = await makeMember('b', { listen: [] }, { transports: [memory.host('10.79.0.2')] });
    acquaint([a, b]);
    await expect(a.network.start()).rejects.toMatchObject({ code: 'STARLING_LISTEN_FAILED' });
    a.network.handle('/test/one/1', echo);
    await taken.close();
    const starting = a.network.start();
    a.network.handle('/test/two/1', echo);
    await Promise.all([starting, b.network.start()]);
    await b.network.dial(a.address(), soon());
    for (const protocol of ['/test/one/1', '/test/two/1']) {
      const stream = await b.network.open(a.id, protocol, soon());
      const back = read(stream, 3);
      stream.write(Buffer.from('abc'));
      expect(String(await back)).toBe('abc');
    }
  });

  it('can be started again after a stop in which a transport failed to close', async () => {
    const memory = new MemoryNetwork();
    const host = memory.host('10.79.0.3');
    let breaks = true;
    const transport: Transport = {
      ...host,
      listen: async (address, accept) => {
        const listener = await host.listen(address, accept);
        const close = async (): Promise<void> => {
          await listener.close();
          if (breaks) throw new Error('the close broke');
        };
        return { ...listener, close };
      },
    };
    const a = await makeMember(
      'a',
      { listen: ['/ip4/10.79.0.3/tcp/4040'] },
      { transports: [transport] },
    );
    await a.network.start();
    await a.network.stop();
    breaks = false;
    await a.network.start();
    expect(a.network.addresses()).toHaveLength(1);
  });
});

describe('a kept peer', () => {
  it('is dialled again when it comes back on the same port, with its handlers and topics', async () => {
    const [a, b] = await makeMembers(['a', 'b']);
    if (a === undefined || b === undefined) throw new Error('two members');
    const [address = ''] = a.network.addresses();
    const port = /tcp\/(\d+)/.exec(address)?.[1];
    b.network.keep(a.id, [address]);
    await connectedTo(b.network, a.id);
    const gone = disconnectedFrom(b.network, a.id);
    await a.network.stop();
    await gone;

    const again = await makeMember('a', { listen: [`/ip4/127.0.0.1/tcp/${port}`] });
    acquaint([again, b]);
    const heard: string[] = [];
    again.network.topic('event').subscribe((data) => void heard.push(String(data[0])));
    await again.network.start();
    await connectedTo(b.network, again.id);
    expect(again.id).toBe(a.id);
    await until(() => {
      void b.network.topic('event').publish(Uint8Array.of(7));
      return heard.length > 0;
    }, 'gossip with the one that came back');
  });

  it('is left alone after unkeep', async () => {
    const clock = createTestClock();
    const [a, b] = await makeMembers(['a', 'b'], {}, { clock });
    if (a === undefined || b === undefined) throw new Error('two members');
    const failed: string[] = [];
    b.network.events.on('dial:failed', (address) => void failed.push(address));
    b.network.keep(a.id, [a.address()]);
    clock.advance(SECOND_DIALS_AFTER_MS);
    await connectedTo(b.network, a.id);
    b.network.unkeep(a.id);
    const gone = disconnectedFrom(b.network, a.id);
    await a.network.stop();
    await gone;
    await a.network.start();
    clock.advance(600_000);
    await new Promise((resolve) => setImmediate(resolve));
    expect(failed).toEqual([]);
    expect(b.network.connected()).toEqual([]);
  });
});

describe('bootstrap', () => {
  it('connects by address, with or without a PeerId in it', async () => {
    const a = await makeMember('a');
    await a.network.start();
    const [bare = ''] = a.address().split('/p2p/');
    const b = await makeMember('b', { bootstrap: [a.address()] });
    const c = await makeMember('c', { bootstrap: [bare] });
    acquaint([a, b, c]);
    await Promise.all([b.network.start(), c.network.start()]);
    await Promise.all([connectedTo(b.network, a.id), connectedTo(c.network, a.id)]);
    expect(b.network.connected()).toEqual([a.id]);
    expect(c.network.connected()).toEqual([a.id]);
  });

  it('keeps trying an address where nobody answers, and the node runs on', async () => {
    const a = await makeMember('a', { bootstrap: ['/ip4/127.0.0.1/tcp/1'] });
    let failures = 0;
    a.network.events.on('dial:failed', () => failures++);
    await a.network.start();
    await until(() => failures >= 2, 'two tries');
    expect(a.network.addresses().length).toBe(1);
  });
});

describe('a mesh of 12 in one process', () => {
  it('joins through one member, and gossip reaches all', async () => {
    const names = Array.from({ length: 12 }, (_, index) => `n${index}`);
    const [first, ...others] = await makeMembers(names);
    if (first === undefined) throw new Error('12 members');
    const heard = new Set<string>();
    for (const { network, id } of others) {
      network.topic('event').subscribe(() => void heard.add(id));
    }
    // On a busy machine a dial may end in the handshake, too: a node dials again then, and so do they.
    const join = (member: Member): Promise<unknown> =>
      member.network.dial(first.address(), soon()).catch(() => join(member));
    await Promise.all(others.map(join));
    await until(() => first.network.connected().length === 11, '11 peers', 180_000);
    const publishing = setInterval(() => {
      void first.network.topic('event').publish(Uint8Array.of(1));
    }, 200);
    await until(() => heard.size === 11, 'gossip to all', 180_000).finally(() =>
      clearInterval(publishing),
    );
    expect(heard.size).toBe(11);
  });
});

function portOf(address: AddressInfo | string | null): number {
  if (address === null || typeof address === 'string') throw new Error('no TCP server');
  return address.port;
}
