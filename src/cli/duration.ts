/** Options with a form of their own: durations (`90s`, `15m`, `8h`, `7d`), ports. */
import { InvalidArgumentError } from 'commander';

const UNIT_MS: Readonly<Record<string, number>> = {
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};
const PORT_MAX = 65_535;
const COUNT_MAX = 100_000;

/** Milliseconds of a duration. @throws InvalidArgumentError, which commander explains */
export function parseDuration(text: string): number {
  const match = /^(\d{1,6})\s*([smhd])$/.exec(text.trim());
  const unit = UNIT_MS[match?.[2] ?? ''];
  if (match?.[1] === undefined || unit === undefined || Number(match[1]) === 0) {
    throw new InvalidArgumentError('use a number and a unit, like 90s, 15m, 8h or 7d');
  }
  return Number(match[1]) * unit;
}

/**
 * A time, in ms since the epoch: how long ago (`2h`), or a date as ISO 8601 writes it.
 * @throws InvalidArgumentError
 */
export function parseTime(text: string): number {
  if (/^\d+\s*[smhd]$/.test(text.trim())) return Date.now() - parseDuration(text);
  const time = /^\d{4}-\d\d-\d\d/.test(text.trim()) ? Date.parse(text.trim()) : Number.NaN;
  if (Number.isNaN(time)) {
    throw new InvalidArgumentError('use how long ago, like 2h, or a date, like 2026-05-01T08:00Z');
  }
  return time;
}

/** A number of things, from 1 to 100000. @throws InvalidArgumentError */
export function parseCount(text: string): number {
  const count = Number(text);
  if (!/^[1-9]\d{0,5}$/.test(text) || count > COUNT_MAX) {
    throw new InvalidArgumentError(`use a whole number from 1 to ${COUNT_MAX}`);
  }
  return count;
}

/** As {@link parseDuration}; a bare number is seconds. @throws InvalidArgumentError */
export function parseTimeout(text: string): number {
  return parseDuration(/^\d+$/.test(text.trim()) ? `${text.trim()}s` : text);
}

/** A port; 0 picks a free one. @throws InvalidArgumentError */
export function parsePort(text: string): number {
  const port = Number(text);
  if (!/^\d{1,5}$/.test(text) || port > PORT_MAX) {
    throw new InvalidArgumentError(`use a whole number from 0 to ${PORT_MAX}`);
  }
  return port;
}
