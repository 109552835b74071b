/** How what peers do too much of is counted, told and ended, and who is spared. */
import { beforeEach, describe, expect, it } from 'vitest';
import type { PeerId } from '../../../src/core/index.ts';
import { CONDUCT, CONNECTION_METERS } from '../../../src/network/constants.ts';
import { createConduct } from '../../../src/network/limits/conduct.ts';
import type { Conduct } from '../../../src/network/limits/conduct.ts';
import { createConnectionMeters } from '../../../src/network/limits/connection-meter.ts';
import type { ConductReport } from '../../../src/network/index.ts';
import { codeOf } from '../support.ts';
import { createTestClock } from '../../core/test-clock.ts';
import type { TestClock } from '../../core/test-clock.ts';

const MALLORY = '12D3KooWmallory' as PeerId;
const SECOND = 1000;

let clock: TestClock;
let conduct: Conduct;
let told: (ConductReport | undefined)[];

beforeEach(() => {
  clock = createTestClock();
  conduct = createConduct(clock, CONDUCT);
  told = [];
  conduct.onChange((_, report) => told.push(report));
});

describe('the conduct of a peer', () => {
  it('says nothing of a slow peer that is over an allowance now and then', () => {
    for (let minute = 0; minute < 60; minute += 1) {
      conduct.report(MALLORY, 'heartbeats', 40);
      clock.advance(60 * SECOND);
    }
    expect(told).toEqual([]);
    expect(conduct.of(MALLORY)).toBeUndefined();
  });

  it('tells what a peer does too much of, and when it is calm again', () => {
    conduct.report(MALLORY, 'heartbeats', CONDUCT.watchedAt);
    conduct.report(MALLORY, 'heartbeats', 10);
    conduct.report(MALLORY, 'streams');
    expect(told.map((report) => report?.counts)).toEqual([
      { heartbeats: CONDUCT.watchedAt },
      { heartbeats: CONDUCT.watchedAt + 10, streams: 1 },
    ]);
    clock.advance(120 * SECOND);
    expect(told.at(-1)).toBeUndefined();
    expect(conduct.of(MALLORY)).toBeUndefined();
    expect(clock.waiting()).toBe(0);
  });

  it('keeps it out for a while when it goes on, longer each time', () => {
    const flood = (): void => conduct.report(MALLORY, 'heartbeats', CONDUCT.blockedAt);
    const lengths: number[] = [];
    for (let time = 0; time < 3; time += 1) {
      flood();
      const from = clock.now();
      expect(conduct.of(MALLORY)?.until).toBeGreaterThan(from);
      while (conduct.isBlocked(MALLORY)) clock.advance(SECOND);
      lengths.push(clock.now() - from);
    }
    expect(lengths).toEqual([60, 120, 240].map((seconds) => seconds * SECOND));
  });

  it('tells of one whose operator signs thousands of records, and never keeps it out for that alone', () => {
    conduct.report(MALLORY, 'signs', 100_000);
    expect(conduct.of(MALLORY)).toMatchObject({ state: 'watched', counts: { signs: 100_000 } });
    conduct.report(MALLORY, 'heartbeats', CONDUCT.blockedAt - 1);
    expect(conduct.isBlocked(MALLORY)).toBe(false);
    conduct.report(MALLORY, 'heartbeats');
    expect(conduct.isBlocked(MALLORY)).toBe(true);
  });

  it('is forgiven by the operator, and then nothing is left of it', () => {
    expect(conduct.forgive(MALLORY)).toBe(false);
    conduct.report(MALLORY, 'forgeries', CONDUCT.blockedAt);
    expect(conduct.isBlocked(MALLORY)).toBe(true);
    expect(conduct.forgive(MALLORY)).toBe(true);
    expect(conduct.isBlocked(MALLORY)).toBe(false);
    expect(told.at(-1)).toBeUndefined();
    expect(clock.waiting()).toBe(0);
    conduct.report(MALLORY, 'heartbeats', CONDUCT.blockedAt);
    expect(conduct.of(MALLORY)?.until).toBe(clock.now() + CONDUCT.blockMs);
  });

  it('remembers a bounded number of peers, those that do harm before those that do none', () => {
    conduct.report(MALLORY, 'heartbeats', CONDUCT.blockedAt);
    for (let count = 0; count < CONDUCT.peersMax + 5; count += 1) {
      conduct.report(`peer ${count}` as PeerId, 'heartbeats');
    }
    expect(conduct.isBlocked(MALLORY)).toBe(true);
  });
});

describe("a connection's meter", () => {
  const { inbound, streams, waitingStreams, controlFrames } = CONNECTION_METERS;

  function meters(): ReturnType<typeof createConnectionMeters> {
    return createConnectionMeters({ clock, conduct }, CONNECTION_METERS);
  }

  it('cuts a stranger off that opens more than a handful of streams', () => {
    const meter = meters().meter('inbound');
    let served = 0;
    const open = (): void => meter.stream(() => (served += 1), expect.unreachable);
    for (let count = 0; count < inbound.streams; count += 1) open();
    expect(codeOf(open)).toBe('STARLING_LIMIT_EXCEEDED');
    expect(served).toBe(inbound.streams);
  });

  it('cuts a stranger off that sends more bytes, or frames, than a hello takes', () => {
    const bytes = meters().meter('inbound');
    bytes.frame(inbound.bytes);
    expect(codeOf(() => bytes.frame(1))).toBe('STARLING_LIMIT_EXCEEDED');
    const frames = meters().meter('inbound');
    for (let count = 0; count < inbound.frames; count += 1) frames.frame(0);
    expect(codeOf(() => frames.frame(0))).toBe('STARLING_LIMIT_EXCEEDED');
  });

  it('lets the streams of a member wait when it opens too many, over all its connections', () => {
    const all = meters();
    const [one, other] = [all.meter('inbound'), all.meter('outbound')];
    one.admitted(MALLORY);
    other.admitted(MALLORY);
    let served = 0;
    let reset = 0;
    const open = (meter: typeof one): void =>
      meter.stream(
        () => (served += 1),
        () => (reset += 1),
      );
    for (let count = 0; count < streams.burst; count += 1) open(one);
    expect(served).toBe(streams.burst);
    for (let count = 0; count < 100; count += 1) open(other);
    expect(served).toBe(streams.burst);
    clock.advance(SECOND);
    expect(served).toBe(streams.burst + SECOND / streams.everyMs);
    for (let count = 0; count < waitingStreams; count += 1) open(other);
    expect(reset).toBe(50);
    expect(conduct.of(MALLORY)?.counts.streams).toBe(100 + waitingStreams);
    other.ended();
    one.ended();
    clock.advance(SECOND);
    expect(served).toBe(streams.burst + SECOND / streams.everyMs);
  });

  it('never holds back data, and cuts a member off that floods frames without any', () => {
    const meter = meters().meter('inbound');
    meter.admitted(MALLORY);
    for (let count = 0; count < 100_000; count += 1) meter.frame(100);
    for (let count = 0; count < controlFrames.burst; count += 1) meter.frame(0);
    expect(conduct.of(MALLORY)).toBeUndefined();
    const flood = (): void => {
      for (let count = 0; count < 2 * controlFrames.burst; count += 1) meter.frame(0);
    };
    expect(codeOf(flood)).toBe('STARLING_LIMIT_EXCEEDED');
    expect(conduct.of(MALLORY)?.counts.frames).toBeGreaterThan(0);
  });
});
