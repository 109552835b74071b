/** The caveat `hours` by itself: what it reads, to the minute, and which hours cover which. */
import { describe, expect, it } from 'vitest';
import { coversHours, isWithin, parseHours } from '../../../src/grants/chain/hours-caveat.ts';
import type { Hours } from '../../../src/grants/chain/hours-caveat.ts';

/** Monday 2026-06-01 00:00 UTC. */
const MONDAY_MS = Date.UTC(2026, 5, 1);
const MINUTE_MS = 60_000;
const at = (day: number, hour: number, minute = 0): number =>
  MONDAY_MS + ((day * 24 + hour) * 60 + minute) * MINUTE_MS;

function hours(value: object): Hours {
  const parsed = parseHours(value);
  if (parsed === undefined) throw new Error(`not read: ${JSON.stringify(value)}`);
  return parsed;
}

describe('hours', () => {
  it('are read as minutes of the week, sorted, and joined where they touch', () => {
    expect(hours({ from: '08:30', to: '17:05', days: ['tue', 'mon'] })).toEqual({
      zone: 'UTC',
      spans: [
        [510, 1025],
        [1950, 2465],
      ],
    });
    expect(hours({ from: '00:00', to: '24:00' }).spans).toEqual([[0, 10_080]]);
    // Over midnight, and over the end of the week.
    expect(hours({ from: '22:00', to: '02:00', days: ['sun', 'mon'] }).spans).toEqual([
      [0, 120],
      [1320, 1560],
      [9960, 10_080],
    ]);
    expect(hours({ from: '12:00', to: '11:00', days: ['mon', 'tue'] }).spans).toEqual([
      [720, 2100],
      [2160, 3540],
    ]);
    expect(hours({ from: '22:00', to: '24:00', days: ['sun'] }).spans).toEqual([[9960, 10_080]]);
    expect(hours({ from: '12:00', to: '13:00', days: ['mon', 'mon'] }).spans).toHaveLength(1);
  });

  it.each([
    null,
    [],
    'daily',
    {},
    { from: '08:00' },
    { from: '8:00', to: '09:00' },
    { from: '08:00', to: '08:00' },
    { from: '24:00', to: '08:00' },
    { from: 800, to: '09:00' },
    { from: ['08:00'], to: '09:00' },
    { from: '08:00', to: '25:00' },
    { from: '08:60', to: '09:00' },
    { from: '08:00', to: '09:00', days: [] },
    { from: '08:00', to: '09:00', days: 'mon' },
    { from: '08:00', to: '09:00', days: ['monday'] },
    { from: '08:00', to: '09:00', days: [0] },
    { from: '08:00', to: '09:00', days: [['mon']] },
    { from: '08:00', to: '09:00', zone: 'Nowhere/Town' },
    { from: '08:00', to: '09:00', zone: 7 },
    { from: '08:00', to: '09:00', zone: '' },
    { from: '08:00', to: '09:00', zone: `UTC${' '.repeat(70)}` },
    { from: '08:00', to: '09:00', until: 'june' },
  ])('are not read from %j', (value) => {
    expect(parseHours(value)).toBeUndefined();
  });

  it('count from their first minute to before their last, whole minutes long', () => {
    const day = hours({ from: '08:00', to: '09:00', days: ['mon'] });
    const seen = [at(0, 7, 59), at(0, 8), at(0, 8, 59), at(0, 9), at(1, 8), at(7, 8)];
    expect(seen.map((ms) => isWithin(day, ms))).toEqual([false, true, true, false, false, true]);
    expect(isWithin(day, at(0, 8) - 1)).toBe(false);
    expect(isWithin(day, at(0, 8))).toBe(true);
    expect(isWithin(day, at(0, 9) - 1)).toBe(true);
    // The same minute once more, and the clock set back: what was seen last must not answer.
    expect(isWithin(day, at(0, 9) - 1)).toBe(true);
    expect(isWithin(day, at(0, 7))).toBe(false);
  });

  it('count by the clock of their zone, each zone for itself', () => {
    const berlin = hours({ from: '08:00', to: '09:00', days: ['mon'], zone: 'Europe/Berlin' });
    const kathmandu = hours({ from: '08:00', to: '09:00', days: ['mon'], zone: 'Asia/Kathmandu' });
    const tokyo = hours({ from: '00:00', to: '08:00', days: ['mon'], zone: 'Asia/Tokyo' });
    expect([at(0, 5, 59), at(0, 6), at(0, 7)].map((ms) => isWithin(berlin, ms))).toEqual([
      false,
      true,
      false,
    ]);
    expect([at(0, 2, 14), at(0, 2, 15), at(0, 3, 15)].map((ms) => isWithin(kathmandu, ms))).toEqual(
      [false, true, false],
    );
    expect([at(-1, 14, 59), at(-1, 15), at(0, 0)].map((ms) => isWithin(tokyo, ms))).toEqual([
      false,
      true,
      false,
    ]);
  });

  it('stay right while a hundred zones are asked about in turn', () => {
    const zones = Intl.supportedValuesOf('timeZone').slice(0, 100);
    const all = zones.map((zone) => hours({ from: '00:00', to: '24:00', zone }));
    const none = zones.map((zone) => hours({ from: '10:00', to: '10:01', days: ['wed'], zone }));
    for (let round = 0; round < 2; round += 1) {
      expect(all.every((it) => isWithin(it, at(0, 12)))).toBe(true);
      expect(none.some((it) => isWithin(it, at(5, 12)))).toBe(false);
    }
  });

  it('of a zone that this machine does not know any more are never', () => {
    expect(isWithin({ zone: 'Nowhere/Town', spans: [[0, 10_080]] }, at(0, 12))).toBe(false);
  });

  it('cover what lies within one of their spans, and only in the same zone', () => {
    const day = hours({ from: '08:00', to: '18:00' });
    const same = { from: '08:00', to: '18:00' };
    expect(coversHours(day, hours(same))).toBe(true);
    expect(coversHours(day, hours({ from: '09:00', to: '17:00', days: ['mon'] }))).toBe(true);
    expect(coversHours(day, hours({ from: '07:59', to: '18:00' }))).toBe(false);
    expect(coversHours(day, hours({ from: '08:00', to: '18:01' }))).toBe(false);
    expect(coversHours(day, hours({ from: '17:00', to: '09:00' }))).toBe(false);
    expect(coversHours(hours({ ...same, days: ['mon'] }), hours(same))).toBe(false);
    expect(coversHours(day, hours({ ...same, zone: 'Europe/Berlin' }))).toBe(false);
  });
});
