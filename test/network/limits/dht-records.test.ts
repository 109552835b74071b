/** The DHT knows where peers are, and keeps nothing else for anybody. */
import { randomBytes } from 'node:crypto';
import { afterEach, expect, it } from 'vitest';
import { dhtMessage } from '../../../sim/hostile/pubsub.ts';
import { createEmptyDatastore } from '../../../src/network/host/dht-datastore.ts';
import { MESH, makeMembers, soon, stopAll, until } from '../support.ts';

afterEach(stopAll);

it('refuses keys that a peer would have kept, and ends the stream that they came on', async () => {
  const [alice, mallory] = await makeMembers(['alice', 'mallory']);
  if (alice === undefined || mallory === undefined) throw new Error('two');
  await mallory.network.dial(alice.address(), soon());
  const stream = await mallory.network.open(alice.id, `/starling/${MESH}/kad/1.0.0`, soon());
  let end: Error | undefined;
  let answered = 0;
  stream.onEnd((error) => (end = error ?? new Error('closed')));
  stream.onData(({ length }) => (answered += length));
  stream.write(dhtMessage({ put: randomBytes(32) }));
  await until(() => end !== undefined, 'the end of the stream');
  expect(answered).toBe(0);
});

it('has a datastore in which nothing is ever found', async () => {
  const store = createEmptyDatastore();
  const key = undefined as never;
  expect(() => store.put(key, new Uint8Array(1))).toThrow('keeps no records');
  expect(() => store.get(key)).toThrow(expect.objectContaining({ name: 'NotFoundError' }));
  expect(await store.has(key)).toBe(false);
  const found: unknown[] = [];
  for await (const one of store.query({})) found.push(one);
  expect(found).toEqual([]);
});
