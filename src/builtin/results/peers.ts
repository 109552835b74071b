/** What `status` and the tools about peers return. */
import type { PeerId, Warning } from '../../core/index.ts';
import type { GatewayEndpoints, SessionDoor, UpstreamStatus } from '../../gateway/types.ts';
import type { PeerView, PreviousKey } from '../../membership/types.ts';
import type { Mesh } from '../../mesh/types.ts';
import type { ConductReport, OpenPortsView, SpokenVersion } from '../../network/types.ts';

/** Result of `status`. */
export interface StatusResult {
  readonly name: string;
  readonly version: string;
  readonly peerId: string;
  readonly did: string;
  /** The key that it had before the one it has now; absent when it never changed its key. */
  readonly formerly?: PreviousKey;
  readonly pid: number;
  readonly stateDir: string;
  /** The config file that it reads, or would read if there were one; absent of a node that a program made. */
  readonly configFile?: string;
  readonly startedAt: number;
  readonly mesh: Mesh;
  readonly addresses: readonly string[];
  /** How this node looks from outside; absent where it is seen at an address of its machine, or by nobody. */
  readonly outside?: Outside;
  /** What routers answered who were asked to open ports, one of each network; absent without `upnp: true`. */
  readonly upnp?: readonly OpenPortsView[];
  readonly endpoints: GatewayEndpoints;
  /** Absent where this node may let others in. */
  readonly mayInvite?: false;
  readonly peers: Readonly<Record<'alive' | 'suspect' | 'dead' | 'left', number>>;
  readonly upstreams: readonly UpstreamStatus[];
  readonly sessions: Readonly<Record<SessionDoor, number>>;
  /** Pages of the dashboard that are open; absent when none is. */
  readonly dashboards?: readonly DashboardPage[];
  /** What has become of spans; absent where no collector is named. */
  readonly traces?: TracesReport;
  readonly boards: readonly string[];
  /** Boards of which much comes from a peer now, by its alias; absent when none does. What has come can be read. */
  readonly boardsComing?: readonly {
    readonly board: string;
    readonly from: string;
    readonly changes: number;
    readonly of: number;
  }[];
  /** Peers whose first list of tools is on its way, by their aliases; absent when none is. */
  readonly catalogsComing?: readonly string[];
  /** Digest of the records that all members keep: nodes with equal digests know the same. */
  readonly records: string;
  readonly routingTable: number;
  readonly warnings: readonly Warning[];
}

/** Spans of calls since the start, and where they go. */
export interface TracesReport {
  /** Scheme, host and port of the collector. */
  readonly to: string;
  /** The collector took them. */
  readonly sent: number;
  /** The collector did not want them. */
  readonly rejected: number;
  /** There were more than the queue holds, or the collector did not answer for too long. */
  readonly dropped: number;
  /** Calls that were to be kept, and came faster than the node keeps them. */
  readonly limited: number;
  readonly waiting: number;
  /** Why the collector does not take spans now; absent while it does. */
  readonly trouble?: string;
}

/** A page of the dashboard that is open. Times are ms since the epoch. */
export interface DashboardPage {
  readonly id: string;
  /** The address that the browser came from. */
  readonly from: string;
  readonly openedAt: number;
  readonly usedAt: number;
  /** When it ends if it is not used. */
  readonly expiresAt: number;
}

/** A node behind a router, from outside. */
export interface Outside {
  /** IP addresses at which peers see it. */
  readonly seenAt: readonly string[];
  /** What peers have found who dialled it there; by their aliases. `why` where they did not get in. */
  readonly found: readonly {
    readonly address: string;
    readonly by: string;
    readonly why?: string;
  }[];
}

/** Result of `status` for whoever is not the operator. */
export interface ShortStatus extends Pick<
  StatusResult,
  'name' | 'version' | 'peerId' | 'did' | 'peers' | 'boards'
> {
  readonly mesh: Pick<Mesh, 'name' | 'open'>;
  readonly servers: readonly Pick<
    UpstreamStatus,
    'server' | 'state' | 'tools' | 'resources' | 'prompts'
  >[];
}

/** One peer, and what is to be said of it. */
export interface PeerSummary extends PeerView {
  /** What it does too much of; absent of a peer that behaves. */
  readonly conduct?: Omit<ConductReport, 'peer'> & { readonly text: string };
  /** Of a peer that is reached through a relay: why there is no direct way. */
  readonly whyRelayed?: string;
  /** What it lists to all members, where that was asked for and is known; see {@link ListedByPeer}. */
  readonly lists?: ListedByPeer;
  /** Of a peer of another version, with which there is no link: what it speaks, and what is to be done. */
  readonly otherVersion?: SpokenVersion & { readonly text: string; readonly hint: string };
}

/** What a peer lists to all members, by the document that it has signed. */
export interface ListedByPeer {
  readonly version: number;
  /** False: the peer is away, and this is what it listed when it was heard last. Nothing of it can be used meanwhile. */
  readonly isCurrent: boolean;
  /** Names, or URIs, by server. */
  readonly servers: readonly {
    readonly server: string;
    readonly tools: readonly { readonly name: string; readonly description?: string }[];
    readonly resources: readonly string[];
    readonly templates: readonly string[];
    readonly prompts: readonly string[];
  }[];
  readonly agents: readonly { readonly name: string; readonly capabilities: readonly string[] }[];
}

/** Result of `peers`. */
export interface PeersResult {
  readonly peers: readonly PeerSummary[];
}

/** Result of `peer_ping`. */
export interface PeerPingResult {
  /** Its name here. */
  readonly peer: string;
  /** What it calls itself since not long ago; absent where that is no other name. */
  readonly newName?: string;
  readonly peerId: PeerId;
  readonly rttMs: number;
  readonly route: 'direct' | 'relayed';
  /** The multiaddr that the connection goes to. */
  readonly address: string;
  /** Who passes on what goes there, by its name here or its PeerId; of a relayed route. */
  readonly relay?: string;
  /** Why there is no direct way, in words; of a relayed route. */
  readonly why?: string;
}

/** Result of `peer_forgive`. */
export interface PeerForgiveResult {
  readonly peer: string;
  readonly peerId: PeerId;
  /** False when there was nothing to forgive. */
  readonly forgiven: boolean;
}
