/** Amounts as people write and read them: `20usd`, `$0.002`, `50000 tokens`, `100 calls`, `$100/hour`. Whole numbers within. */
import { StarlingError, amountText, printable } from '../core/index.ts';
import { AMOUNT_MAX, UNITS } from './types.ts';
import type { Unit } from './types.ts';

/** So many of a unit; of `usd` micro-dollars. */
export interface Amount {
  readonly amount: number;
  readonly unit: Unit;
}

/** An amount, or so much in each time. */
export interface AmountLimit extends Amount {
  /** ms; absent for all time. */
  readonly everyMs?: number;
}

const MICRO = 1_000_000;
const DECIMALS = 6;
const FORM = /^(\$)?\s?(\d{1,13})(?:\.(\d{1,6}))?\s?([a-z]+)?(?:\s?\/\s?([a-z]+))?$/i;
const UNIT_WORDS: Readonly<Record<string, Unit>> = {
  usd: 'usd',
  dollar: 'usd',
  dollars: 'usd',
  token: 'tokens',
  tokens: 'tokens',
  call: 'calls',
  calls: 'calls',
};
/** ms of each time that a limit may be for. */
const TIMES: Readonly<Record<string, number>> = {
  minute: 60_000,
  min: 60_000,
  hour: 3_600_000,
  h: 3_600_000,
  day: 86_400_000,
  d: 86_400_000,
  week: 604_800_000,
};
const FORMS = "an amount like 20usd, $0.50, '50000 tokens' or '100 calls'";

/** How an amount is written, for messages. */
export const AMOUNT_FORMS = FORMS;

/** Reads a limit; `unit` is meant where none is written. Undefined for what is no limit. */
export function readLimit(text: string, unit?: Unit): AmountLimit | undefined {
  const [whole, dollar, digits = '', decimals = '', word, time] = FORM.exec(text.trim()) ?? [];
  if (whole === undefined) return undefined;
  const named = word === undefined ? undefined : UNIT_WORDS[word.toLowerCase()];
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
  const everyMs = TIMES[time.toLowerCase()];
  return everyMs === undefined ? undefined : { amount, unit: found, everyMs };
}

/** Reads an amount of the unit that is meant, or of any. @throws STARLING_USAGE */
export function parseAmount(text: string, unit?: Unit): Amount {
  const read = readLimit(text, unit);
  if (read === undefined || read.everyMs !== undefined) {
    throw new StarlingError('STARLING_USAGE', `'${printable(text, 80)}' is no amount`, {
      hint: `write ${FORMS}; whole numbers, and at most six decimals of a dollar, up to ${amountText(AMOUNT_MAX, unit ?? 'usd')}`,
    });
  }
  if (unit !== undefined && read.unit !== unit) {
    throw new StarlingError(
      'STARLING_USAGE',
      `'${printable(text, 80)}' is in ${read.unit}, and the budget is in ${unit}`,
      { hint: `units are never converted: write an amount in ${unit}` },
    );
  }
  return { amount: read.amount, unit: read.unit };
}

/** Whether the value is a unit. */
export function isUnit(value: unknown): value is Unit {
  return UNITS.includes(value as Unit);
}
