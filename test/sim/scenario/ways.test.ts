/** Ways between hosts in memory: what is slow, lost or cut. */
import { once } from 'node:events';
import type { Duplex } from 'node:stream';
import { expect, it } from 'vitest';
import { MemoryNetwork } from '../../../sim/memory-transport.ts';
import { createChance } from '../../../sim/scenario/random.ts';
import { createWays } from '../../../sim/scenario/engines/ways.ts';

const ADDRESS = '/ip4/10.0.0.2/tcp/1';

async function connected(): Promise<{
  readonly ways: ReturnType<typeof createWays>;
  readonly near: Duplex;
  readonly far: Duplex;
  readonly memory: MemoryNetwork;
}> {
  const ways = createWays(createChance(1));
  const memory = new MemoryNetwork(ways);
  let accept: (stream: Duplex) => void = () => undefined;
  const accepted = new Promise<Duplex>((resolve) => {
    accept = resolve;
  });
  await memory.host('10.0.0.2').listen(ADDRESS, (stream) => accept(stream));
  const near = await memory.host('10.0.0.1').dial(ADDRESS, { signal: AbortSignal.timeout(60_000) });
  return { ways, near, far: await accepted, memory };
}

it('a way that is cut in one direction keeps what goes there, and nothing of the other direction', async () => {
  const { ways, near, far } = await connected();
  ways.cut('10.0.0.1', '10.0.0.2');
  near.write('there');
  far.write('back');
  const [back] = (await once(near, 'data')) as [Buffer];
  expect(back.toString()).toBe('back');
  expect(far.readableLength).toBe(0);
  const heard = once(far, 'data') as Promise<[Buffer]>;
  ways.mend('10.0.0.1', '10.0.0.2');
  expect((await heard)[0].toString()).toBe('there');
});

it('bytes come late, all of them, in their order, and then the end', async () => {
  const { ways, near, far } = await connected();
  ways.shapeAll({ delay: 3, jitter: 5, loss: 0.01, rate: 1000 });
  const sent = Array.from({ length: 200 }, (_, at) => `${at};`);
  for (const text of sent) near.write(text);
  near.end();
  let came = '';
  for await (const chunk of far) came += String(chunk);
  expect(came).toBe(sent.join(''));
});

it('who dials over a way that is cut waits until it is mended, or gives up', async () => {
  const { ways, memory } = await connected();
  ways.cut('10.0.0.2', '10.0.0.1');
  const over = new AbortController();
  const vain = memory.host('10.0.0.1').dial(ADDRESS, { signal: over.signal });
  over.abort(new Error('enough'));
  await expect(vain).rejects.toThrow('enough');
  const dial = memory.host('10.0.0.1').dial(ADDRESS, { signal: AbortSignal.timeout(60_000) });
  ways.heal();
  expect((await dial).destroyed).toBe(false);
});

it('the end of a stream is not heard of over a way that is cut', async () => {
  const { ways, near, far } = await connected();
  ways.cut('10.0.0.1', '10.0.0.2');
  near.destroy();
  await once(near, 'close');
  await new Promise((resolve) => setImmediate(resolve));
  expect(far.destroyed).toBe(false);
  ways.heal();
  await once(far, 'close');
});
