/** Who was found to lack what it claims to have: it is passed over for a while, and comes last for as long again. */
import type { Clock, PeerId } from '../core/index.ts';

/** Who lacks what it claims is passed over for so long. */
const LACKING_MS = 600_000;
const LACKING_MAX = 1024;

/** What is known of somebody who may have lacked something: nothing, or that it comes last, or is passed over. */
export type Standing = 'sound' | 'last' | 'passed over';

/** What peers were found not to have of what they claim. */
export interface Lacking {
  /** `peer` has not got `what`, which it claims: a kind of capability, or a tool as `<server>/<tool>`. */
  lacks(peer: PeerId, what: string): void;
  standing(peer: PeerId, what: string): Standing;
}

/** Nobody lacks anything yet. The latest thousand findings are kept. */
export function createLacking(clock: Clock): Lacking {
  const foundAt = new Map<string, number>();
  return {
    lacks(peer, what) {
      const key = `${peer} ${what}`;
      foundAt.delete(key);
      foundAt.set(key, clock.now());
      const [oldest] = foundAt.size > LACKING_MAX ? foundAt.keys() : [];
      if (oldest !== undefined) foundAt.delete(oldest);
    },
    standing(peer, what) {
      const at = foundAt.get(`${peer} ${what}`);
      const sinceMs = at === undefined ? Infinity : Math.abs(clock.now() - at);
      if (sinceMs < LACKING_MS) return 'passed over';
      return sinceMs < 2 * LACKING_MS ? 'last' : 'sound';
    },
  };
}
