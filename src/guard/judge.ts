/** What a holder's grants say to one call. No I/O and no signature check. */
import { allows } from '../grants/index.ts';
import type { Grant, Refusal, ResourceTarget } from '../grants/index.ts';

/** The answer. */
export type Judgement =
  | { readonly allow: true; readonly grant: Grant; readonly settled?: Promise<void> }
  | { readonly allow: false; readonly refusal: Refusal }
  /** Yes, once a person has agreed to this very call. */
  | { readonly ask: 'approval'; readonly grant: Grant };

const NO_GRANT: Judgement = {
  allow: false,
  refusal: { rule: 'no-grant', text: 'it holds no valid grant of this node' },
};
const NOT_COVERED: Judgement = {
  allow: false,
  refusal: { rule: 'not-covered', text: 'its grants of this node cover other things only' },
};

/** Judges `ability` on `target` by the valid grants of its caller. */
export function judge(
  grants: readonly Grant[],
  ability: string,
  target: ResourceTarget,
): Judgement {
  for (const grant of grants) {
    for (const capability of grant.claims.cap) {
      if (allows(capability, ability, target)) return { allow: true, grant };
    }
  }
  return grants.length === 0 ? NO_GRANT : NOT_COVERED;
}
