/**
 * The caveat `hours`: times of the week at which a capability counts, in one time zone. Pure: what
 * the zone's clock shows is the runtime's (ICU) to say.
 */
import { isObject } from '../../core/index.ts';

const DAYS: readonly string[] = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'];
const DAY_MIN = 1440;
const WEEK_MIN = 7 * DAY_MIN;
const TIME = /^(?:([01]\d|2[0-3]):([0-5]\d)|24:00)$/;
const ZONE_LENGTH_MAX = 64;
/** Formatters by zone; the whole cache is dropped when it is full. */
const FORMATS_MAX = 64;

/** Parsed hours. */
export interface Hours {
  readonly zone: string;
  /** Minutes of the week from Monday 00:00, each `[from, to)`, sorted and apart from each other. */
  readonly spans: readonly (readonly [from: number, to: number])[];
}

const formats = new Map<string, Intl.DateTimeFormat>();
/** What each zone showed last: asking ICU takes microseconds. */
const shown = new Map<string, { readonly minute: number; readonly at: number }>();

/**
 * Reads `{ from: '08:00', to: '18:00', days?: ['mon', …], zone?: 'Europe/Berlin' }`; undefined when it
 * is anything else. A `to` before `from` is on the next day. Default: every day, in UTC.
 */
export function parseHours(value: unknown): Hours | undefined {
  if (!isObject(value)) return undefined;
  const { from, to, days = DAYS, zone = 'UTC', ...others } = value;
  const start = minutesOf(from);
  const end = minutesOf(to);
  if (start === undefined || end === undefined || start === end || start === DAY_MIN) {
    return undefined;
  }
  if (typeof zone !== 'string' || formatOf(zone) === undefined) return undefined;
  if (!Array.isArray(days) || days.length === 0 || Object.keys(others).length > 0) return undefined;
  const spans: [number, number][] = [];
  for (const day of new Set<unknown>(days)) {
    const index = typeof day === 'string' ? DAYS.indexOf(day) : -1;
    if (index < 0) return undefined;
    const at = index * DAY_MIN + start;
    const until = at + (end > start ? end - start : end - start + DAY_MIN);
    spans.push([at, Math.min(until, WEEK_MIN)]);
    if (until > WEEK_MIN) spans.push([0, until - WEEK_MIN]);
  }
  return { zone, spans: merge(spans) };
}

/** By the week of the hours' own time zone; a span begins with its first minute, and its end is no part of it. */
export function isWithin({ zone, spans }: Hours, nowMs: number): boolean {
  const at = weekMinuteOf(zone, nowMs);
  return spans.some(([from, to]) => from <= at && at < to);
}

/** What the clock of `zone` shows, in minutes from Monday 00:00; -1 when nobody can say. */
function weekMinuteOf(zone: string, nowMs: number): number {
  const minute = Math.floor(nowMs / 60_000);
  const known = shown.get(zone);
  if (known?.minute === minute) return known.at;
  const format = formatOf(zone);
  if (format === undefined) return -1;
  const parts = new Map(format.formatToParts(nowMs).map(({ type, value }) => [type, value]));
  const day = DAYS.indexOf((parts.get('weekday') ?? '').toLowerCase());
  const ofDay = Number(parts.get('hour')) * 60 + Number(parts.get('minute'));
  const at = day < 0 ? -1 : day * DAY_MIN + ofDay;
  shown.set(zone, { minute, at });
  return at;
}

/** True when all times of `child` are times of `parent`: hours of two zones are not compared. */
export function coversHours(parent: Hours, child: Hours): boolean {
  return (
    parent.zone === child.zone &&
    child.spans.every(([from, to]) => parent.spans.some(([a, b]) => a <= from && to <= b))
  );
}

function minutesOf(text: unknown): number | undefined {
  const match = typeof text === 'string' ? TIME.exec(text) : null;
  if (match === null) return undefined;
  return match[1] === undefined ? DAY_MIN : Number(match[1]) * 60 + Number(match[2]);
}

function merge(spans: readonly (readonly [number, number])[]): (readonly [number, number])[] {
  const merged: (readonly [number, number])[] = [];
  for (const [from, to] of spans.toSorted((a, b) => a[0] - b[0])) {
    const last = merged.at(-1);
    if (last !== undefined && from <= last[1])
      merged.splice(-1, 1, [last[0], Math.max(last[1], to)]);
    else merged.push([from, to]);
  }
  return merged;
}

function formatOf(zone: string): Intl.DateTimeFormat | undefined {
  const known = formats.get(zone);
  if (known !== undefined) return known;
  if (zone.length > ZONE_LENGTH_MAX) return undefined;
  let format: Intl.DateTimeFormat;
  try {
    format = new Intl.DateTimeFormat('en-US', {
      timeZone: zone,
      weekday: 'short',
      hour: '2-digit',
      minute: '2-digit',
      hourCycle: 'h23',
    });
  } catch (error) {
    // ICU has no such zone: then nobody can say what time it is there.
    if (error instanceof RangeError) return undefined;
    throw error;
  }
  if (formats.size >= FORMATS_MAX) {
    formats.clear();
    shown.clear();
  }
  formats.set(zone, format);
  return format;
}
