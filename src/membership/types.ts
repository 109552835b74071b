/** Who is in the mesh, who is alive, and how each is reached. */
import type { EventEmitter } from 'node:events';
import type { Checkpoint } from '../audit/index.ts';
import type { Did, PeerId, Startable } from '../core/index.ts';

/** The state of a peer in our view. `left` said goodbye, `dead` did not. */
export type PeerState = 'alive' | 'suspect' | 'dead' | 'left';

/** What a node says of itself in each heartbeat. */
export interface Presence {
  readonly name: string;
  /** Version of Starling. */
  readonly version: string;
  /** Our dialable multiaddrs, at most 6. */
  readonly addresses: readonly string[];
  /** Calls in flight at this node. */
  readonly load: number;
  /** Digest of the catalog of tools that the node offers to anyone; changes when a tool does. */
  readonly catalog: string;
  /** Digest by board name, at most 64 boards. */
  readonly boards: Readonly<Record<string, string>>;
  /** Where its audit log stood when it was last signed; its signature is not checked here. */
  readonly audit?: Omit<Checkpoint, 'did'>;
}

/** One peer as we see it. */
export interface PeerView {
  readonly peerId: PeerId;
  readonly did: Did;
  /** Keys that it had before, newest first; absent when it never changed its key. */
  readonly formerly?: readonly PeerId[];
  /** Our name for it: unique here, stable over restarts; what tool prefixes and commands use. */
  readonly alias: string;
  readonly state: PeerState;
  /** What it last said of itself; absent before its first heartbeat. */
  readonly presence?: Presence;
  /** When the last heartbeat came, ms since the epoch; 0 before the first. */
  readonly lastHeartbeatAt: number;
  /** When that peer's process started, ms since the epoch by its clock. */
  readonly startedAt?: number;
  readonly rttMs?: number;
  readonly route?: 'direct' | 'relayed';
  /** The address that we are connected to, else the first it announced. */
  readonly address?: string;
}

/** Events of the view. */
export interface MembershipEvents {
  /** A peer appeared or something about it changed; `before` is absent for a new one. */
  change: [peer: PeerView, before: PeerView | undefined];
  /** We are no longer a member: our membership was revoked, or our key was replaced. Told once. */
  evicted: [reason: string, hint: string];
}

/** The live view of the mesh. */
export interface Membership extends Startable {
  readonly events: EventEmitter<MembershipEvents>;
  /** All peers ever seen in this mesh and not removed from it, by alias. Not ourselves. */
  peers(): readonly PeerView[];
  peer(peerId: PeerId): PeerView | undefined;
  /** The peer that this node calls so, in constant time. */
  byAlias(alias: string): PeerView | undefined;
  /** Finds a peer by alias, PeerId or did:key. @throws STARLING_PEER_UNKNOWN */
  resolve(reference: string): PeerView;
  /**
   * What `peer` knew of revocations when it connected, we know as well: undefined when that is so, else
   * a promise of it. It rejects with STARLING_TIMEOUT, STARLING_STOPPED.
   */
  inStep(peerId: PeerId): Promise<void> | undefined;
  /** Says at once what has changed about us (coalesced within 50 ms). */
  announce(): void;
}

/** The key that a node had before, as its status tells. */
export interface PreviousKey {
  readonly did: Did;
  /** When it was changed, ms since the epoch. */
  readonly until: number;
  /** Aliases of the peers that have not been heard of since, and so may not know of it yet. */
  readonly untold: readonly string[];
}
