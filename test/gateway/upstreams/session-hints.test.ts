/** Who has granted somebody something says so on the link; who offers nothing is left alone. */
import { EventEmitter } from 'node:events';
import { expect, it } from 'vitest';
import { silentLogger } from '../../../src/core/index.ts';
import type { Did, PeerId } from '../../../src/core/index.ts';
import { createSessionHints } from '../../../src/gateway/upstreams/session-hints.ts';
import type { SessionHintsComponents } from '../../../src/gateway/upstreams/session-hints.ts';
import { createIdentity } from '../../../src/identity/index.ts';
import { createTestClock } from '../../core/test-clock.ts';

const [ALICE, BOB] = [2, 3].map((seed) => createIdentity(Buffer.alloc(32, seed))) as [
  ReturnType<typeof createIdentity>,
  ReturnType<typeof createIdentity>,
];
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function makeRig(
  isOld = false,
  before: (rig: { hears(byte: number): void }) => void = () => undefined,
) {
  const events: SessionHintsComponents['network']['events'] = new EventEmitter();
  const grants = Object.assign(
    new EventEmitter(),
    {},
  ) as SessionHintsComponents['grants']['events'];
  let hear: (bytes: Uint8Array, from: PeerId) => void = () => undefined;
  const rig = {
    said: [] as number[],
    dialled: [] as string[],
    reported: 0,
    changed: [] as PeerId[],
    granted: [] as string[],
    isLinked: false,
    link: () => {
      rig.isLinked = true;
      events.emit('peer:connect', BOB.peerId);
    },
    change: (holder: Did) => grants.emit('change', holder),
    hears: (byte: number) => hear(Uint8Array.of(byte), BOB.peerId),
  };
  const hints = createSessionHints({
    network: {
      self: ALICE.peerId,
      events,
      connected: () => (rig.isLinked ? [BOB.peerId] : []),
      isConnected: () => rig.isLinked,
      dial: async (target) => (rig.dialled.push(target), rig.link(), BOB.peerId),
      report: () => void (rig.reported += 1),
      onFrame(_, listener) {
        hear = listener;
        return () => {
          hear = () => undefined;
        };
      },
      sendFrame: async (_, __, bytes) => (isOld ? false : (rig.said.push(bytes[0] ?? -1), true)),
    },
    grants: { events: grants, issuedTo: () => rig.granted },
    membership: { peer: () => ({ state: 'alive' }) as never },
    clock: createTestClock(),
    logger: silentLogger,
  });
  before(rig);
  hints.start((peer) => rig.changed.push(peer));
  return { rig, hints };
}

it('says on a new link whether there is anything, and again when something is granted', async () => {
  const { rig } = makeRig();
  rig.link();
  await settle();
  expect(rig.said).toEqual([0]);
  rig.granted.push('a grant');
  rig.change(BOB.did);
  rig.change(ALICE.did);
  await settle();
  expect(rig.said).toEqual([0, 1]);
});

it('connects to whoever was granted something, and has no link', async () => {
  const { rig } = makeRig();
  rig.granted.push('a grant');
  rig.change(BOB.did);
  await settle();
  expect(rig.dialled).toEqual([BOB.peerId]);
  expect(rig.said).toEqual([1]);
});

it('has a session where there is something until that was had, and where the peer can not say', async () => {
  const { rig, hints } = makeRig();
  rig.link();
  rig.hears(0);
  expect(hints.isAsked(BOB.peerId)).toBe(false);
  rig.hears(1);
  expect(hints.isAsked(BOB.peerId)).toBe(true);
  expect(rig.changed).toEqual([BOB.peerId]);
  hints.taken(BOB.peerId);
  expect(hints.isAsked(BOB.peerId)).toBe(false);
  const old = makeRig(true);
  old.rig.link();
  await settle();
  expect(old.hints.isAsked(BOB.peerId)).toBe(true);
});

it('knows when it is started what a peer has said while the node was starting', () => {
  const { rig, hints } = makeRig(false, (early) => early.hears(1));
  expect(hints.isAsked(BOB.peerId)).toBe(true);
  hints.stop();
  rig.hears(1);
  expect(hints.isAsked(BOB.peerId)).toBe(false);
});

it('does not hear a peer that says so all the time, and holds that against it', () => {
  const { rig } = makeRig();
  for (let time = 0; time < 50; time += 1) rig.hears(1);
  expect(rig.changed.length).toBe(30);
  expect(rig.reported).toBe(20);
});
