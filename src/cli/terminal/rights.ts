/** What a grant allows and what somebody waits for, as a person says it. */
import { limitsText } from '../../core/words/limit-words.ts';
import { hasVerb, plainResource, rightText } from '../../core/words/right-words.ts';

/** All that a grant allows, in words: `call files/* (5 uses), read files/**`. */
export function rightsText(
  capabilities: readonly {
    readonly ability: string;
    readonly resource: string;
    readonly caveats?: Readonly<Record<string, unknown>>;
  }[],
): string {
  return capabilities
    .map(
      ({ ability, resource, caveats }) => `${rightText(ability, resource)}${limitsText(caveats)}`,
    )
    .join(', ');
}

/** The type of a request that names none. */
const ANY_TYPE = 'EXTERNAL_SERVICE';

/** What somebody who waits for an answer asks: to make a call, or a grant. */
export function askText(kind: 'call' | 'permission', ability: string, resource: string): string {
  if (kind === 'call') return `wants to ${rightText(ability, resource)}`;
  // A request names the type that the policy gives to what is asked for.
  const type = hasVerb(ability) || ability === ANY_TYPE ? '' : ` (${ability})`;
  return `asks for a grant: ${plainResource(resource)}${type}`;
}
