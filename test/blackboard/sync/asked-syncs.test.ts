/** What one peer may ask of a node in syncs of boards, and that others get theirs meanwhile. */
import { afterEach, expect, it } from 'vitest';
import type { PeerId } from '../../../src/core/index.ts';
import { encodeVector } from '../../../src/blackboard/lanes/update.ts';
import { decodeMessage, encodeMessage } from '../../../src/blackboard/sync/codec.ts';
import { BOARD_PROTOCOL } from '../../../src/blackboard/sync/sync.ts';
import { ROAD_PROTOCOL } from '../../../src/blackboard/sync/update-road.ts';
import { createMessageStream } from '../../../src/network/index.ts';
import type { PeerStream } from '../../../src/network/index.ts';
import { calm } from '../hub.ts';
import { makeMesh } from '../support.ts';
import type { Mesh } from '../support.ts';

/** Syncs that one peer may have under way, and waiting. */
const AT_ONCE = 2 + 16;
/** Syncs that one peer may ask for, at once and then one in so many ms. */
const ASKED = { burst: 200, everyMs: 250 };

let mesh: Mesh;
afterEach(() => mesh.stop());

async function three(): Promise<Mesh> {
  mesh = await makeMesh(['ann', 'bob', 'mallory']);
  mesh.connectAll();
  await calm();
  return mesh;
}

/** Opens streams for syncs at ann; gives those that she did not refuse at once. */
async function ask(count: number): Promise<PeerStream[]> {
  const [ann, , mallory] = mesh.members;
  const open: PeerStream[] = [];
  for (let at = 0; at < count; at += 1) {
    const signal = AbortSignal.timeout(60_000);
    const stream = await mallory?.network.open(ann?.id as PeerId, BOARD_PROTOCOL, { signal });
    if (stream === undefined) throw new Error('no stream');
    let isOver = false;
    stream.onEnd(() => (isOver = true));
    await calm(2);
    if (!isOver) open.push(stream);
  }
  return open;
}

const told = (): number => mesh.hub.reported.filter(({ what }) => what === 'boards').length;

it('a peer that opens syncs and says nothing holds a handful, and nobody else up', async () => {
  const { members } = await three();
  expect(await ask(60)).toHaveLength(AT_ONCE);
  expect(told()).toBe(0);
  const [ann, bob] = members;
  const [near, far] = [await ann?.blackboard.board('plan'), await bob?.blackboard.board('plan')];
  // What does not come by the road is what a sync brings.
  mesh.hub.opens = (protocol) => protocol !== ROAD_PROTOCOL;
  await near?.set('a', 1);
  // Sooner than silence ends what mallory holds.
  for (let second = 0; second < 10; second += 1) {
    mesh.heartbeats();
    mesh.clock.advance(1000);
    await calm();
  }
  expect(far?.get('a')?.value).toBe(1);
});

it('a peer that asks for syncs without end is refused and told of, and may ask again later', async () => {
  await three();
  let taken = 0;
  for (let at = 0; at < ASKED.burst + 50; at += 1) {
    for (const stream of await ask(1)) {
      taken += 1;
      await stream.close();
      await calm(4);
    }
  }
  expect(taken).toBe(ASKED.burst);
  expect(told()).toBe(50);
  mesh.clock.advance(3 * ASKED.everyMs);
  expect(await ask(5)).toHaveLength(3);
});

const MIB = 1024 * 1024;
/** What one peer is sent at once, and a second. */
const SENT = { burst: 128 * MIB, aSecond: 16 * MIB };

it('a peer that asks for all of a board again and again is sent as much as many boards hold, and so much a second then', async () => {
  await three();
  const plan = await mesh.members[0]?.blackboard.board('plan');
  for (let at = 0; at < 16; at += 1) await plan?.set(`k${at}`, 'x'.repeat(250_000));
  await calm();
  const question = encodeMessage({
    t: 'state',
    board: 'plan',
    vector: encodeVector([]),
    digest: 'another',
  });
  let bytes = 0;
  const state = { isAnswered: true };
  for (let at = 0; at < 60 && state.isAnswered; at += 1) {
    const [peerStream] = await ask(1);
    if (peerStream === undefined) throw new Error('not heard');
    const stream = createMessageStream(peerStream, { maxBytes: MIB });
    state.isAnswered = false;
    stream.onMessage((message) => {
      bytes += message.length;
      if (decodeMessage(message)?.t !== 'state') return;
      state.isAnswered = true;
      stream.abort(new Error('once more'));
    });
    stream.send(question);
    for (let turn = 0; turn < 400 && !state.isAnswered; turn += 1) await calm(1);
  }
  expect(bytes).toBeGreaterThan(SENT.burst * 0.9);
  expect(bytes).toBeLessThan(SENT.burst + 2 * MIB);
  const before = bytes;
  for (let tenth = 0; tenth < 20; tenth += 1) {
    mesh.heartbeats();
    mesh.clock.advance(100);
    await calm(20);
  }
  expect(bytes - before).toBeLessThan(2.2 * SENT.aSecond);
  await calm(300);
  // Others have theirs meanwhile, and nobody is told of who only waits.
  expect([(await mesh.members[1]?.blackboard.board('plan'))?.info().keys, told()]).toEqual([16, 0]);
});
