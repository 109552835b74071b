/** Signs grants of ours: a signature holds the event loop for milliseconds, so each takes a turn of it. */
import { StarlingError, createLoopTurns } from '../../core/index.ts';
import type { Clock } from '../../core/index.ts';
import type { Signer } from '../../identity/index.ts';
import { whyVoid } from '../chain/capability.ts';
import { issueGrant } from '../format/issue.ts';
import type { GrantInit } from '../format/issue.ts';
import type { Grant } from '../types.ts';

/** The node's key for grants, one signature a turn of the event loop. */
export interface Signing {
  /** Resolves when this turn of the event loop is the caller's, for one signature. */
  turn(): Promise<void>;
  /** @throws STARLING_GRANT_MALFORMED, also for a capability that would allow nothing */
  sign(init: GrantInit): Grant;
}

/** Makes the signing of `identity`; `randomBytes` are for ids, default `node:crypto`. */
export function createSigning(
  components: { readonly identity: Signer; readonly clock: Clock },
  randomBytes?: (size: number) => Uint8Array,
): Signing {
  const { identity, clock } = components;
  const turns = createLoopTurns();
  return {
    turn: () => turns.next(),
    sign(init) {
      const why = init.cap.map(whyVoid).find((one) => one !== undefined);
      if (why !== undefined) {
        throw new StarlingError('STARLING_GRANT_MALFORMED', `a grant would allow nothing: ${why}`, {
          data: { rule: 'caveat' },
        });
      }
      return issueGrant(identity, init, clock.now(), randomBytes);
    },
  };
}
