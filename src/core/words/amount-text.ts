/** Amounts of what budgets count, as people read and write them. */

const MICRO = 1_000_000;
const DECIMALS = 6;

/** What is counted; `usd` in micro-dollars. */
export type CountedUnit = 'tokens' | 'calls' | 'usd';

/** For people: `$6.88`, `1,200 tokens`, `3 calls`. */
export function amountText(amount: number, unit: CountedUnit): string {
  if (unit !== 'usd') return `${grouped(amount)} ${amount === 1 ? unit.slice(0, -1) : unit}`;
  const sign = amount < 0 ? '-' : '';
  const micros = Math.abs(amount);
  const digits = `${micros % MICRO}`.padStart(DECIMALS, '0').replace(/0{1,4}$/, '');
  return `${sign}$${grouped(Math.floor(micros / MICRO))}.${digits}`;
}

/** Each call that costs something is told in words, most of them small: these need no formatter. */
function grouped(amount: number): string {
  const isSmall = Number.isInteger(amount) && amount >= 0 && amount < 1000;
  return isSmall ? String(amount) : amount.toLocaleString('en-US');
}

/** As a command takes it: `0.10usd`, `1200tokens`. */
export function amountWord(amount: number, unit: CountedUnit): string {
  if (unit !== 'usd') return `${amount}${unit}`;
  return `${amountText(amount, unit).slice(1).replaceAll(',', '')}usd`;
}

/** The largest amount of anything; sums of all owners stay exact. */
export const AMOUNT_MAX = 10_000_000_000_000;

/** So many of a unit; of `usd` micro-dollars. */
export interface Amount {
  readonly amount: number;
  readonly unit: CountedUnit;
}

/** An amount, or so much in each time. */
export interface AmountLimit extends Amount {
  /** ms; absent for all time. */
  readonly everyMs?: number;
}

const FORM = /^(\$)?\s?(\d{1,13})(?:\.(\d{1,6}))?\s?([a-z]+)?(?:\s?\/\s?([a-z]+))?$/i;
const UNIT_WORDS: ReadonlyMap<string, CountedUnit> = new Map([
  ['usd', 'usd'],
  ['dollar', 'usd'],
  ['dollars', 'usd'],
  ['token', 'tokens'],
  ['tokens', 'tokens'],
  ['call', 'calls'],
  ['calls', 'calls'],
]);
/** ms of each time that a limit may be for. */
const TIMES: ReadonlyMap<string, number> = new Map([
  ['minute', 60_000],
  ['min', 60_000],
  ['hour', 3_600_000],
  ['h', 3_600_000],
  ['day', 86_400_000],
  ['d', 86_400_000],
  ['week', 604_800_000],
]);

/** Reads a limit; `unit` is meant where none is written. Undefined for what is no limit. */
export function readLimit(text: string, unit?: CountedUnit): AmountLimit | undefined {
  const [whole, dollar, digits = '', decimals = '', word, time] = FORM.exec(text.trim()) ?? [];
  if (whole === undefined) return undefined;
  const named = word === undefined ? undefined : UNIT_WORDS.get(word.toLowerCase());
  if (word !== undefined && named === undefined) return undefined;
  const found = dollar === undefined ? (named ?? unit) : 'usd';
  if (found === undefined || (dollar !== undefined && named !== undefined && named !== 'usd')) {
    return undefined;
  }
  if (decimals !== '' && found !== 'usd') return undefined;
  const micros = decimals.padEnd(DECIMALS, '0');
  const amount = found === 'usd' ? Number(digits) * MICRO + Number(micros) : Number(digits);
  if (!Number.isSafeInteger(amount) || amount > AMOUNT_MAX) return undefined;
  if (time === undefined) return { amount, unit: found };
  const everyMs = TIMES.get(time.toLowerCase());
  return everyMs === undefined ? undefined : { amount, unit: found, everyMs };
}
