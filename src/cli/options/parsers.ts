/** Options with a form of their own: durations (`90s`, `15m`, `8h`, `7d`), ports, counts, rates. */
import { InvalidArgumentError } from 'commander';
import { UNIT_MS, durationMs } from '../../core/time/duration.ts';

const PORT_MAX = 65_535;

/** Milliseconds of a duration. @throws InvalidArgumentError, which commander explains */
export function parseDuration(text: string): number {
  const ms = durationMs(text.trim());
  if (ms > 0) return ms;
  throw new InvalidArgumentError(
    ms === 0
      ? 'use more than 0, like 90s, 15m, 8h or 7d'
      : 'use a whole number and a unit (s, m, h or d), like 90s, 15m, 8h or 7d',
  );
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

/** How many, at least 1. @throws InvalidArgumentError */
export function parseCount(text: string): number {
  return parseWhole(text, 1, 1_000_000_000);
}

/** Processes of an agent: `3`, or `1..5` for as many as its queue needs. @throws InvalidArgumentError */
export function parseReplicas(text: string): string {
  if (/^[1-9]\d?(\.\.[1-9]\d?)?$/.test(text.trim())) return text.trim();
  throw new InvalidArgumentError('use a number, like 3, or the least and the most, like 1..5');
}

/** Nodes that one ticket lets in. @throws InvalidArgumentError */
export function parseNodes(text: string): number {
  return parseWhole(text, 1, 100);
}

/** Through how many further hands a grant may go. @throws InvalidArgumentError */
export function parseDepth(text: string): number {
  return parseWhole(text, 0, 7);
}

/** A share of all that is more than a half, at most 1. @throws InvalidArgumentError */
export function parseShare(text: string): number {
  const share = Number(text);
  if (/^\d(?:\.\d{1,6})?$/.test(text) && share > 0.5 && share <= 1) return share;
  throw new InvalidArgumentError('use a share that is more than 0.5, and 1 at the most, like 0.7');
}

function parseWhole(text: string, min: number, max: number): number {
  const count = Number(text);
  if (!/^\d{1,10}$/.test(text) || count < min || count > max) {
    throw new InvalidArgumentError(`use a whole number from ${min} to ${max}`);
  }
  return count;
}

/** What `--log` says: how much is told, or the file where it is told. */
export type LogOption = { readonly level: string } | { readonly file: string };

const LEVEL = /^(?:[\w:-]+=)?(?:trace|debug|info|warn|error|silent)$/;

/** Levels like `info,gateway=debug`, or a file, which is known by a `/` or by `.log`. @throws InvalidArgumentError */
export function parseLog(text: string): LogOption {
  if (text.split(',').every((part) => LEVEL.test(part))) return { level: text };
  if (/[\\/]|\.log$/.test(text)) return { file: text };
  throw new InvalidArgumentError(
    'use levels, like info or warn,gateway=debug (trace debug info warn error silent), or a file, like ./starling.log',
  );
}

/** Calls in a time, `5/s`, `100/m`: as many at once, and on average. @throws InvalidArgumentError */
export function parseRate(text: string): { readonly per_s: number; readonly burst: number } {
  const [, digits, unit = ''] = /^(\d{1,9})\s*\/\s*([smhd])$/.exec(text.trim()) ?? [];
  const count = Number(digits ?? 0);
  if (count === 0) throw new InvalidArgumentError('use calls and a time, like 5/s, 100/m or 10/h');
  return { per_s: (count * 1000) / (UNIT_MS[unit] ?? 1000), burst: count };
}
