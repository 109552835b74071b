/** How many plans that have not ended a node has, in all and of one submitter: no submitter takes the places of all others. */
import { StarlingError } from '../core/index.ts';
import { sendersIn } from '../agents/index.ts';
import { OPERATOR, keyOf } from '../guard/index.ts';
import { PLANS_MAX, SHARE_OF_ONE } from './limits.ts';

/** The places of plans that have not ended. */
export interface PlanPlaces {
  /** Takes places before anything is waited for; gives what gives them back. @throws STARLING_LIMIT_EXCEEDED */
  take(submitter: string, count?: number): () => void;
  /** For a plan that has its place already, as it was there before a start. */
  keep(submitter: string): () => void;
}

const HINT = 'ask again when some have ended: starling task list';

/** Makes empty places. */
export function createPlanPlaces(): PlanPlaces {
  const bySubmitter = new Map<string, number>();
  let all = 0;
  const add = (key: string, count: number): void => {
    all += count;
    const own = (bySubmitter.get(key) ?? 0) + count;
    if (own > 0) bySubmitter.set(key, own);
    else bySubmitter.delete(key);
  };
  const taken = (key: string, count: number): (() => void) => {
    add(key, count);
    let isGiven = false;
    return () => {
      if (!isGiven) add(key, -count);
      isGiven = true;
    };
  };
  return {
    take(submitter, count = 1) {
      const key = whose(submitter);
      if (all + count > PLANS_MAX) throw full(`${all} plans are under way`, PLANS_MAX, 'full');
      const own = bySubmitter.get(key) ?? 0;
      const most = PLANS_MAX * SHARE_OF_ONE;
      // The operator's node is the operator's own.
      if (key !== keyOf(OPERATOR) && own + count > most) {
        throw full(`${own} plans of this submitter are under way`, most, 'share');
      }
      return taken(key, count);
    },
    keep: (submitter) => taken(whose(submitter), 1),
  };
}

/** Whoever wants it; for whom that one works does not give it more places. */
function whose(submitter: string): string {
  return sendersIn(submitter)[0] ?? submitter;
}

function full(what: string, limit: number, reason: 'full' | 'share'): StarlingError {
  return new StarlingError('STARLING_LIMIT_EXCEEDED', `${what}, and ${limit} may be`, {
    hint: HINT,
    data: { reason, limit },
  });
}
