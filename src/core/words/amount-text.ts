/** Amounts of what budgets count, as people read and write them. */

const MICRO = 1_000_000;
const DECIMALS = 6;

/** What is counted; `usd` in micro-dollars. */
export type CountedUnit = 'tokens' | 'calls' | 'usd';

/** For people: `$6.88`, `1,200 tokens`, `3 calls`. */
export function amountText(amount: number, unit: CountedUnit): string {
  if (unit !== 'usd')
    return `${amount.toLocaleString('en-US')} ${amount === 1 ? unit.slice(0, -1) : unit}`;
  const sign = amount < 0 ? '-' : '';
  const micros = Math.abs(amount);
  const digits = `${micros % MICRO}`.padStart(DECIMALS, '0').replace(/0{1,4}$/, '');
  return `${sign}$${Math.floor(micros / MICRO).toLocaleString('en-US')}.${digits}`;
}

/** As a command takes it: `0.10usd`, `1200tokens`. */
export function amountWord(amount: number, unit: CountedUnit): string {
  if (unit !== 'usd') return `${amount}${unit}`;
  return `${amountText(amount, unit).slice(1).replaceAll(',', '')}usd`;
}
