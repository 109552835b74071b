/** The one place that says yes or no. */
import type { Did, PeerId } from '../core/index.ts';
import type { Refusal, Wanted } from '../grants/types.ts';

/** Who asks, as proven at the door. */
export type Principal =
  /** Whoever may read this node's state folder: root of this node, and of no other. */
  | { readonly kind: 'operator' }
  /** A peer, by the key of its connection. */
  | { readonly kind: 'peer'; readonly peerId: PeerId; readonly did: Did; readonly alias: string };

/** The answer. */
export type Decision =
  | { readonly allow: true }
  | {
      readonly allow: false;
      readonly refusal: Refusal;
      /** The command that would grant it. */ readonly hint: string;
    };

/** Decides. */
export interface Guard {
  decide(principal: Principal, wanted: Wanted): Decision;
}
