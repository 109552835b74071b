/** Which grant a person means by a few characters of its id. Pure. */
import { StarlingError, meantById, noSuchId } from '../../core/index.ts';
import type { Grant } from '../types.ts';

/**
 * The grant with the `jti` that `id` is, or is the beginning of; what stands in an earlier one of `lists`
 * comes first. @throws STARLING_GRANT_UNKNOWN when there is none, or more than one
 */
export function findGrant(id: string, lists: readonly (readonly Grant[])[]): Grant {
  let why: 'none' | 'short' | 'several' = 'none';
  for (const grants of lists) {
    const meant = meantById(id, grants, ({ claims }) => claims.jti);
    if ('found' in meant) return meant.found;
    if (meant.why === 'several') throw unknown(id, meant.why);
    if (meant.why === 'short') why = meant.why;
  }
  throw unknown(id, why);
}

function unknown(id: string, why: 'none' | 'short' | 'several'): StarlingError {
  return new StarlingError('STARLING_GRANT_UNKNOWN', noSuchId(id, why, 'grant'), {
    hint: 'starling grant list',
  });
}
