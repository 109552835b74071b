/** Links over memory that vouches for who is at their ends: nothing of them is encrypted, and all else is as it was. */
import { afterEach, expect, it } from 'vitest';
import { systemClock } from '../../src/core/index.ts';
import { createBareHost } from '../../src/network/index.ts';
import { MemoryNetwork } from '../../sim/memory-transport.ts';
import {
  acquaint,
  connectedTo,
  disconnectedFrom,
  echo,
  makeMember,
  read,
  soon,
  stopAll,
} from '../network/support.ts';
import type { Member } from '../network/support.ts';
import { members } from './memory-members.ts';

afterEach(stopAll);

it.each([
  ['/tls/1.0.0', false],
  ['native', true],
])(
  'a link is protected by %s where vouching is %s, and leads to whom was dialled',
  async (by, vouches) => {
    const memory = new MemoryNetwork(undefined, { vouches });
    const [a] = (await members(memory, ['a'])).all as [Member];
    const host = await createBareHost({
      clock: systemClock,
      transports: [memory.host('10.78.1.1')],
    });
    const { connection } = await host.dial(a.address(), soon());
    expect([connection.encryption, connection.multiplexer]).toEqual([by, '/yamux/1.0.0']);
    expect(String(connection.remotePeer)).toBe(a.id);
    await host.stop();
  },
);

it('carries a megabyte each way in order, is redialled after a cut, and leaves nothing open', async () => {
  const memory = new MemoryNetwork(undefined, { vouches: true });
  const [a, b] = (await members(memory, ['a', 'b'])).all as [Member, Member];
  a.network.handle('/test/echo/1', echo);
  b.network.keep(a.id, [a.address()]);
  await Promise.all([connectedTo(b.network, a.id), connectedTo(a.network, b.id)]);
  const stream = await b.network.open(a.id, '/test/echo/1', soon());
  const sent = Buffer.from(Array.from({ length: 1024 * 1024 }, (_, at) => at % 251));
  const received = read(stream, sent.length);
  stream.write(sent);
  expect(sent.equals(await received)).toBe(true);
  const lost = disconnectedFrom(b.network, a.id);
  const ip = b.address().split('/')[2] ?? '';
  memory.cut(ip);
  await lost;
  memory.mend(ip);
  await connectedTo(b.network, a.id);
  await stopAll();
  await expect.poll(() => memory.open).toBe(0);
});

it('lets nobody in who is not admitted', async () => {
  const memory = new MemoryNetwork(undefined, { vouches: true });
  const [a] = (await members(memory, ['a'])).all as [Member];
  const ip = '10.78.1.2';
  const listens = { listen: [`/ip4/${ip}/tcp/4040`] };
  const stranger = await makeMember('stranger', listens, { transports: [memory.host(ip)] });
  await stranger.network.start();
  await expect(stranger.network.dial(a.address(), soon())).rejects.toThrow(/not on the list/);
  expect(a.network.connected()).toEqual([]);
});

it('vouches for no stream of which it does not know both ends', async () => {
  const memory = new MemoryNetwork(undefined, { vouches: true });
  const [a] = (await members(memory, ['a'])).all as [Member];
  const [place = ''] = a.address().split('/p2p/');
  // As somebody does who has no host: nobody has said whose the stream is.
  const stream = await memory.host('10.78.1.3').dial(place, soon());
  let said = '';
  stream.on('data', (bytes: Buffer) => void (said += bytes.toString('latin1')));
  stream.write(Buffer.from('\x13/multistream/1.0.0\n\x0b/tls/1.0.0\n', 'latin1'));
  await expect.poll(() => said).toBe('\x13/multistream/1.0.0\n\x0b/tls/1.0.0\n');
  stream.destroy();
  expect(a.network.connected()).toEqual([]);
});

it('by way of a relay the two ends prove their keys to each other all the same', async () => {
  const memory = new MemoryNetwork(undefined, { vouches: true });
  const [relay] = (await members(memory, ['relay'], { relay: true })).all as [Member];
  const { all: hidden } = await members(memory, ['a', 'b'], { listen: [], relay: true });
  const [a, b] = hidden as [Member, Member];
  acquaint([relay, a, b]);
  await a.network.dial(relay.address(), soon());
  await b.network.dial(relay.address(), soon());
  await expect
    .poll(() => b.network.addresses().some((text) => text.includes('p2p-circuit')))
    .toBe(true);
  expect(await a.network.dial(b.id, soon())).toBe(b.id);
  expect(a.network.route(b.id)).toMatchObject({ kind: 'relayed' });
});
