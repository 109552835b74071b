/** Durations as people write them: a number and a unit, like `90s`, `15m`, `8h` or `7d`. */

/** Milliseconds of each unit. */
export const UNIT_MS: Readonly<Record<string, number>> = {
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** The form of a duration. */
export const DURATION = /^(\d{1,6}) ?([smhd])$/;

/** A duration in whole units for people: `45s`, `3m`, `8h`, `2d`. */
export function durationText(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 120) return `${seconds}s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)}m`;
  if (seconds < 172_800) return `${Math.round(seconds / 3600)}h`;
  return `${Math.round(seconds / 86_400)}d`;
}

/** Milliseconds of a text in the form {@link DURATION}; NaN for another text. */
export function durationMs(text: string): number {
  const [, count, letter] = DURATION.exec(text) ?? [];
  return Number(count) * (UNIT_MS[letter ?? ''] ?? Number.NaN);
}
