/** Who is in the mesh, who is alive, and how each is reached. */
import type { EventEmitter } from 'node:events';
import type { Checkpoint } from '../audit/index.ts';
import type { Did, PeerId, Startable } from '../core/index.ts';

/** The state of a peer as this node sees it. `left` said goodbye, `dead` did not. */
export type PeerState = 'alive' | 'suspect' | 'dead' | 'left';

/** What a node says of itself in each heartbeat. */
export interface Presence {
  readonly name: string;
  /** Version of Starling. */
  readonly version: string;
  /** Its dialable multiaddrs, at most 6. */
  readonly addresses: readonly string[];
  /** Calls under way at it. */
  readonly load: number;
  /** Digest of all tools of the node, with a secret of its own; changes when a tool does. */
  readonly catalog: string;
  /** Digest by board name, at most 64 boards. */
  readonly boards: Readonly<Record<string, string>>;
  /** Where its audit log stood when it was last signed; its signature is not checked here. */
  readonly audit?: Omit<Checkpoint, 'did'>;
  /** Another text when the agents that it has announced are others; absent without agents, and of older nodes. */
  readonly agents?: string;
  /** Kinds of capability that it offers, at most 16; absent where it names none, and of older nodes. */
  readonly offers?: readonly string[];
  /** Which catalog document of it counts; absent where it lists nothing to all members, and of older nodes. */
  readonly lists?: { readonly version: number; readonly hash: string };
}

/** One peer as we see it. */
export interface PeerView {
  readonly peerId: PeerId;
  readonly did: Did;
  /** Keys that it had before, newest first; absent when it never changed its key. */
  readonly formerly?: readonly PeerId[];
  /** Our name for it: unique here, stable over restarts; what tool prefixes and commands use. */
  readonly alias: string;
  /** What it calls itself since a while, where that is not what it called itself before: shown with the alias. */
  readonly newName?: string;
  /** What it calls this node, where that is not what this node calls itself. */
  readonly callsUs?: string;
  readonly state: PeerState;
  /** Of one that is no member any more; it is told so once, and known no longer. `by`: who put it out, by name. */
  readonly ended?: { readonly by?: string };
  /** What it last said of itself; absent before its first heartbeat. */
  readonly presence?: Presence;
  /** When the last heartbeat came, ms since the epoch; 0 before the first. */
  readonly lastHeartbeatAt: number;
  /** About when that peer's process started, ms since the epoch by its clock: its incarnation. */
  readonly startedAt?: number;
  /** Its clock less ours by its last heartbeats, ms; absent for nodes that do not tell the time. */
  readonly clockOffsetMs?: number;
  readonly rttMs?: number;
  readonly route?: 'direct' | 'relayed';
  /** The address that we are connected to, else the first it announced. */
  readonly address?: string;
}

/**
 * What may change about a peer: the parts of its {@link Presence}, and of its view. `keys` are its key
 * and those before it; `startedAt` changes with its process; `route` is how this node reaches it.
 */
export type PeerAspect =
  | keyof Presence
  | 'state'
  | 'ended'
  | 'alias'
  | 'callsUs'
  | 'keys'
  | 'startedAt'
  | 'route';

/** Events of the view. */
export interface MembershipEvents {
  /**
   * A peer appeared, or `what` about it changed; `before` is absent for a new one, of which everything
   * is new. A heartbeat that changes nothing is not told, nor are `lastHeartbeatAt`, `clockOffsetMs` and `rttMs` alone.
   */
  change: [peer: PeerView, before: PeerView | undefined, what: ReadonlySet<PeerAspect>];
  /**
   * A living peer has said which digests its boards have, and they are to be compared: other digests
   * than it named before, or than this node has. Digests that differ are told with each heartbeat, so
   * that a repair that failed is tried again.
   */
  boards: [peer: PeerView, digests: Presence['boards']];
  /** This node is no member any more: its membership was revoked, or its key replaced. Told once. */
  evicted: [reason: string, hint: string];
}

/** The live view of the mesh. */
export interface Membership extends Startable {
  readonly events: EventEmitter<MembershipEvents>;
  /** All peers ever seen in this mesh and not removed from it, by alias. Not ourselves. */
  peers(): readonly PeerView[];
  peer(peerId: PeerId): PeerView | undefined;
  /** The peer that this node calls so; in constant time. */
  byAlias(alias: string): PeerView | undefined;
  /** The peer with this alias, PeerId or did:key, also one that it had before; in constant time. */
  find(reference: string): PeerView | undefined;
  /**
   * The one peer that a person means by a name, a PeerId (whole or in its short form) or a did:key.
   * @throws STARLING_PEER_UNKNOWN, naming those that are known; STARLING_PEER_AMBIGUOUS when several go by
   * that name, with them as `data.candidates`
   */
  resolve(reference: string): PeerView;
  /** This node's name for whoever has or had that key, also for one that was put out. */
  nameOf(peerId: PeerId): string | undefined;
  /** Calls a peer otherwise here. @throws STARLING_PEER_UNKNOWN; STARLING_USAGE for a name that can't be had */
  rename(peerId: PeerId, alias: string): PeerView;
  /**
   * Undefined when this node knows every revocation that `peer` knew when it connected, else a promise
   * of that. The promise rejects with STARLING_TIMEOUT, STARLING_STOPPED.
   */
  inStep(peerId: PeerId): Promise<void> | undefined;
  /** Sends a heartbeat soon, for what has changed about this node; all calls within 50 ms share one. */
  announce(): void;
  /**
   * Tells the peers that this node leaves, before its other parts are stopped: a server may take seconds to end, and
   * whoever has no more patience ends the process meanwhile. Resolves when each was told, within a second at the
   * most. `stop` says it where nobody has, and waits for it.
   */
  sayGoodbye(): Promise<void>;
}

/** The key that a node had before, as its status tells. */
export interface PreviousKey {
  readonly did: Did;
  /** When it was changed, ms since the epoch. */
  readonly until: number;
  /** Aliases of the peers that have not been heard of since, and so may not know of it yet. */
  readonly untold: readonly string[];
}
