/** The model that is meant where nobody names one. */
import { StarlingError } from '../../core/index.ts';
import type { Principal } from '../../guard/index.ts';
import type { Models } from '../models.ts';

/**
 * The first of this node's own that the caller may use. A peer's is never meant: who named none has not said that a peer may
 * know what is asked. @throws STARLING_MODEL_UNKNOWN
 */
export async function firstOwnModel(
  models: Pick<Models, 'list'>,
  principal: Principal,
  signal: AbortSignal,
): Promise<string> {
  const { models: listed } = await models.list(principal, signal);
  const own = listed.find(({ peer }) => peer === undefined);
  if (own !== undefined) return own.name;
  const isNone = listed.length === 0;
  throw new StarlingError(
    'STARLING_MODEL_UNKNOWN',
    `nobody can think about this here: this node has no language model${isNone ? ', and no peer lets it use one' : ' of its own'}`,
    {
      hint: isNone
        ? 'add one: starling model add gpu --url http://127.0.0.1:11434'
        : 'name one of a peer that may know what stands in the question: starling model list',
    },
  );
}
