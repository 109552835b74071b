/** Durations on the command line: `90s`, `15m`, `8h`, `7d`. */
import { InvalidArgumentError } from 'commander';

const UNIT_MS: Readonly<Record<string, number>> = {
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** Milliseconds of a duration. @throws InvalidArgumentError, which commander explains */
export function parseDuration(text: string): number {
  const match = /^(\d{1,6})\s*([smhd])$/.exec(text.trim());
  const unit = UNIT_MS[match?.[2] ?? ''];
  if (match?.[1] === undefined || unit === undefined || Number(match[1]) === 0) {
    throw new InvalidArgumentError('use a number and a unit, like 90s, 15m, 8h or 7d');
  }
  return Number(match[1]) * unit;
}
