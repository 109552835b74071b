/** What somebody waits for, as a person says it. */
import { hasVerb, plainResource, rightText } from '../../core/words/right-words.ts';

/** What somebody who waits for an answer asks: to make a call, or a grant. */
export function askText(kind: 'call' | 'permission', ability: string, resource: string): string {
  if (kind === 'call') return `wants to ${rightText(ability, resource)}`;
  // A request names the type that the policy gives to what is asked for.
  const type = hasVerb(ability) ? '' : ` (${ability})`;
  return `asks for a grant: ${plainResource(resource)}${type}`;
}
