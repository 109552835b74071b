/** What a peer gives in a session: thousands at the pace of its allowance, and nothing that nobody has signed. */
import { createPrivateKey, sign } from 'node:crypto';
import { beforeEach, expect, it } from 'vitest';
import { silentLogger } from '../../../src/core/index.ts';
import { createGivenGrants } from '../../../src/gateway/upstreams/given-grants.ts';
import type { GivenGrants } from '../../../src/gateway/upstreams/given-grants.ts';
import { createPeerAllowances } from '../../../src/gateway/wire/peers/peer-allowances.ts';
import { issueGrant } from '../../../src/grants/index.ts';
import type { GrantBook } from '../../../src/grants/index.ts';
import { createIdentity } from '../../../src/identity/index.ts';
import type { Signer } from '../../../src/identity/index.ts';
import { createTestClock } from '../../core/test-clock.ts';
import type { TestClock } from '../../core/test-clock.ts';

const [alice, bob] = [1, 2].map((byte) => createIdentity(new Uint8Array(32).fill(byte))) as [
  ReturnType<typeof createIdentity>,
  ReturnType<typeof createIdentity>,
];
const SECOND = 1000;

/** The same key by node:crypto, which signs the same in a fortieth of the time. */
const quick: Signer = {
  did: alice.did,
  sign: (message) => sign(null, message, KEY),
};
const KEY = createPrivateKey({
  key: Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), alice.seed]),
  format: 'der',
  type: 'pkcs8',
});

let clock: TestClock;
let reported: Map<string, number>;
let taken: Set<string>;
let held: number[];
let end: () => void;
let given: GivenGrants;

beforeEach(() => {
  clock = createTestClock();
  reported = new Map();
  taken = new Set();
  held = [];
  const report = (_: unknown, what: string, times = 1): void =>
    void reported.set(what, (reported.get(what) ?? 0) + times);
  const book = {
    verified: 0,
    received: () => [],
    chainOf: () => [],
    async receive(texts: readonly string[]) {
      for (const jws of texts) {
        // Each as ten of its kind, so that a few use up the allowance.
        if (!taken.has(jws)) book.verified += 10;
        taken.add(jws);
      }
      return [];
    },
  };
  given = createGivenGrants(
    {
      allowances: createPeerAllowances({ clock, network: { report } }),
      grants: book as unknown as GrantBook,
      clock,
      logger: silentLogger,
    },
    {
      stream: { peer: alice.peerId, onEnd: (listener) => void (end = () => listener()) },
      hold: (forMs) => void held.push(forMs),
    },
  );
});

function grants(count: number): readonly string[] {
  const cap = [{ resource: 'tool:files/*', ability: 'tool/call' }];
  const init = { aud: bob.did, sub: alice.did, cap, expiresAt: 4_000_000_000 };
  return Array.from({ length: count }, () => issueGrant(quick, init, clock.now()).jws);
}

/** Lets what was taken be looked at. */
const calm = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

it('takes what an operator issues by the thousand at its pace, and blames nobody', async () => {
  const all = grants(1100);
  for (let at = 0; at < all.length; at += 50) {
    given.take(all.slice(at, at + 50), undefined);
    await calm();
  }
  expect(taken.size).toBe(550);
  expect(new Set(held), 'the session is read more slowly meanwhile').toEqual(new Set([10]));
  for (let count = 0; count < 5; count += 1) {
    clock.advance(60 * SECOND);
    await calm();
  }
  // The newest 512 have waited: this node keeps no more of one peer.
  expect(all.slice(-512).filter((jws) => !taken.has(jws))).toEqual([]);
  expect([...reported.keys()]).toEqual(['signs']);
  expect(clock.waiting(), 'nothing waits any more').toBe(0);
});

it('keeps nothing waiting of who gives what nobody has signed, and counts all of that', async () => {
  given.take([...grants(512)], undefined);
  await calm();
  const before = taken.size;
  const forged = grants(100).map((jws) => `${jws.slice(0, -8)}AAAAAAAA`);
  reported.clear();
  given.take([...forged], undefined);
  await calm();
  expect([...reported]).toEqual([['records', 100]]);
  expect(taken.size).toBe(before);
  expect(clock.waiting()).toBe(0);
});

it('forgets what waits when the session ends', async () => {
  for (let count = 0; count < 2; count += 1) {
    given.take([...grants(512)], undefined);
    await calm();
  }
  expect(clock.waiting()).toBe(1);
  end();
  expect(clock.waiting()).toBe(0);
});
