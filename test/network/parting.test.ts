/** Links that nobody uses close, when both ends agree. */
import { once } from 'node:events';
import { afterEach, expect, it } from 'vitest';
import { connectedTo, fastClock, makeMembers, soon, stopAll } from './support.ts';
import type { Member } from './support.ts';

afterEach(stopAll);

async function linked(): Promise<readonly [Member, Member]> {
  const [a, b] = (await makeMembers(['alice', 'bob'], {}, { clock: fastClock() })) as [
    Member,
    Member,
  ];
  await a.network.dial(b.address(), soon());
  await connectedTo(b.network, a.id);
  return [a, b];
}

it('closes an idle link that neither end needs, as no loss of either, and dials when it is of use again', async () => {
  const [a, b] = await linked();
  b.network.handle('/test/1', (stream) => void stream.close());
  const lost = [a, b].map(async ({ network }) => once(network.events, 'peer:disconnect', soon()));
  a.network.know(b.id, [b.address()]);
  b.network.know(a.id, [a.address()]);
  expect(await Promise.all(lost)).toEqual([
    [b.id, true],
    [a.id, true],
  ]);
  const stream = await a.network.open(b.id, '/test/1', soon());
  expect(a.network.connected()).toEqual([b.id]);
  await stream.close();
});

it('leaves a link alone that the other end wants, or that a stream is using', async () => {
  const [a, b] = await linked();
  const events: unknown[] = [];
  for (const { network } of [a, b])
    network.events.on('peer:disconnect', (...args) => events.push(args));
  // Bob keeps alice; alice would do without.
  a.network.know(b.id, [b.address()]);
  b.network.keep(a.id, [a.address()]);
  await new Promise((resolve) => fastClock().schedule(60_000, () => resolve(undefined)));
  b.network.handle('/test/1', () => undefined);
  const stream = await a.network.open(b.id, '/test/1', soon());
  b.network.know(a.id, [a.address()]);
  await new Promise((resolve) => fastClock().schedule(60_000, () => resolve(undefined)));
  expect(events).toEqual([]);
  stream.abort(new Error('over'));
});
