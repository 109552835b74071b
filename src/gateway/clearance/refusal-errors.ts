/** Makes errors for callers of what the guard refuses, and words for the record of what a server fails. */
import { StarlingError } from '../../core/index.ts';
import type { Refusal } from '../../grants/index.ts';
import type { Decision, Principal } from '../../guard/index.ts';
import { objectOf } from '../wire/era.ts';
import type { ResponseFrame } from '../frame-types.ts';

/** The refusal as an error for the caller; its data names the node that refuses and the peer that is refused. */
export function refusalOf(
  decision: Extract<Decision, { allow: false }>,
  principal: Principal,
  self: string,
): StarlingError {
  const causes = (decision.refusal.causes ?? []).map(wordsOf).join('; ');
  const text = causes === '' ? decision.refusal.text : `${decision.refusal.text}: ${causes}`;
  const here = decision.hint.startsWith('starling ')
    ? `to allow it, run on ${self}: ${decision.hint}`
    : decision.hint;
  const { asking } = decision;
  const hint = asking === undefined ? here : `${here}; or ask for it: ${asking}`;
  const peer = principal.kind === 'peer' ? { peer: principal.peerId } : {};
  return new StarlingError('STARLING_CALL_REFUSED', text, { hint, data: { node: self, ...peer } });
}

/** A cause, and what each of several grants says where none of them covers the call. */
function wordsOf({ text, causes = [] }: Refusal): string {
  const each = [...new Set(causes.map((cause) => cause.text))];
  return each.length === 0 ? text : `${text} (${each.join('; ')})`;
}

/** For the record, why a server says that it failed, in our words: its own may repeat the arguments. */
export function failureOf({ error }: ResponseFrame): string | undefined {
  if (error === undefined) return undefined;
  const { code } = objectOf(error.data);
  const isOurs = typeof code === 'string' && /^STARLING_[A-Z_]{1,40}$/.test(code);
  return isOurs ? code : `the server answered with error ${error.code}`;
}
