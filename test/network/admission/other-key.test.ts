/** A peer that has changed its key while only we know where it is, and it does not know where we are. */
import { afterEach, expect, it } from 'vitest';
import { makeMember, soon, stopAll } from '../support.ts';

afterEach(stopAll);

it('meets who is where a peer was, so that it can say that it has changed its key', async () => {
  const [us, before, now] = [
    await makeMember('us'),
    await makeMember('before'),
    await makeMember('now'),
  ];
  for (const one of [us, now]) {
    one.guests.list.add(us.id).add(before.id).add(now.id);
    await one.network.start();
  }
  const met = new Promise((resolve) => {
    us.network.events.on('peer:connect', resolve);
  });
  us.network.keep(before.id, [now.address().replace(now.id, before.id)]);
  await expect(met).resolves.toBe(now.id);
  await expect(us.network.dial(before.id, soon())).rejects.toMatchObject({
    code: 'STARLING_PEER_UNREACHABLE',
    message: expect.stringContaining('another node is at its address') as string,
  });
});

it('never knocks at its own door, whoever it is told lives there', async () => {
  const us = await makeMember('us', { listen: ['/ip4/0.0.0.0/tcp/0'] });
  const gone = await makeMember('gone');
  us.guests.list.add(gone.id);
  await us.network.start();
  const port = /tcp\/(\d+)/.exec(us.address())?.[1];
  us.network.keep(gone.id, [`/ip4/127.0.0.1/tcp/${port}/p2p/${gone.id}`, us.address()]);
  await expect(us.network.dial(gone.id, soon())).rejects.toMatchObject({
    code: 'STARLING_PEER_UNREACHABLE',
    message: expect.not.stringContaining('another node') as string,
  });
  await expect(
    us.network.dial(`/ip4/127.0.0.1/tcp/${port}/p2p/${gone.id}`, soon()),
  ).rejects.toMatchObject({ message: expect.not.stringContaining('another node') as string });
  expect(us.guests.heard).toEqual([]);
});
