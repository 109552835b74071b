/** What whoever calls is told besides the answer: headers of several parts, and which price a refusal stands on. Pure. */
import { StarlingError } from '../core/index.ts';

/** Both, where both have something to say under one name. */
export function joined(
  one: Readonly<Record<string, string>>,
  other: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> {
  const both = Object.entries(other).map(([name, value]) => [
    name,
    one[name] === undefined ? value : `${one[name]}, ${value}`,
  ]);
  return { ...one, ...Object.fromEntries(both) };
}

/** A refusal that stands on a price nobody knows says so. */
export function ofUnknownPrice(error: unknown, name: string): unknown {
  if (!(error instanceof StarlingError) || error.code !== 'STARLING_BUDGET_EXHAUSTED') return error;
  if (error.data['unit'] !== 'usd') return error;
  const { data, hint, message } = error;
  const set = `set the price of ${name} in models.prices of the config file`;
  return new StarlingError(
    'STARLING_BUDGET_EXHAUSTED',
    `${message}: nobody knows the price of ${name}, so that it counts as the dearest`,
    { hint: hint === undefined ? set : `${set}; or: ${hint}`, data, cause: error },
  );
}
