/** An answer on its way to a peer: few frames, and nobody waits longer than 20 ms for what is there. */
import { expect, it } from 'vitest';
import { createCoalescedWriter } from '../../../src/models/mesh/coalesced-writer.ts';
import { createTestClock } from '../../core/test-clock.ts';

/** A writer whose frames are read back, each with when it was sent. */
function writing() {
  const clock = createTestClock();
  const beganAt = clock.now();
  const frames: { readonly at: number; readonly text: string }[] = [];
  let drained = (): void => undefined;
  const state = { isFull: false };
  const writer = createCoalescedWriter(
    clock,
    { drained: () => new Promise((resolve) => (drained = resolve)) },
    (frame) => {
      frames.push({ at: clock.now() - beganAt, text: frame.subarray(1).toString() });
      return !state.isFull;
    },
  );
  return { clock, frames, state, writer, drain: () => drained() };
}

it('sends the first bytes at once, and what comes within 20 ms together', async () => {
  const { clock, frames, writer } = writing();
  for (let at = 0; at < 10; at += 1) {
    await writer.push(Buffer.from(String(at)));
    clock.advance(5);
  }
  await writer.flush();
  expect(frames).toEqual([
    { at: 0, text: '0' },
    { at: 20, text: '123' },
    { at: 40, text: '4567' },
    { at: 50, text: '89' },
  ]);
  expect(clock.waiting()).toBe(0);
});

it('sends 1 KiB at once, and a long piece in frames that the queue of a stream can take', async () => {
  const { clock, frames, writer } = writing();
  await writer.push(Buffer.from('first'));
  clock.advance(1);
  await writer.push(Buffer.alloc(1023, 'a'));
  expect(frames).toHaveLength(1);
  await writer.push(Buffer.from('b'));
  expect(frames.map(({ text }) => text.length)).toEqual([5, 1024]);
  await writer.push(Buffer.alloc(150 * 1024, 'c'));
  expect(frames.slice(2).map(({ text }) => text.length)).toEqual([65_536, 65_536, 22_528]);
});

it('takes no more while the peer does not read, and writes nothing once it is stopped', async () => {
  const { clock, drain, frames, state, writer } = writing();
  state.isFull = true;
  let isTaken = false;
  const pushed = writer.push(Buffer.from('one')).then(() => (isTaken = true));
  await new Promise((resolve) => setImmediate(resolve));
  expect(isTaken).toBe(false);
  drain();
  await pushed;
  await writer.push(Buffer.from('two'));
  writer.stop();
  clock.advance(60);
  expect(frames).toHaveLength(1);
  expect(clock.waiting()).toBe(0);
});
