/** What an agent may use: what its kind may, as far as whoever spawned it may use that, too. Pure. */
import { StarlingError, printable } from '../../core/index.ts';
import { isScope, nameOf, scopesCover } from '../../guard/index.ts';
import type { Principal } from '../../guard/index.ts';

/** What an agent gets. */
export interface NarrowedTools {
  readonly tools: readonly string[];
  /** What its kind could use, and whoever spawned it could not. */
  readonly withheld: readonly string[];
}

/**
 * The tools of a new agent. Each one that is asked for must be among those of the kind, and of the spawner.
 * @throws STARLING_CALL_REFUSED, STARLING_USAGE
 */
export function narrowTools(
  spawner: Principal,
  kind: readonly string[],
  asked: readonly string[] | undefined,
): NarrowedTools {
  if (asked === undefined) {
    const tools = kind.filter((scope) => mayUse(spawner, scope));
    return { tools, withheld: kind.filter((scope) => !tools.includes(scope)) };
  }
  for (const scope of asked) {
    if (!isScope(scope)) {
      throw new StarlingError('STARLING_USAGE', `'${printable(scope)}' names no tools`, {
        hint: 'a pattern like tool:files/*, or agent:reviewer',
      });
    }
    if (!scopesCover(kind, scope)) throw refused(scope, 'its kind has no such right');
    if (!mayUse(spawner, scope)) throw refused(scope, `${nameOf(spawner)} has no such right`);
  }
  return { tools: [...asked], withheld: [] };
}

/**
 * The operator is root of this node; a client has its scopes, as far as those have them for whom it works. What a peer may
 * do changes with its grants, and is asked at each call of its agent.
 */
function mayUse(spawner: Principal, scope: string): boolean {
  if (spawner.kind === 'operator' || spawner.kind === 'peer') return true;
  if (spawner.kind !== 'client' || !scopesCover(spawner.scopes, scope)) return false;
  return (spawner.worksFor ?? []).every((one) => mayUse(one, scope));
}

function refused(scope: string, why: string): StarlingError {
  return new StarlingError('STARLING_CALL_REFUSED', `no agent with ${scope}: ${why}`, {
    hint: 'a spawned agent has less than its kind and than whoever spawns it',
    data: { reason: 'rights' },
  });
}
