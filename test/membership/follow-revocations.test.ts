/** A member whose membership ends is told as put out, and by whom. */
import { EventEmitter } from 'node:events';
import { expect, it } from 'vitest';
import { createHealth, silentLogger } from '../../src/core/index.ts';
import type { Did } from '../../src/core/index.ts';
import { createIdentity, shortId } from '../../src/identity/index.ts';
import { followRevocations } from '../../src/membership/follow-revocations.ts';
import type { FollowRevocationsComponents } from '../../src/membership/follow-revocations.ts';

const [SELF, ALICE, BOB] = [1, 2, 3].map((seed) => createIdentity(Buffer.alloc(32, seed)));

/** What is told of bob, whose membership `by` has ended. */
function toldOfBob(by: Did, isAbove = false): unknown {
  if (SELF === undefined || ALICE === undefined || BOB === undefined) throw new Error('three');
  let told: unknown = 'nothing';
  const end = { by, of: isAbove ? ALICE.did : BOB.did, isAbove, at: 0, jws: '' };
  const components = {
    network: { self: SELF.peerId },
    ownMesh: {
      successions: { events: new EventEmitter() },
      isMember: () => true,
      hasMember: () => false,
      records: () => ({ onAdded: () => () => undefined, endOf: () => end }),
    },
    peers: {
      all: () => [{ view: { peerId: BOB.peerId, did: BOB.did } }],
      nameOf: (peer: string) => (peer === ALICE.peerId ? 'alice' : undefined),
      remove: (_: unknown, __: string, ended: unknown) => void (told = ended),
    },
    evicted: () => undefined,
    health: createHealth(),
    logger: silentLogger,
  };
  followRevocations(components as unknown as FollowRevocationsComponents)();
  return told;
}

it('names who put a member out: a peer, this node, or one without a name here', () => {
  const stranger = createIdentity(Buffer.alloc(32, 9)).did;
  expect(toldOfBob(ALICE?.did ?? stranger)).toEqual({ by: 'alice' });
  expect(toldOfBob(SELF?.did ?? stranger)).toEqual({ by: 'this node' });
  expect(toldOfBob(stranger)).toEqual({ by: shortId(stranger) });
});

it('names nobody where the member left; who came in by one that left did not', () => {
  const [bob, alice] = [BOB?.did, ALICE?.did] as [Did, Did];
  expect(toldOfBob(bob)).toEqual({});
  expect(toldOfBob(alice, true)).toEqual({ by: 'alice' });
});

it('a node that is put out keeps the links to those who are out with it for a second, to tell them', () => {
  if (SELF === undefined || ALICE === undefined || BOB === undefined) throw new Error('three');
  const waiting: { delayMs: number; work: () => void }[] = [];
  const removed: unknown[] = [];
  const told: string[] = [];
  const end = { by: ALICE.did, of: SELF.did, isAbove: false, at: 0, jws: '' };
  const components = {
    network: { self: SELF.peerId },
    ownMesh: {
      successions: {
        events: new EventEmitter(),
        heirs: () => [],
        current: (did: Did) => did,
        of: () => undefined,
      },
      isMember: () => false,
      hasMember: () => false,
      ended: () => end,
      require: () => ({ name: 'lab', fingerprint: 'one two three four' }),
      noteEnd: async () => undefined,
      records: () => ({ onAdded: () => () => undefined, endOf: () => ({ ...end, isAbove: true }) }),
    },
    peers: {
      all: () => [{ view: { peerId: BOB.peerId, did: BOB.did } }],
      nameOf: () => undefined,
      remove: (peer: unknown) => void removed.push(peer),
    },
    evicted: (reason: string) => void told.push(reason),
    after: (delayMs: number, work: () => void) => void waiting.push({ delayMs, work }),
    health: createHealth(),
    logger: silentLogger,
  };
  followRevocations(components as unknown as FollowRevocationsComponents)();
  expect(told[0]).toMatch(/this node was put out of the mesh 'lab'/);
  expect([removed.length, waiting.map(({ delayMs }) => delayMs)]).toEqual([0, [1000]]);
  for (const { work } of waiting) work();
  expect(removed).toHaveLength(1);
});
