/** Places as people read them. */
import { expect, it } from 'vitest';
import { addressText, addressTexts, someOf } from '../../../src/core/index.ts';

it.each([
  ['/ip4/192.0.2.7/tcp/4040/p2p/12D3Koo', '192.0.2.7:4040'],
  ['/ip6/2001:db8::7/tcp/4040', '[2001:db8::7]:4040'],
  ['/ip4/192.0.2.7/tcp/4041/ws/p2p/12D3Koo', '192.0.2.7:4041 (ws)'],
  ['/dns4/lab.example/tcp/443/tls/ws', 'lab.example:443 (wss)'],
  ['/ip4/192.0.2.9/tcp/4040/p2p/12D3Koo/p2p-circuit/p2p/12D3Kop', 'through a relay'],
  ['/memory/one', '/memory/one'],
  ['–', '–'],
])('%s is %s', (multiaddr, place) => {
  expect(addressText(multiaddr)).toBe(place);
});

it('several are named once each, and this machine only where there is nothing else', () => {
  const here = '/ip4/127.0.0.1/tcp/4040';
  const there = '/ip4/192.0.2.7/tcp/4040';
  expect(addressTexts([here, there, there])).toEqual(['192.0.2.7:4040']);
  expect(addressTexts([here, '/ip6/::1/tcp/4040'])).toEqual(['127.0.0.1:4040', '[::1]:4040']);
});

it('many are some, and a number', () => {
  expect(someOf(['a', 'b', 'c'], 2)).toBe('a, b and 1 more');
  expect(someOf(['a'], 2)).toBe('a');
});
