/** What one capability allows, and whether one may be derived from another. Pure. */
import { isDeepStrictEqual } from 'node:util';
import { covers, matchesTarget, parseResource } from './match.ts';
import type { ResourcePattern, ResourceTarget } from './match.ts';
import type { Capability } from './types.ts';

/** Patterns by capability object, so that a pattern is parsed once in its life. */
const patterns = new WeakMap<Capability, ResourcePattern>();

/** The parsed pattern of `capability`. @throws STARLING_GRANT_MALFORMED */
function patternOf(capability: Capability): ResourcePattern {
  let pattern = patterns.get(capability);
  if (pattern === undefined) {
    pattern = parseResource(capability.resource);
    patterns.set(capability, pattern);
  }
  return pattern;
}

/**
 * True when `capability` allows `ability` on `target`. This version understands no caveat, so a
 * capability that has one allows nothing.
 */
export function allows(capability: Capability, ability: string, target: ResourceTarget): boolean {
  return (
    (capability.ability === ability || capability.ability === '*') &&
    ability !== '*' &&
    isUnconditional(capability) &&
    matchesTarget(patternOf(capability), target)
  );
}

/** True when all that `child` allows, `parent` allows, and `child` keeps each caveat of `parent`. */
export function attenuates(parent: Capability, child: Capability): boolean {
  const caveats = Object.entries(parent.caveats ?? {});
  return (
    (parent.ability === child.ability || parent.ability === '*') &&
    caveats.every(([name, value]) => isDeepStrictEqual(child.caveats?.[name], value)) &&
    covers(patternOf(parent), patternOf(child))
  );
}

function isUnconditional(capability: Capability): boolean {
  if (capability.caveats === undefined) return true;
  return Object.keys(capability.caveats).length === 0;
}
