/** Amounts as people write them, for budgets: of one unit, and refused in words. */
import { AMOUNT_MAX, StarlingError, amountText, printable, readLimit } from '../core/index.ts';
import type { Amount } from '../core/index.ts';
import { UNITS } from './types.ts';
import type { Unit } from './types.ts';

const FORMS = "an amount like 20usd, $0.50, '50000 tokens' or '100 calls'";

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

/** One of {@link UNITS}. */
export function isUnit(value: unknown): value is Unit {
  return UNITS.includes(value as Unit);
}
