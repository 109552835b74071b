/** How entries of the audit log are shown. */
import type { AuditEntry } from '../../../audit/types.ts';
import { rightText } from '../../../core/words/right-words.ts';
import { shortId, withShortIds } from '../../../identity/short-id.ts';
import { paint, safeLine, sentence, withLocalTimes } from '../output.ts';

/** An entry on one line, or where the terminal is narrower on several, beside its time. `names` are the names of known peers, by did. */
export function showEntry(entry: AuditEntry, names: Readonly<Record<string, string>> = {}): string {
  const { at, kind, who, onBehalfOf, what, outcome, durationMs, reason, reasoning, spent } = entry;
  const called = (one: string): string => {
    const name = Object.hasOwn(names, one) ? names[one] : undefined;
    return name === undefined ? withShortIds(one) : `${name} (${shortId(one)})`;
  };
  const actor = onBehalfOf === undefined ? called(who) : `${called(who)} for ${called(onBehalfOf)}`;
  const took = durationMs === undefined ? '' : ` in ${durationMs} ms`;
  const why = [
    ...(reason === undefined ? [] : [reason]),
    ...(reasoning === undefined ? [] : [`said: ${reasoning}`]),
    ...Object.entries(spent ?? {}).map(([budget, amount]) => `${amount} of budget ${budget}`),
  ];
  const line = `${actor} ${withShortIds(rightText(what.ability, what.resource))}${why.length === 0 ? '' : ` (${withLocalTimes(withShortIds(why.join('; ')), process.stdout)})`}`;
  const ended = `${outcome}${took}`;
  const time = paint.dim(withLocalTimes(new Date(at).toISOString(), process.stdout));
  return sentence(`${time} `, `${kind} ${colour(outcome)(ended)} ${safeLine(line)}`);
}

function colour(outcome: AuditEntry['outcome']): (text: string) => string {
  if (outcome === 'allowed' || outcome === 'ok') return paint.green;
  return outcome === 'denied' || outcome === 'failed' ? paint.red : paint.yellow;
}
