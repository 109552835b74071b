/** What a ticket holds, whichever of its two forms it comes in. */
import { StarlingError } from '../../core/index.ts';
import type { MeshId, PeerId } from '../../core/index.ts';
import type { Grant } from '../../grants/index.ts';

/** Bytes of the seed of an Ed25519 key. */
export const SEED_BYTES = 32;
/** Addresses that a ticket may hold; each is dialled by whoever pastes it. */
export const TICKET_ADDRESSES_MAX = 6;
/** Characters of the name of a mesh. */
export const TICKET_NAME_MAX = 64;

/** What a ticket says. */
export interface Ticket {
  readonly mesh: MeshId;
  readonly name: string;
  /** Multiaddrs of members. */
  readonly addresses: readonly string[];
  /** Seed of the invite's one-time key. */
  readonly seed: Uint8Array;
  /** When it ends, s since the epoch. */
  readonly expiresAt: number;
  /** Who made it; absent from long tickets. */
  readonly inviter?: PeerId;
  /** The invite's grant and its parents, leaf first; only in long tickets, else among the records. */
  readonly grants: readonly Grant[];
}

/** The error of a text that is no ticket. */
export function notATicket(why: string, cause?: unknown): StarlingError {
  return new StarlingError('STARLING_TICKET_INVALID', `this is not a Starling ticket: ${why}`, {
    hint: 'copy the whole ticket from `starling up` or `starling invite`',
    ...(cause === undefined ? {} : { cause }),
  });
}
