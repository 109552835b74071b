/** How a received grant is narrowed for somebody else, and how a grant is renewed. Pure. */
import { StarlingError, isObject, printable } from '../../core/index.ts';
import type { Json } from '../../core/index.ts';
import type { GrantInit } from '../format/issue.ts';
import { patternCovers } from '../chain/resource-match.ts';
import type { Capability, Grant, GrantDelegateInit } from '../types.ts';

type Caveats = Readonly<Record<string, Json>>;

/**
 * What the grant says that `init` makes of `parent`. Whether it is narrower in all is for
 * `verifyChain` to say. @throws STARLING_GRANT_INVALID when `parent` has nothing of a resource
 */
export function delegationOf(parent: Grant, init: GrantDelegateInit): GrantInit {
  const { cap, exp, sub } = parent.claims;
  const narrowed = init.resources?.flatMap((resource) => partsOf(parent, resource)) ?? cap;
  return {
    aud: init.aud,
    sub,
    cap: narrowed.map((capability) => withCaveats(capability, init.caveats ?? {})),
    expiresAt: init.expiresAtMs === undefined ? exp : Math.floor(init.expiresAtMs / 1000),
    parents: [parent],
    maxDepth: init.maxDepth ?? 0,
  };
}

/** `grant` anew on `parents`, to end `lifetimeMs` from now; undefined when that is no later. */
export function renewalOf(
  grant: Grant,
  parents: readonly Grant[],
  lifetimeMs: number,
  nowMs: number,
): GrantInit | undefined {
  const { aud, sub, cap, nbf, exp, jti, max_depth: maxDepth } = grant.claims;
  const ends = parents.map((parent) => parent.claims.exp);
  const expiresAt = Math.min(Math.floor((nowMs + lifetimeMs) / 1000), ...ends);
  if (expiresAt <= exp) return undefined;
  return {
    aud,
    sub,
    cap,
    expiresAt,
    maxDepth,
    id: jti,
    ...(nbf === undefined ? {} : { notBefore: nbf }),
    ...(parents.length === 0 ? {} : { parents }),
  };
}

/** The capabilities of `parent` that cover `resource`, cut down to it. */
function partsOf(parent: Grant, resource: string): readonly Capability[] {
  const parts = parent.claims.cap
    .filter((capability) => patternCovers(capability.resource, resource))
    .map((capability) => ({ ...capability, resource }));
  if (parts.length > 0) return parts;
  throw new StarlingError(
    'STARLING_GRANT_INVALID',
    `grant ${parent.claims.jti.slice(0, 8)} has nothing of ${printable(resource)}`,
    {
      hint: `see what it covers: starling grant show ${parent.claims.jti.slice(0, 8)}`,
      data: { rule: 'widened-resource' },
    },
  );
}

function withCaveats(capability: Capability, added: Caveats): Capability {
  const before = capability.caveats ?? {};
  const caveats = { ...before, ...added };
  const [above, below] = [before['args'], added['args']];
  if (isObject(above) && isObject(below)) caveats['args'] = { ...above, ...below } as Json;
  return Object.keys(caveats).length === 0 ? capability : { ...capability, caveats };
}
