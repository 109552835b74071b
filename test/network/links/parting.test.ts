/** Links that nobody uses close, when both ends agree. */
import { once } from 'node:events';
import { afterEach, expect, it, onTestFinished, vi } from 'vitest';
import { systemClock } from '../../../src/core/index.ts';
import type { Clock } from '../../../src/core/index.ts';
import { MemoryNetwork } from '../../../sim/memory-transport.ts';
import {
  acquaint,
  connectedTo,
  makeMember,
  makeMembers,
  soon,
  stopAll,
  until,
} from '../support.ts';
import { IDLE_LINK_MS, IDLE_LOOK_MS, PART_PAUSE_MS } from '../../../src/network/constants.ts';
import type { Member } from '../support.ts';

afterEach(stopAll);

/** A clock whose time can be put forward, and whose looks at idle links come sooner; deadlines are what they are. */
function jumpingClock(): Clock & { jump(ms: number): void } {
  let aheadMs = 0;
  return {
    now: () => Date.now() + aheadMs,
    schedule: (delayMs, task) =>
      systemClock.schedule(delayMs <= 2 * IDLE_LOOK_MS ? delayMs / 4 : delayMs, task),
    jump: (ms) => void (aheadMs += ms),
  };
}

async function linked(): Promise<{
  readonly a: Member;
  readonly b: Member;
  readonly clock: ReturnType<typeof jumpingClock>;
}> {
  const clock = jumpingClock();
  const [a, b] = (await makeMembers(['alice', 'bob'], {}, { clock })) as [Member, Member];
  await a.network.dial(b.address(), soon());
  await connectedTo(b.network, a.id);
  return { a, b, clock };
}

/** Idle links are looked for twice, long after anything was opened. */
async function looked(clock: ReturnType<typeof jumpingClock>): Promise<void> {
  clock.jump(IDLE_LINK_MS + PART_PAUSE_MS);
  await new Promise((resolve) => clock.schedule(2 * IDLE_LOOK_MS, () => resolve(undefined)));
}

it('closes an idle link that neither end needs, as no loss of either, and dials when it is of use again', async () => {
  const { a, b, clock } = await linked();
  b.network.handle('/test/1', (stream) => void stream.close());
  const lost = [a, b].map(async ({ network }) => once(network.events, 'peer:disconnect', soon()));
  a.network.know(b.id, [b.address()]);
  b.network.know(a.id, [a.address()]);
  clock.jump(IDLE_LINK_MS);
  expect(await Promise.all(lost)).toEqual([
    [b.id, true],
    [a.id, true],
  ]);
  const stream = await a.network.open(b.id, '/test/1', soon());
  expect(a.network.connected()).toEqual([b.id]);
  await stream.close();
});

it('leaves a link alone that the other end wants, or that a stream is using', async () => {
  const { a, b, clock } = await linked();
  const events: unknown[] = [];
  for (const { network } of [a, b])
    network.events.on('peer:disconnect', (...args) => events.push(args));
  // Bob keeps alice; alice would do without.
  a.network.know(b.id, [b.address()]);
  b.network.keep(a.id, [a.address()]);
  await looked(clock);
  b.network.handle('/test/1', () => undefined);
  const stream = await a.network.open(b.id, '/test/1', soon());
  b.network.know(a.id, [a.address()]);
  await looked(clock);
  expect(events).toEqual([]);
  stream.abort(new Error('over'));
});

it('dials a peer again that it needs once more, also where a bootstrap address leads there', async () => {
  const clock = jumpingClock();
  const [a] = (await makeMembers(['alice'], {}, { clock })) as [Member];
  const b = await makeMember('bob', { bootstrap: [a.address()] }, { clock });
  acquaint([a, b]);
  await b.network.start();
  await Promise.all([connectedTo(a.network, b.id), connectedTo(b.network, a.id)]);
  const lost = [a, b].map(async ({ network }) => once(network.events, 'peer:disconnect', soon()));
  a.network.know(b.id, [b.address()]);
  b.network.know(a.id, [a.address()]);
  clock.jump(IDLE_LINK_MS);
  await Promise.all(lost);
  // The time at which its dial was due is over, so that none is waited for.
  clock.jump(IDLE_LINK_MS);
  b.network.keep(a.id, [a.address()]);
  await connectedTo(b.network, a.id);
});

it('leaves a link that was parted on purpose parted: nobody dials it anew by itself, libp2p neither', async () => {
  const clock = jumpingClock();
  const memory = new MemoryNetwork();
  const make = (name: string, ip: string): Promise<Member> =>
    makeMember(name, { listen: [`/ip4/${ip}/tcp/4040`] }, { clock, transports: [memory.host(ip)] });
  const [a, b] = await Promise.all([make('alice', '10.81.0.1'), make('bob', '10.81.0.2')]);
  acquaint([a, b]);
  // At intervals the DHT tells libp2p whom to keep connected: its closest peers.
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  onTestFinished(() => void vi.useRealTimers());
  await Promise.all([a.network.start(), b.network.start()]);
  const lost = [a, b].map(async ({ network }) => once(network.events, 'peer:disconnect', soon()));
  // What was kept before, and so was dialled until there was a link, is what a careless part would dial again.
  a.network.keep(b.id, [b.address()]);
  b.network.keep(a.id, [a.address()]);
  await Promise.all([connectedTo(a.network, b.id), connectedTo(b.network, a.id)]);
  await until(
    () => a.network.routingTableSize() + b.network.routingTableSize() === 2,
    'both in the DHT of the other',
  );
  await vi.advanceTimersByTimeAsync(10_000);
  a.network.know(b.id, [b.address()]);
  b.network.know(a.id, [a.address()]);
  clock.jump(IDLE_LINK_MS);
  await Promise.all(lost);
  const dials = memory.dialled.length;
  // Longer than any pause of the redialer, and than libp2p waits before it dials whom it wants to keep.
  for (let times = 0; times < 3; times += 1) await looked(clock);
  expect([a.network.connected(), b.network.connected()]).toEqual([[], []]);
  expect(memory.dialled.slice(dials)).toEqual([]);
});
