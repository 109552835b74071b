/** The limits of a capability in words, for a person: `at most 5 calls a minute, path in /srv/docs/**`. Pure. */
import { rightText } from './right-words.ts';
import { durationText } from '../time/duration.ts';
import { printable } from './text.ts';
import { isObject } from '../json/value-checks.ts';
import { argumentWords } from './argument-words.ts';

/** Spans that have a word of their own, by their seconds. */
const SPANS: Readonly<Record<number, string>> = { 1: 'a second', 60: 'a minute', 3600: 'an hour' };

/** What each caveat limits, as a person calls it. */
const NAMES: Readonly<Record<string, string>> = {
  args: 'arguments',
  hours: 'hours',
  rate: 'rate',
  uses: 'number of uses',
  approval: 'approval',
  budget: 'budget',
};

/** What a caveat limits: `number of uses` for `uses`; one that nobody here knows goes by its own name. */
export function limitName(caveat: string): string {
  return NAMES[caveat] ?? printable(caveat);
}

/** All `caveats` behind what they narrow, `(…)` with a blank before; empty where there are none. */
export function limitsText(caveats: Readonly<Record<string, unknown>> | undefined): string {
  const words = Object.entries(caveats ?? {}).map(([name, value]) => limitText(name, value));
  return words.length === 0 ? '' : ` (${words.join(', ')})`;
}

/** What a person gives by a yes: the right, that a call of it may have any arguments, and its limits. */
export function givenText({
  ability,
  resource,
  caveats,
}: {
  readonly ability: string;
  readonly resource: string;
  readonly caveats?: Readonly<Record<string, unknown>> | undefined;
}): string {
  const isFree = ability === 'tool/call' && caveats?.['args'] === undefined;
  return `${rightText(ability, resource)}${isFree ? ' with any arguments' : ''}${limitsText(caveats)}`;
}

/** One caveat in words; one that nobody here knows stands as the grant has it. */
export function limitText(name: string, value: unknown): string {
  const fields: Record<string, unknown> = isObject(value) ? value : {};
  const { per_s: perSecond, burst } = fields;
  if (name === 'uses' && typeof value === 'number') return value === 1 ? '1 use' : `${value} uses`;
  if (name === 'approval') return 'with approval';
  if (name === 'budget' && typeof fields['id'] === 'string') {
    return `of budget ${printable(fields['id'])}`;
  }
  if (name === 'rate' && typeof perSecond === 'number' && typeof burst === 'number') {
    return rateText(perSecond, burst);
  }
  if (name === 'hours' && typeof fields['from'] === 'string') {
    const { days, from, to, zone = 'UTC' } = fields;
    const on = Array.isArray(days) ? `${days.join(' ')} ` : '';
    return printable(`${on}${from}–${String(to)} ${String(zone)}`);
  }
  if (name === 'args' && Object.keys(fields).length > 0) {
    return Object.entries(fields)
      .map(([argument, rule]) => argumentWords(argument, rule))
      .join(', ');
  }
  return `${printable(name)} ${printable(JSON.stringify(value), 200)}`;
}

function rateText(perSecond: number, burst: number): string {
  const seconds = Math.round((burst / perSecond) * 1000) / 1000;
  const calls = (count: number): string => (count === 1 ? '1 call' : `${count} calls`);
  const span = SPANS[seconds];
  // Ten at once and one each five seconds is nothing that people count in fifty seconds.
  const aMinute = Math.round(perSecond * 60_000) / 1000;
  if (span === undefined && Number.isInteger(aMinute) && burst <= aMinute)
    return `at most ${calls(aMinute)} a minute, ${burst} at once`;
  return `at most ${calls(burst)} ${span ?? `in ${durationText(seconds * 1000)}`}`;
}
