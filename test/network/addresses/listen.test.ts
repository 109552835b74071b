/** Where a node listens, on machines that lack a family of addresses. The transports are a stub. */
import type { Multiaddr } from '@multiformats/multiaddr';
import { expect, it } from 'vitest';
import { LISTEN_DEFAULT } from '../../../src/config/schema/schema.ts';
import { silentLogger } from '../../../src/core/index.ts';
import { listenOnAll } from '../../../src/network/addresses/listen.ts';

/** A machine on which listening on such addresses fails, as libp2p tells it. */
function machine(fails: RegExp, code: string): { heard: string[]; listen: never } {
  const heard: string[] = [];
  const listen = async ([address]: Multiaddr[]): Promise<void> => {
    const text = String(address);
    if (fails.test(text)) throw new Error(`listen ${code}: address not available ${text}`);
    heard.push(text);
  };
  return { heard, listen: listen as never };
}

it.each([
  ['IPv6', /^\/ip4\//, 'EADDRNOTAVAIL', '/ip6/'],
  ['IPv4', /^\/ip6\//, 'EAFNOSUPPORT', '/ip4/'],
])('a node starts with the defaults where there is only %s', async (_, fails, code, family) => {
  const { heard, ...transports } = machine(fails, code);
  await listenOnAll(transports, LISTEN_DEFAULT, silentLogger);
  expect(heard).toHaveLength(2);
  expect(heard.every((one) => one.startsWith(family))).toBe(true);
});

it('a node starts where it listens nowhere only if it was told so', async () => {
  const { heard, ...transports } = machine(/./, 'EADDRNOTAVAIL');
  await expect(listenOnAll(transports, LISTEN_DEFAULT, silentLogger)).rejects.toMatchObject({
    code: 'STARLING_LISTEN_FAILED',
  });
  await listenOnAll(transports, [], silentLogger);
  expect(heard).toEqual([]);
});

it('a port that is taken, and an address that this machine lacks, are still refused', async () => {
  const taken = machine(/ip6/, 'EADDRINUSE');
  await expect(listenOnAll(taken, LISTEN_DEFAULT, silentLogger)).rejects.toMatchObject({
    code: 'STARLING_LISTEN_FAILED',
  });
  const absent = machine(/192\.0\.2\.9/, 'EADDRNOTAVAIL');
  const listen = ['/ip4/0.0.0.0/tcp/4040', '/ip4/192.0.2.9/tcp/4040'];
  await expect(listenOnAll(absent, listen, silentLogger)).rejects.toMatchObject({
    message: expect.stringContaining('/ip4/192.0.2.9/tcp/4040') as string,
  });
});
