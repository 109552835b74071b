/** A peer that has changed its key while only we know where it is, and it does not know where we are. */
import { afterEach, expect, it } from 'vitest';
import { makeMember, soon, stopAll } from './support.ts';

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
