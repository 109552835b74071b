/** Which grant a person means by a few characters of its id. Pure. */
import { StarlingError } from '../../core/index.ts';
import type { Grant } from '../types.ts';

const ID_PREFIX_MIN = 4;

/**
 * The grant with the `jti` that `id` is, or is the beginning of; what stands in an earlier one of `lists`
 * comes first. @throws STARLING_GRANT_UNKNOWN when there is none, or more than one
 */
export function findGrant(id: string, lists: readonly (readonly Grant[])[]): Grant {
  for (const grants of lists) {
    const exact = grants.find((grant) => grant.claims.jti === id);
    if (exact !== undefined) return exact;
    if (id.length < ID_PREFIX_MIN) continue;
    const [first, second] = grants.filter((grant) => grant.claims.jti.startsWith(id));
    if (first !== undefined && second === undefined) return first;
    if (first !== undefined) throw unknown(id, 'is the beginning of more than one grant');
  }
  throw unknown(id, 'is no grant of this node');
}

function unknown(id: string, why: string): StarlingError {
  return new StarlingError('STARLING_GRANT_UNKNOWN', `'${id.slice(0, 64)}' ${why}`, {
    hint: 'starling grant list',
  });
}
