/** A grant in our own words, made from what it holds and nothing else: what a person agrees to. Pure. */
import { plainResource, rightText } from '../../core/index.ts';
import type { Json } from '../../core/index.ts';
import type { Capability } from '../../grants/index.ts';

/** Each right with its conditions, then the end; `until` in ms since the epoch, undefined: until it is revoked. */
export function grantLines(
  peer: string,
  capabilities: readonly Capability[],
  until: number | undefined,
): readonly string[] {
  const rights = capabilities
    // Who may read a resource may follow it: one line for both.
    .filter(({ ability }) => ability !== 'resource/subscribe')
    .map(({ ability, resource, caveats = {} }) => {
      const right =
        ability === 'model/use'
          ? `use the model ${resource.replace(/^model:/, '')}`
          : rightText(ability, resource);
      const conditions = Object.entries(caveats).map(([name, value]) => conditionText(name, value));
      const bounds = conditions.map((condition) => `, ${condition}`).join('');
      return `${peer} may ${right}${bounds}${wideText(resource)}`;
    });
  const end =
    until === undefined ? 'until you revoke it' : `until ${new Date(until).toISOString()}`;
  return [...rights, end];
}

function wideText(resource: string): string {
  const name = plainResource(resource.replace(/^model:/, ''));
  return /^[^/*]+\/\*{1,2}$/.test(name) ? ' (all there is there)' : '';
}

/** A condition; what has no words is shown as the grant has it. */
function conditionText(name: string, value: Json | undefined): string {
  if (name === 'uses') return value === 1 ? 'once' : `${String(value)} times at the most`;
  if (name === 'approval') return 'each time you approve it';
  return `${name === 'args' ? 'where' : name} ${JSON.stringify(value)}`;
}
