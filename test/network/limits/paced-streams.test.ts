/** Streams of libp2p's own services are read no faster than a peer's allowance. */
import type { Connection, Stream } from '@libp2p/interface';
import { expect, it } from 'vitest';
import { createStreamPace } from '../../../src/network/limits/service-pace.ts';
import { createTestClock } from '../../core/test-clock.ts';

/** A stream that only tells whether it is read. */
class FakeStream extends EventTarget {
  isRead = true;

  pause(): void {
    this.isRead = false;
  }

  resume(): void {
    this.isRead = true;
  }

  receive(sizeBytes: number): void {
    this.dispatchEvent(Object.assign(new Event('message'), { data: new Uint8Array(sizeBytes) }));
  }
}

it('leaves a stream unread while its peer is over its allowance, on whatever stream', () => {
  const clock = createTestClock();
  const over: string[] = [];
  const pace = createStreamPace(
    clock,
    { burst: 10_000, everyMs: 1 },
    {
      over: (peer) => void over.push(peer),
      refused: () => expect.unreachable(),
    },
  );
  const served: unknown[] = [];
  const open = (peer: string): FakeStream => {
    const stream = new FakeStream();
    const connection = { remotePeer: { toString: () => peer } } as unknown as Connection;
    void pace.paced((one) => void served.push(one))(stream as unknown as Stream, connection);
    return stream;
  };
  const [one, other, bystander] = [open('mallory'), open('mallory'), open('bob')];
  expect(served).toEqual([one, other, bystander]);
  for (let count = 0; count < 10; count += 1) one.receive(100);
  expect(one.isRead).toBe(true);
  for (let count = 0; count < 10; count += 1) one.receive(100);
  expect([one.isRead, other.isRead]).toEqual([false, true]);
  other.receive(100);
  bystander.receive(100);
  expect([other.isRead, bystander.isRead]).toEqual([false, true]);
  expect(over).toEqual(['mallory', 'mallory']);
  clock.advance(5000);
  expect([one.isRead, other.isRead]).toEqual([true, true]);
  one.receive(1_000_000);
  one.dispatchEvent(new Event('close'));
  other.dispatchEvent(new Event('close'));
  expect(clock.waiting()).toBe(0);
});

it('tells of a peer whose stream a service has ended because of what it sent, and of no other end', () => {
  const refused: string[] = [];
  const pace = createStreamPace(
    createTestClock(),
    { burst: 10_000, everyMs: 1 },
    { over: () => expect.unreachable(), refused: (peer) => void refused.push(peer) },
  );
  const ended = (peer: string, local: boolean, error?: Error): void => {
    const stream = new FakeStream();
    const connection = { remotePeer: { toString: () => peer } } as unknown as Connection;
    void pace.paced(() => undefined)(stream as unknown as Stream, connection);
    stream.dispatchEvent(Object.assign(new Event('close'), { local, error }));
  };
  const named = (name: string): Error => Object.assign(new Error('no'), { name });
  ended('mallory', true, named('RefusedRecordError'));
  ended('eve', true, named('InvalidMessageError'));
  for (const name of ['TimeoutError', 'AbortError', 'Error']) ended('bob', true, named(name));
  ended('bob', false, named('InvalidMessageError'));
  ended('bob', true);
  expect(refused).toEqual(['mallory', 'eve']);
});
