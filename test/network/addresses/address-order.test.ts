/** In which order a node tells its addresses, on machines as people have them. */
import { multiaddr } from '@multiformats/multiaddr';
import type { NetworkInterfaceInfo } from 'node:os';
import { describe, expect, it } from 'vitest';
import { inOrderOfUse } from '../../../src/network/addresses/address-order.ts';

const info = (address: string): NetworkInterfaceInfo =>
  ({ address, family: address.includes(':') ? 'IPv6' : 'IPv4' }) as NetworkInterfaceInfo;
const bridges = Object.fromEntries(
  [17, 18, 19, 20, 21, 22].map((part) => [
    part === 17 ? 'docker0' : `br-${part}cafe`,
    [info(`172.${part}.0.1`)],
  ]),
);
const places = {
  interfaces: {
    lo: [info('127.0.0.1'), info('::1')],
    ...bridges,
    wg0: [info('10.9.0.2')],
    eth0: [info('192.168.1.20'), info('2001:db8::20'), info('2001:db8::beef')],
  },
  defaultSources: new Set(['192.168.1.20', '2001:db8::20']),
  announced: new Set<string>(),
};
const hosts = [
  '127.0.0.1',
  ...[17, 18, 19, 20, 21, 22].map((part) => `172.${part}.0.1`),
  '10.9.0.2',
  '192.168.1.20',
];
const addresses = [
  ...hosts.flatMap((host) => [`/ip4/${host}/tcp/4040`, `/ip4/${host}/tcp/4041/ws`]),
  '/ip6/2001:db8::20/tcp/4040',
  '/ip6/2001:db8::beef/tcp/4040',
].map((text) => multiaddr(text));
const RELAY = '12D3KooWJWoaqZhDaoEFshF7Rh1bpY9ohihFhzcW6d69Lr2NASuq';

describe('the addresses that a node tells', () => {
  it('begin with the default route, and six container bridges come last', () => {
    const told = inOrderOfUse(addresses, places).map(String);
    expect(told.slice(0, 4)).toEqual([
      '/ip4/192.168.1.20/tcp/4040',
      '/ip6/2001:db8::20/tcp/4040',
      '/ip4/10.9.0.2/tcp/4040',
      '/ip6/2001:db8::beef/tcp/4040',
    ]);
    expect(told.slice(4, 6)).toEqual([
      '/ip4/192.168.1.20/tcp/4041/ws',
      '/ip4/10.9.0.2/tcp/4041/ws',
    ]);
    expect(told.slice(6, 12).every((one) => one.startsWith('/ip4/172.'))).toBe(true);
    expect(told.slice(-2).every((one) => one.startsWith('/ip4/127.'))).toBe(true);
    expect(told).toHaveLength(addresses.length);
  });

  it('are none that lead through the loopback of a relay, unless all of the mesh is on one machine', () => {
    const through = (host: string) => multiaddr(`/ip4/${host}/tcp/4040/p2p/${RELAY}/p2p-circuit`);
    const hidden = [through('127.0.0.1'), through('192.168.1.9')];
    expect(inOrderOfUse(hidden, places)).toEqual([through('192.168.1.9')]);
    const own = multiaddr('/ip4/127.0.0.1/tcp/4040');
    // A newcomer that is given the first of them is no member yet, for whom nobody relays.
    expect(inOrderOfUse([through('127.0.0.1'), own], places)).toEqual([own, through('127.0.0.1')]);
  });

  it('begin with what the operator announces, and with what others have seen, where there is that', () => {
    const more = [...addresses, multiaddr('/ip4/198.51.100.7/tcp/4040')];
    expect(String(inOrderOfUse(more, places)[0])).toBe('/ip4/198.51.100.7/tcp/4040');
    const announced = { ...places, announced: new Set(['home.example']) };
    const named = [...more, multiaddr('/dns4/home.example/tcp/4040')];
    expect(String(inOrderOfUse(named, announced)[0])).toBe('/dns4/home.example/tcp/4040');
  });

  it('have a relay before the bridges: a peer elsewhere can use that one', () => {
    const relayed = multiaddr(`/ip4/203.0.113.9/tcp/4040/p2p/${RELAY}/p2p-circuit`);
    const told = inOrderOfUse([...addresses, relayed], places).map(String);
    expect(told[6]).toBe(relayed.toString());
  });
});
