/** What the tools about belonging return: members, tickets, knocks, who comes and who goes. */
import type { PeerId } from '../../core/index.ts';
import type { Member, OpenTicket } from '../../mesh/index.ts';
import type { GrantSummary } from './grants.ts';
import type { PeerSummary } from './peers.ts';

/** One that is or was a member of the mesh, as a person reads it. */
export interface MemberSummary extends Pick<Member, 'isFounder' | 'since' | 'canInvite'> {
  /** This node's name for it, or its short id where it has none here. */
  readonly name: string;
  /** What it calls itself now, for a time after it has taken that name. */
  readonly newName?: string;
  readonly isSelf: boolean;
  readonly peerId: PeerId;
  readonly did: string;
  /** `out`: somebody put it out; `left`: it went by itself. */
  readonly state: 'member' | 'out' | 'left';
  /** Who let it in; absent of who founded the mesh. */
  readonly by?: string;
  /** How its membership ended, or that of one above it (`of`). */
  readonly end?: {
    readonly by: string;
    readonly at: number;
    readonly of?: string;
    readonly reason?: string;
  };
}

/** A ticket that can still let somebody in; its `id` is what `grant_revoke` takes at who made the ticket. */
export interface TicketSummary extends Pick<
  OpenTicket,
  'id' | 'since' | 'expiresAt' | 'uses' | 'canInvite'
> {
  readonly by: string;
  /** True when this node made it. */
  readonly isOwn: boolean;
  readonly usedBy: readonly string[];
}

/** Result of `members`. */
export interface MembersResult {
  readonly members: readonly MemberSummary[];
  readonly tickets: readonly TicketSummary[];
}

/** Result of `peer_show`. */
export interface PeerShowResult {
  readonly peer: PeerSummary;
  /** Absent where the records do not say by whom it came in. */
  readonly member?: MemberSummary;
  /** Those that are valid, given by this node or to it. */
  readonly grants: readonly GrantSummary[];
}

/** Result of `peer_rename`. */
export interface PeerRenameResult {
  readonly peer: string;
  readonly before: string;
  readonly peerId: PeerId;
}

/** Result of `peer_remove`: who was put out, and what ended with it. */
export interface PeerRemoveResult {
  readonly peer: string;
  readonly peerId: PeerId;
  readonly did: string;
  /** Others that it let in, and that are out as well. */
  readonly members: readonly string[];
  /** Ids of the grants that this node gave it. */
  readonly grants: readonly string[];
  /** Ids of tickets that it, or those others, had made and that were open. */
  readonly tickets: readonly string[];
  /** Connections to it that were closed. */
  readonly connections: number;
  /** It was out before, then, and by whom: nothing was changed. */
  readonly since?: { readonly at: number; readonly by: string };
}

/** Result of `mesh_leave`. */
export interface LeaveResult {
  readonly mesh: string;
  readonly fingerprint: string;
  /** Grants of this node that ended. */
  readonly grants: number;
  /** Members that were connected, and were told. */
  readonly told: number;
}

/** A node that asks to be let into the mesh. */
export interface KnockSummary {
  /** What it calls itself, unproven. */
  readonly name: string;
  readonly peerId: PeerId;
  /** Four words of its key; the other machine shows the same. */
  readonly fingerprint: string;
  readonly address: string;
  /** When it knocked first, ms since the epoch. */
  readonly at: number;
}

/** Result of `knock_list`. */
export interface KnockListResult {
  readonly knocks: readonly KnockSummary[];
}

/** Result of `knock_answer`. */
export interface KnockAnswerResult extends KnockSummary {
  readonly admitted: boolean;
}

/** Result of `invite_create`. */
export interface InviteResult {
  readonly ticket: string;
  readonly mesh: string;
  readonly fingerprint: string;
  readonly expiresAt: number;
}
