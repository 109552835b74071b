/** The DHT knows where peers are and who provides what, and keeps nothing else for anybody. */
import { randomBytes } from 'node:crypto';
import { afterEach, expect, it } from 'vitest';
import { dhtMessage } from '../../../sim/hostile/pubsub.ts';
import { PROVIDER_RECORDS_PER_PEER, PROVIDER_RECORD_MS } from '../../../src/network/constants.ts';
import { createProviderRecords } from '../../../src/network/host/provider-records.ts';
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

/** A key as kad-dht makes it. */
const keyOf = (what: string, who: string): never =>
  ({ toString: () => `/dht/provider/${what}/${who}` }) as never;

async function found(store: ReturnType<typeof createProviderRecords>, prefix: string) {
  const keys: string[] = [];
  for await (const { key } of store.query({ prefix })) keys.push(key.toString());
  return keys;
}

it('keeps who provides what for half an hour, and nothing else', async () => {
  let now = 0;
  const store = createProviderRecords(() => now);
  const other = { toString: () => '/dht/record/x' } as never;
  expect(() => store.put(other, new Uint8Array(1))).toThrow('keeps no values');
  expect(() => store.get(other)).toThrow(expect.objectContaining({ name: 'NotFoundError' }));
  await store.put(keyOf('a', 'bob'), Uint8Array.of(1));
  await store.put(keyOf('b', 'bob'), Uint8Array.of(2));
  expect(await found(store, '/dht/provider/a')).toEqual(['/dht/provider/a/bob']);
  expect(await store.get(keyOf('a', 'bob'))).toEqual(Uint8Array.of(1));
  now = PROVIDER_RECORD_MS;
  expect(await found(store, '/dht/provider')).toEqual([]);
  expect(() => store.get(keyOf('a', 'bob'))).toThrow('no such record');
});

it('keeps a few records of each peer, so that nobody takes the room of others', async () => {
  const store = createProviderRecords(() => 0);
  await store.put(keyOf('a', 'bob'), new Uint8Array(1));
  for (let count = 0; count < 3 * PROVIDER_RECORDS_PER_PEER; count += 1) {
    await store.put(keyOf(String(count), 'mallory'), new Uint8Array(1));
  }
  const keys = await found(store, '/dht/provider');
  expect(keys).toHaveLength(1 + PROVIDER_RECORDS_PER_PEER);
  expect(keys).toContain('/dht/provider/a/bob');
});

it('finds by the DHT which members provide something, over real networks', async () => {
  const [alice, bob, carol] = await makeMembers(['alice', 'bob', 'carol']);
  if (alice === undefined || bob === undefined || carol === undefined) throw new Error('three');
  await alice.network.dial(bob.address(), soon());
  await carol.network.dial(bob.address(), soon());
  await until(() => bob.network.routingTableSize() === 2, 'a full table');
  await until(() => alice.network.routingTableSize() > 0, 'a table');
  await until(() => carol.network.routingTableSize() > 0, 'a table');
  await alice.network.provide('search', soon());
  const providers: string[] = [];
  await carol.network.findProviders('search', (peer) => void providers.push(peer), soon());
  expect(providers).toEqual([alice.id]);
  await carol.network.findProviders('dig', (peer) => void providers.push(peer), soon());
  expect(providers).toEqual([alice.id]);
});
