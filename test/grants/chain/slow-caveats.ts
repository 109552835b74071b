/** The meaning of caveats, written as plainly as possible: the oracle of the tests. */
import type { Capability } from '../../../src/grants/index.ts';

type Fields = Readonly<Record<string, unknown>>;
const DAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];

/** What `capability` says to a call on something that its resource matches. */
export function slowSays(
  capability: Capability,
  args: Fields,
  nowMs: number,
): 'yes' | 'ask' | 'no' {
  const { args: rules, hours, approval, uses, rate, ...others } = capability.caveats ?? {};
  if (Object.keys(others).length > 0) return 'no';
  if (uses !== undefined && !(Number(uses) > 0)) return 'no';
  if (rate !== undefined && !(Number((rate as Fields)['burst']) >= 1)) return 'no';
  if (hours !== undefined && !inHours(hours as Fields, nowMs)) return 'no';
  for (const [name, rule] of Object.entries((rules ?? {}) as Record<string, Fields>)) {
    if (!(name in args) || !fits(rule, args[name])) return 'no';
    if (hasTwin(name, args, true)) return 'no';
  }
  return approval === undefined ? 'yes' : 'ask';
}

function fits(rule: Fields, value: unknown): boolean {
  return Object.entries(rule).every(([word, wanted]) => {
    if (word === 'const') return value === wanted;
    if (word === 'enum') return (wanted as unknown[]).includes(value);
    if (word === 'minimum') return typeof value === 'number' && value >= Number(wanted);
    if (word === 'maximum') return typeof value === 'number' && value <= Number(wanted);
    if (word === 'prefix') {
      if (typeof value !== 'string' || !value.startsWith(String(wanted))) return false;
      return !String(wanted).includes('/') || !/(^|\/)\.\.?(\/|$)|%2e|\\/i.test(value);
    }
    if (word !== 'paths') return false;
    const all = Array.isArray(value) ? value : [value];
    return (
      all.length > 0 &&
      all.every(
        (path) =>
          typeof path === 'string' &&
          !/(^|\/)\.\.?(\/|$)|\/\/|%2e|\\/i.test(path) &&
          (wanted as string[]).some((glob) => globOf(glob).test(path)),
      )
    );
  });
}

/** Good for the letters, stars and slashes that the tests use. */
function globOf(glob: string): RegExp {
  const rest = glob.endsWith('/**');
  const body = (rest ? glob.slice(0, -3) : glob).replaceAll('*', '[^/]*');
  return new RegExp(`^${body}${rest ? '/.+' : '/?'}$`);
}

function hasTwin(name: string, value: unknown, isTop: boolean): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return Object.entries(value).some(([key, inner]) => {
    if (!Array.isArray(value) && key.toLowerCase() === name && !(isTop && key === name))
      return true;
    return hasTwin(name, inner, false);
  });
}

function inHours(hours: Fields, nowMs: number): boolean {
  const { from, to, days = DAYS } = hours as { from: string; to: string; days?: string[] };
  const time = new Date(nowMs).toISOString().slice(11, 16);
  const day = (back: number): boolean =>
    days.includes(DAYS[new Date(nowMs - back * 86_400_000).getUTCDay()] ?? '');
  if (from < to) return day(0) && from <= time && time < to;
  return (day(0) && from <= time) || (day(1) && time < to);
}
