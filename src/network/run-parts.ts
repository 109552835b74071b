/** What one run of the network is made from, its parts, and what it tells. */
import type { Connection, Stream } from '@libp2p/interface';
import type { Clock, Logger, MeshId, PeerId, Random, Scope } from '../core/index.ts';
import type { Identity } from '../identity/types.ts';
import type { LocalPlaces } from './addresses/address-order.ts';
import type { AdmissionStates } from './admission/admission-states.ts';
import type { Dialer } from './dialing/dialer.ts';
import type { Gossip } from './gossip/gossip.ts';
import type { Host } from './host/host.ts';
import type { ControlStreams } from './links/control-streams.ts';
import type { Parting } from './links/parting.ts';
import type { Links } from './links/links.ts';
import type { AddressTurns } from './limits/address-turns.ts';
import type { Conduct } from './limits/conduct.ts';
import type { Doorkeeper } from './limits/doorkeeper.ts';
import type { RedialTargets } from './dialing/redial-targets.ts';
import type { Redialer } from './dialing/redialer.ts';
import type { OpenPorts } from './reach/open-ports.ts';
import type { Reach } from './reach/reach.ts';
import type { NetworkTally } from './host/network-counts.ts';
import type { Admission, LanNode, PeerStream, SpokenVersion, Transport } from './types.ts';

/** What stays the same from one run to the next. */
export interface NetworkComponents {
  readonly identity: Identity;
  readonly admission: Admission;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** What carries the connections, in place of TCP and WebSocket. */
  readonly transports?: readonly Transport[] | undefined;
  /** Hears what the network does, for a benchmark. */
  readonly tally?: NetworkTally | undefined;
  /** The network interfaces of this machine; default: `os.networkInterfaces`. */
  readonly interfaces?: (() => LocalPlaces['interfaces']) | undefined;
}

/** What a run of the network is made from. */
export interface RunComponents extends NetworkComponents {
  /** How peers behave, over all runs. */
  readonly conduct: Conduct;
}

/** The settings of a network; the fields of the same names in `Config` say more. */
export interface NetworkInit {
  readonly meshId: MeshId;
  /** Our name, for logs. */
  readonly name: string;
  readonly listen: readonly string[];
  readonly announce: readonly string[];
  readonly bootstrap: readonly string[];
  readonly mdns: boolean;
  /** Have routers open the ports on which the node listens. */
  readonly upnp?: boolean;
  readonly relay: boolean;
  /** Connections in all, strangers' included. */
  readonly connections: number;
}

/** What a run tells the network, and asks it. */
export interface NetworkRunEvents {
  readonly onPeerConnect: (peer: PeerId) => void;
  readonly onPeerLink: (peer: PeerId) => void;
  /** `isMeant`: both ends have closed the link because nobody used it. */
  readonly onPeerDisconnect: (peer: PeerId, isMeant: boolean) => void;
  /** Something came from the peer on its control stream. */
  readonly onSign: (peer: PeerId) => void;
  /** Whether the peer is known to be there, and no link to it is needed. */
  readonly isSpare: (peer: PeerId) => boolean;
  /** When a stream of ours was last opened on the connection, ms since the epoch. */
  readonly usedAtMs: (connection: Connection) => number | undefined;
  /** The peer speaks another version of the protocols, or (undefined) is let in. */
  readonly onVersion: (peer: PeerId, theirs: SpokenVersion | undefined) => void;
  readonly onDialFailed: (address: string, error: Error) => void;
  /** Multicast DNS has found a node of whatever mesh. */
  readonly onLanNode: (found: LanNode) => void;
  /** Opens a stream on a connection. @throws STARLING_PEER_UNREACHABLE, or the reason of `signal` */
  readonly open: (
    connection: Connection,
    protocol: string,
    signal: AbortSignal,
  ) => Promise<PeerStream>;
  /** A stream of libp2p as ours. */
  readonly wrap: (stream: Stream, connection: Connection) => PeerStream;
  /** Hears each frame of the control streams of peers. */
  readonly onFrame: (kind: string, payload: Uint8Array, from: PeerId) => void;
  /** Whether a stream keeps its connection from being closed as a duplicate. */
  readonly isInUse: (stream: Stream) => boolean;
  /** Whether we closed the peer's connections and it has not been admitted again since. */
  readonly isDenied: (peer: PeerId) => boolean;
}

/** What is made anew for each run, and gone with it. */
export interface RunParts {
  readonly host: Host;
  readonly gate: AdmissionStates;
  readonly links: Links;
  readonly gossip: Gossip;
  readonly dialer: Dialer;
  readonly redialer: Redialer;
  readonly targets: RedialTargets;
  /** When strangers may come in. */
  readonly turns: AddressTurns;
  readonly doorkeeper: Doorkeeper;
  /** Owns the timers of the run. */
  readonly scope: Scope;
  /** The addresses that the default routes of this machine use, as they were lately. */
  readonly defaultSources: () => ReadonlySet<string>;
  /** Far ends of connections that were dialled to us: nobody listens there. */
  readonly ephemeral: Set<string>;
  /** Addresses at which others have reached this node behind its router, each with its peer at the end. */
  readonly reached: Set<string>;
}

/** A running network. */
export interface NetworkRun extends RunParts {
  readonly control: ControlStreams;
  readonly parting: Parting;
  readonly reach: Reach;
  /** Ports that routers open; undefined where that was not chosen. */
  readonly ports: Pick<OpenPorts, 'view'> | undefined;
  /** Ends everything. Never rejects. */
  stop(): Promise<void>;
}
