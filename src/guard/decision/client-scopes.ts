/**
 * What the scopes of a client cover. A scope is a resource pattern as in grants, or `*`. Patterns are
 * parsed once for each list of scopes, which lives as long as the key or token that it came with.
 */
import { BUILTIN_SERVER, StarlingError } from '../../core/index.ts';
import { covers, matchesTarget, parseResource } from '../../grants/index.ts';
import type { ResourcePattern, ResourceTarget } from '../../grants/index.ts';
import type { Principal } from '../types.ts';

/** The node's figures, which `*` does not cover. */
export const METRICS_SCOPE = 'metrics';
/** Every tool, resource and prompt, the built-in server's left out. */
export const FULL_SCOPE = '*';

/**
 * What an attached client may use where the policy takes nothing away: all that servers of this node and
 * of peers offer, what the built-in server has for clients, and asking peers for more.
 */
export const ATTACHED_SCOPES: readonly string[] = Object.freeze([
  FULL_SCOPE,
  `tool:${BUILTIN_SERVER}/*`,
  // Which boards a client may read, the boards say themselves.
  `resource:${BUILTIN_SERVER}/board:*`,
  `resource:${BUILTIN_SERVER}/board:*/**`,
  `resource:${BUILTIN_SERVER}/memory_bank:*`,
  `resource:${BUILTIN_SERVER}/memory_bank:*/**`,
  // Whose task one is, the tasks say; the queue has the client's own.
  `resource:${BUILTIN_SERVER}/task:*`,
  `resource:${BUILTIN_SERVER}/task:*/**`,
  `resource:${BUILTIN_SERVER}/task_queue:*`,
  `resource:${BUILTIN_SERVER}/task_queue:*/**`,
  `resource:${BUILTIN_SERVER}/agent:*`,
  `resource:${BUILTIN_SERVER}/agent:*/**`,
  `tool:@*/${BUILTIN_SERVER}/request_permission`,
  `tool:@*/${BUILTIN_SERVER}/validate_token`,
  // Agents here, and those of peers as far as a peer lets this node.
  'agent:*',
  'agent:@*/*',
]);

/** The client that the person who sits before it has named `name`. */
export function attachedClient(name: string): Extract<Principal, { kind: 'client' }> {
  return Object.freeze({ kind: 'client', name, scopes: ATTACHED_SCOPES, person: true });
}

const OFFERED: readonly string[] = ['tool', 'resource', 'prompt'];
/** Begins the first segment of what a peer offers: `tool:@alice/files/read_file`. */
const PEER_MARK = '@';

interface Scopes {
  readonly full: boolean;
  readonly patterns: readonly ResourcePattern[];
}

const parsed = new WeakMap<readonly string[], Scopes>();

/** True when `scope` is `*`, `metrics` or a resource pattern. */
export function isScope(scope: string): boolean {
  return scope === FULL_SCOPE || scope === METRICS_SCOPE || tryParse(scope) !== undefined;
}

/** True when one of `scopes` covers `target`. A malformed scope covers nothing. */
export function isInScope(scopes: readonly string[], target: ResourceTarget): boolean {
  const { full, patterns } = parse(scopes);
  const at = serverIndexOf(target);
  const isBuiltin = at !== undefined && target.segments[at] === BUILTIN_SERVER;
  if (full && at !== undefined && !isBuiltin) return true;
  return patterns.some(
    (pattern) => (!isBuiltin || namesBuiltin(pattern, at)) && matchesTarget(pattern, target),
  );
}

/** True when whoever has `scopes` has all that `scope` gives. */
export function scopesCover(scopes: readonly string[], scope: string): boolean {
  const { full, patterns } = parse(scopes);
  if (scope === FULL_SCOPE) return full;
  if (scope === METRICS_SCOPE) return scopes.includes(METRICS_SCOPE);
  const child = tryParse(scope);
  if (child === undefined) return false;
  // What names the built-in server, here or at a peer, only a scope covers that names it, too.
  const named = [0, 1].filter((at) => namesBuiltin(child, at));
  if (full && OFFERED.includes(child.scheme) && named.length === 0) return true;
  return patterns.some(
    (pattern) => covers(pattern, child) && named.every((at) => namesBuiltin(pattern, at)),
  );
}

/** Which segment names the server; undefined for what no server offers. */
function serverIndexOf({ scheme, segments }: ResourceTarget): number | undefined {
  if (!OFFERED.includes(scheme)) return undefined;
  return segments[0]?.startsWith(PEER_MARK) === true ? 1 : 0;
}

function namesBuiltin(pattern: ResourcePattern, at: number): boolean {
  const pieces = pattern.segments[at];
  return pieces?.length === 1 && pieces[0] === BUILTIN_SERVER;
}

function parse(scopes: readonly string[]): Scopes {
  const known = parsed.get(scopes);
  if (known !== undefined) return known;
  const fresh = {
    full: scopes.includes(FULL_SCOPE),
    patterns: scopes.flatMap((scope) => tryParse(scope) ?? []),
  };
  parsed.set(scopes, fresh);
  return fresh;
}

function tryParse(scope: string): ResourcePattern | undefined {
  try {
    return parseResource(scope);
  } catch (error) {
    if (error instanceof StarlingError) return undefined;
    throw error;
  }
}
