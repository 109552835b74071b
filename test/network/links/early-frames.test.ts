/** Frames that came before anybody heard their kind: what a peer says once must not be lost on a node that is starting. */
import { afterEach, describe, expect, it } from 'vitest';
import type { PeerId } from '../../../src/core/index.ts';
import { createEarlyFrames } from '../../../src/network/links/early-frames.ts';
import { createTestClock } from '../../core/test-clock.ts';
import { connectedTo, disconnectedFrom, makeMembers, soon, stopAll, until } from '../support.ts';
import type { Member } from '../support.ts';

const [ANN, BOB] = ['ann', 'bob'] as unknown as [PeerId, PeerId];
const frame = (kind: string, text: string, from = ANN) => ({
  kind,
  payload: Buffer.from(text),
  from,
});

describe('early frames', () => {
  it('are given once, in their order, and copied', () => {
    const early = createEarlyFrames(createTestClock());
    const first = frame('a', 'one');
    early.keep(first);
    early.keep(frame('b', 'two'));
    early.keep(frame('a', 'three', BOB));
    first.payload.fill(0);
    const said = early
      .take('a')
      .map(({ payload, from }) => [Buffer.from(payload).toString(), from]);
    expect(said).toEqual([
      ['one', ANN],
      ['three', BOB],
    ]);
    expect([early.take('a').length, early.take('b').length]).toEqual([0, 1]);
  });

  it('are kept for a start, and no longer than the link', () => {
    const clock = createTestClock();
    const early = createEarlyFrames(clock);
    early.keep(frame('a', 'old'));
    clock.advance(14_000);
    early.keep(frame('a', 'new'));
    early.keep(frame('a', 'of bob', BOB));
    clock.advance(2000);
    early.forget(BOB);
    expect(early.take('a').map(({ payload }) => Buffer.from(payload).toString())).toEqual(['new']);
  });

  it('are bounded: one peer can neither fill the node nor take the room of others by many', () => {
    const early = createEarlyFrames(createTestClock());
    for (let at = 0; at < 10_000; at += 1) early.keep(frame('a', `${at}`));
    early.keep(frame('a', 'of bob', BOB));
    expect(early.take('a').map(({ from }) => from)).toEqual([...Array<PeerId>(32).fill(ANN), BOB]);
    const large = 'x'.repeat(60_000);
    for (let at = 0; at < 1000; at += 1) early.keep(frame('a', large, `peer ${at}` as PeerId));
    expect(early.take('a')).toHaveLength(17);
  });
});

describe('a node that hears a kind later than its link is open', () => {
  afterEach(stopAll);

  it('hears what was said of that kind meanwhile, and nothing of a link that is gone', async () => {
    const [ann, bob] = (await makeMembers(['ann', 'bob'])) as [Member, Member];
    await ann.network.dial(bob.address(), soon());
    await connectedTo(bob.network, ann.id);
    const heard: string[] = [];
    bob.network.onFrame('known', () => heard.push('known'));
    for (const text of ['one', 'two']) {
      expect(await ann.network.sendFrame(bob.id, 'late', Buffer.from(text))).toBe(true);
    }
    await ann.network.sendFrame(bob.id, 'gone', Buffer.from('gone'));
    await ann.network.sendFrame(bob.id, 'known', Buffer.alloc(0));
    await until(() => heard.length > 0, 'the last frame');
    bob.network.onFrame('late', (bytes) => heard.push(Buffer.from(bytes).toString()));
    // Whoever begins to hear is not called before it has begun.
    expect(heard).toEqual(['known']);
    await until(() => heard.length === 3, 'the frames of before');
    expect(heard).toEqual(['known', 'one', 'two']);
    await ann.network.stop();
    await disconnectedFrom(bob.network, ann.id);
    bob.network.onFrame('gone', () => heard.push('gone'));
    await new Promise((resolve) => setImmediate(resolve));
    expect(heard).toHaveLength(3);
  });
});
