/**
 * From which zone comes what a thing gives: that of its peer, or a less trusted one where the policy says so
 * (`zones.<zone>.sources`).
 */
import { matchesTarget, parseResource, targetOf } from '../../grants/index.ts';
import type { ResourcePattern } from '../../grants/index.ts';
import { ZONES, leastTrusted } from '../principal-names.ts';
import type { Zone } from '../principal-names.ts';
import type { Principal } from '../types.ts';
import type { CallerRulesLookup } from './caller-rules.ts';
import type { Policy } from './policy.ts';
import { toPatterns } from './tool-pattern.ts';

/** Says from which zone comes what `resource` gives; `owner` is the peer that has it, undefined for this node. */
export type SourceZones = (resource: string, owner: Principal | undefined) => Zone;

/** Makes the look-up by the policy that `current` gives. */
export function createSourceZones(components: {
  readonly policy: { current(): Policy };
  readonly callerRules: CallerRulesLookup;
}): SourceZones {
  const read = new WeakMap<Policy, ReadonlyMap<Zone, readonly ResourcePattern[]>>();
  const sources = (policy: Policy): ReadonlyMap<Zone, readonly ResourcePattern[]> => {
    const known = read.get(policy);
    if (known !== undefined) return known;
    const { zones } = policy.file;
    const made = new Map(
      ZONES.map((zone) => [
        zone,
        (zones[zone].sources ?? []).flatMap(toPatterns).map(parseResource),
      ]),
    );
    read.set(policy, made);
    return made;
  };
  return (resource, owner) => {
    const own = owner === undefined ? 'local' : components.callerRules.of(owner).zone;
    const target = targetOf(resource);
    if (target === undefined) return 'external';
    const said = [...sources(components.policy.current())]
      .filter(([, patterns]) => patterns.some((pattern) => matchesTarget(pattern, target)))
      .map(([zone]) => zone);
    return leastTrusted([own, ...said]) ?? own;
  };
}
