/** The one place that says yes or no. */
import type { Did, PeerId } from '../core/index.ts';
import type { Refusal, Wanted } from '../grants/types.ts';

/** Who asks, as proven at the door. */
export type Principal =
  /** Whoever may read this node's state folder: root of this node, and of no other. */
  | { readonly kind: 'operator' }
  /** A peer, by the key of its connection. */
  | { readonly kind: 'peer'; readonly peerId: PeerId; readonly did: Did; readonly alias: string }
  /** Somebody local with bounded rights: the holder of an API key, or the subject of a JWT. */
  | {
      readonly kind: 'client';
      /** What it is called in messages. */
      readonly name: string;
      /** Resource patterns as in grants (`tool:files/*`), or `*`: see {@link Guard}. */
      readonly scopes: readonly string[];
    }
  /** Whoever proved an Ed25519 identity over HTTP: has what was granted to its did. */
  | { readonly kind: 'agent'; readonly did: Did; readonly name: string };

/** The answer. */
export type Decision =
  | { readonly allow: true }
  | {
      readonly allow: false;
      readonly refusal: Refusal;
      /** The command that would grant it. */ readonly hint: string;
    };

/**
 * Decides: the operator may do everything, a peer and an agent what grants of this node allow its
 * did, a client what a scope of its own matches, whatever the ability. The scope `*` is every tool,
 * resource and prompt. Only a scope that names the built-in server `starling` literally covers it,
 * here (`tool:starling/peers`) and at peers (`tool:@alice/starling/peers`).
 */
export interface Guard {
  decide(principal: Principal, wanted: Wanted): Decision;
}
