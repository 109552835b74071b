/** The libp2p host as the rooms above see it: peers, streams and topics, only ever of our mesh. */
import type { EventEmitter } from 'node:events';
import type { Duplex } from 'node:stream';
import type { BucketSize, Did, MeshId, PeerId, Startable } from '../core/index.ts';

/**
 * How bytes get from node to node, for tests and the simulator: takes the place of TCP and WebSocket.
 * Addresses are multiaddrs (`/memory/a`, `/ip4/10.0.0.7/tcp/4040`) without a peer at their end.
 */
export interface Transport {
  /** Whether this transport dials `address` and listens on such addresses. */
  handles(address: string): boolean;
  /** Opens a stream to who listens on `address`. Rejects when nobody does, or when `signal` fires. */
  dial(address: string, options: { readonly signal: AbortSignal }): Promise<Duplex>;
  /** Accepts streams; `from` is the address that the dialler seems to have. */
  listen(
    address: string,
    onConnection: (stream: Duplex, from: string) => void,
  ): Promise<TransportListener>;
}

/**
 * A transport that never leaves this process, and so knows by itself whose host is at either end of a stream, with nobody
 * between. Such connections are not encrypted: there is nothing left for a handshake to prove. All above it is as over any
 * other transport. For measurements of many nodes in one process; no part of the library's public face.
 */
export interface VouchingTransport extends Transport {
  /** The transport as the host of `self` uses it; each host has its own. */
  as(self: PeerId): VouchedTransport;
}

/** A {@link VouchingTransport} of one host. */
export interface VouchedTransport extends Transport {
  /** Whose host is at the other end of a stream that came from here; undefined: it has to prove that by TLS or Noise. */
  peerAt(stream: Duplex): PeerId | undefined;
}

/** An address that is listened on. */
export interface TransportListener {
  /** The addresses that reach this listener: `/…/tcp/0` has become a port by then. */
  addresses(): readonly string[];
  /** Accepts nothing more. */
  close(): Promise<void>;
}

/** A way to a connected peer. */
export interface Route {
  readonly kind: 'direct' | 'relayed';
  /** The remote multiaddr of the connection. */
  readonly address: string;
  /** Of a relayed one: why there is no direct way, in words; the last try is less than about a minute old. */
  readonly why?: string;
}

/** What a peer found that has dialled this node where it is seen from outside. */
export interface FoundOutside {
  /** A multiaddr without a peer at its end. */
  readonly address: string;
  readonly by: PeerId;
  /** Why nothing was reached; absent where this node was. */
  readonly why?: string;
}

/** How this node looks from outside. */
export interface OutsideView {
  /** IP addresses at which those see it that it has dialled, one of each family. */
  readonly seenAt: readonly string[];
  /** None of these is an address of this machine. */
  readonly isBehindRouter: boolean;
  readonly found: readonly FoundOutside[];
}

/** What came of asking the router of one network to open ports (UPnP). */
export interface OpenPortsView {
  /** The IP address of this machine on that network. */
  readonly address: string;
  /** The router's; absent where none has opened any. */
  readonly router?: string;
  /** The TCP ports that it has opened, the same outside and here. */
  readonly opened: readonly number[];
  /** Why not all on which the node listens there; absent where they are. */
  readonly why?: string;
}

/** A byte stream to an admitted peer. Writes are coalesced per tick, bounded and back-pressured. */
export interface PeerStream {
  readonly peer: PeerId;
  /**
   * Queues `chunk`; false means that the outbound queue is over its high-water mark: await
   * {@link drained} before writing on. Over the hard bound the stream is aborted
   * (STARLING_LIMIT_EXCEEDED). After the end, writes are dropped and false is returned.
   */
  write(chunk: Uint8Array): boolean;
  /** Resolves when the queue is below its low-water mark, rejects when the stream ends first. */
  drained(): Promise<void>;
  /** Bytes that wait to be sent. */
  readonly queuedBytes: number;
  /** Sets the one reader; bytes that came earlier are given to it first. */
  onData(reader: (chunk: Uint8Array) => void): void;
  /** Stops and resumes reading: the remote end feels it as back-pressure. */
  pause(): void;
  resume(): void;
  /**
   * The reader keeps `sizeBytes` of a message that is not whole yet, 0 when there is none. To be said after each
   * chunk, from within the reader. @throws STARLING_LIMIT_EXCEEDED when the peer's streams together hold too much
   */
  holds(sizeBytes: number): void;
  /** Called once when both directions are over; `error` when it was not a clean end. */
  onEnd(listener: (error?: Error) => void): void;
  /** Sends what is queued, then closes. */
  close(): Promise<void>;
  /** Ends both directions at once. */
  abort(error: Error): void;
}

/** Messages of a known size over a stream: unsigned varint length, then the bytes. */
export interface MessageStream {
  readonly peer: PeerId;
  send(message: Uint8Array): boolean;
  drained(): Promise<void>;
  onMessage(reader: (message: Uint8Array) => void): void;
  onEnd(listener: (error?: Error) => void): void;
  close(): Promise<void>;
  abort(error: Error): void;
}

/** A gossip topic of this mesh. Only members publish on it; each message is signed by its author. */
export interface Topic {
  /**
   * Sends `data` (at most 64 KiB) to all subscribed members; resolves when handed to libp2p. `options` instead of
   * those of the topic, for this message.
   */
  publish(data: Uint8Array, options?: TopicOptions): Promise<void>;
  /** Hears messages of other members (never our own). Returns a function that stops it. */
  subscribe(listener: (data: Uint8Array, from: PeerId) => void): () => void;
}

/** What each side says first on a connection (`/starling/hello/1`). */
export interface Hello {
  readonly version: 2;
  /** The sender's release of Starling, for people. */
  readonly release: string;
  /** The mesh that the sender belongs to or wants to join; absent when it wants to be told. */
  readonly mesh?: MeshId;
  readonly name: string;
  /** The sender's clock, milliseconds since the epoch. */
  readonly time: number;
  /** The sender's membership chain as compact JWS, leaf first; empty for a newcomer. */
  readonly membership: readonly string[];
  /** How the sender came to its key, oldest first, when it has changed it. */
  readonly successions?: readonly string[];
  /** A newcomer's proof that it holds a ticket's invite. */
  readonly invite?: InviteProof;
}

/** Proof that the sender holds an invite's one-time key, bound to this pair of peers. */
export interface InviteProof {
  /** The invite's grant chain as compact JWS, leaf first; none where `key` names the invite. */
  readonly grants: readonly string[];
  /** The invite's key: members know its invite from their records. */
  readonly key?: Did;
  /** Who made the ticket: a member that does not know the invite asks that one. */
  readonly by?: PeerId;
  /** Signature by the invite's key, see `mesh`. */
  readonly signature: Uint8Array;
}

/** Which version of the protocols a node speaks, and its release of Starling where it says so. */
export interface SpokenVersion {
  readonly version: number;
  readonly release?: string;
}

/** The welcome of {@link Hello}'s listener, or why there is none. */
export type HelloAnswer =
  | {
      readonly ok: true;
      readonly hello: Hello;
      /** For a newcomer: the membership chain that was issued to it, leaf first. */
      readonly issued?: readonly string[];
    }
  | {
      readonly ok: false;
      /** An {@link ErrorCode}. */
      readonly code: string;
      readonly reason: string;
      /** What a node without a mesh may learn: which mesh this is, and whether it is open. */
      readonly mesh?: MeshId;
      readonly meshName?: string;
      readonly open?: boolean;
      /** To whom shows a retired key: the succession by which it was retired. */
      readonly succession?: string;
      /** To whom shows a membership that was ended: the revocation that ended it, or one above it. */
      readonly ended?: string;
      /** What the refuser speaks, when that is the reason. */
      readonly speaks?: SpokenVersion;
    };

/** Decides who is admitted: implemented by `mesh`, injected in `node.ts`. */
export interface Admission {
  /** Our hello to `peer`, just dialled. */
  hello(peer: PeerId): Hello;
  /**
   * Runs `greet`, which says hello and hears the answer: at once where this node is a member, else one after the other,
   * so that no two members let the same newcomer in.
   */
  inTurn<T>(greet: () => Promise<T>): Promise<T>;
  /** Decides on the hello of `peer`, who dialled us. Must not throw for bad input. */
  admit(hello: Hello, peer: PeerId): Promise<HelloAnswer>;
  /** Decides on the answer of `peer`, whom we dialled. @throws why the connection must be closed */
  answered(answer: HelloAnswer, peer: PeerId): Promise<void>;
  /** Whether gossip signed by `peer` may be heard. Called for each message: must be cheap. */
  isMember(peer: PeerId): boolean;
}

/**
 * What a peer can do too much of: open streams, send frames that carry no data, connect, say hello again on
 * a connection, gossip, gossip what nobody has signed, send heartbeats, break the rules of a protocol,
 * offer records or grants that are not to be had, change its catalog, change boards and have them synced, say
 * what nobody has asked for, use libp2p's own services, ask for what it does not read, begin messages that it does
 * not end, ask for lists, and sign records.
 */
export type Misconduct =
  | 'streams'
  | 'frames'
  | 'connections'
  | 'hellos'
  | 'gossip'
  | 'forgeries'
  | 'heartbeats'
  | 'malformed'
  | 'records'
  | 'catalogs'
  | 'boards'
  | 'unpermitted'
  | 'messages'
  | 'control'
  | 'services'
  | 'unread'
  | 'unfinished'
  | 'lists'
  | 'signs';

/** How one peer has behaved. */
export interface ConductReport {
  readonly peer: PeerId;
  /** `watched`: it does too much, which is held back. `blocked`: it is kept out. */
  readonly state: 'watched' | 'blocked';
  /** How often it did what, since it was last calm. */
  readonly counts: Readonly<Partial<Record<Misconduct, number>>>;
  /** When it may come again, ms since the epoch; of `blocked` only. */
  readonly until?: number;
}

/** An address from which strangers keep knocking in vain. */
export interface KnockingAddress {
  readonly address: string;
  /** Connections in a row that came to nothing. */
  readonly failures: number;
  /** Connections that were turned away since the address was calm. */
  readonly turnedAway: number;
}

/** A node that multicast DNS has found: what it says of itself, unproven. */
export interface LanNode {
  readonly peer: PeerId;
  /** Multiaddrs, each with `/p2p/<peer>`. */
  readonly addresses: readonly string[];
}

/** A stream of somebody who need not be admitted. */
export interface StrangerStream {
  readonly stream: PeerStream;
  /** Where the stranger is, as people write it: an IP address, or the whole multiaddr where it has none. */
  readonly address: string;
  /** True for an address of this machine or of a private network, without a relay on the way. */
  readonly isLocal: boolean;
  /** That this connection ends is not held against its address. */
  excuse(): void;
}

/** How a topic is published on. */
export interface TopicOptions {
  /**
   * Whether what this node publishes goes to all connected members that listen, at once, and not only to its
   * neighbours in the topic's mesh. True = sooner, and surely where the mesh is not woven yet; false = each copy
   * that is spared saves its receiver about 0.3 ms. Default: true.
   */
  readonly floods?: boolean;
}

/** Hears frames of one kind. */
export type FrameListener = (payload: Uint8Array, from: PeerId) => void;

/** Links that come and go, and what is known of who is at their other end. */
export interface NetworkEvents {
  /** The first connection to a peer is admitted. */
  'peer:connect': [peer: PeerId];
  /** A connection to a peer is admitted, be it the first or another; comes before `peer:connect`. */
  'peer:link': [peer: PeerId];
  /** The last connection to an admitted peer is gone. `isMeant`: both ends closed it, as nobody used it. */
  'peer:disconnect': [peer: PeerId, isMeant?: boolean];
  /** Something came from a peer on the control stream of its link: it is there. About once a second. */
  'peer:sign': [peer: PeerId];
  /** A peer does too much, is kept out, does something else too often, or (undefined) is calm again. */
  'peer:conduct': [peer: PeerId, report: ConductReport | undefined];
  /** A member speaks another version of the protocols and is not let in, or (undefined) is let in again. */
  'peer:version': [peer: PeerId, theirs: SpokenVersion | undefined];
  /** We dialled `address` and it failed or refused us; `error` has the reason. */
  'dial:failed': [address: string, error: Error];
  /** Multicast DNS has found a node of whatever mesh; told again and again. */
  'lan:node': [found: LanNode];
}

/** The network of one mesh. */
export interface Network extends Startable {
  readonly self: PeerId;
  readonly events: EventEmitter<NetworkEvents>;
  /** Our dialable multiaddrs, each with `/p2p/<self>`. Empty until started. */
  addresses(): readonly string[];
  /** Admitted peers that are connected now. */
  connected(): readonly PeerId[];
  /** Whether `peer` is admitted and connected now. */
  isConnected(peer: PeerId): boolean;
  /** How we reach `peer` now, the direct way first. */
  route(peer: PeerId): Route | undefined;
  /** How this node looks from outside; undefined until a peer that it has dialled has said where it sees this node. */
  outside(): OutsideView | undefined;
  /** What routers were asked for by UPnP, one of each network; undefined where the operator has not chosen that. */
  openPorts(): readonly OpenPortsView[] | undefined;
  /**
   * Connects to a multiaddr or a known peer and waits until admitted.
   * @throws STARLING_PEER_UNREACHABLE, STARLING_JOIN_REFUSED or the code of the refusal
   */
  dial(target: PeerId | string, options: { readonly signal: AbortSignal }): Promise<PeerId>;
  /**
   * Keeps `peer` connected from now on: redials without end, 60 s apart at the most. Of two that keep each
   * other, the one with the lower PeerId dials; the other only when that has not come 2 s later.
   */
  keep(peer: PeerId, addresses: readonly string[]): void;
  /**
   * Notes where `peer` is, to whom others are connected: it is dialled when it is used, an idle link to it is
   * closed, and bootstrap addresses that lead to it are not dialled. Ends {@link keep}.
   */
  know(peer: PeerId, addresses: readonly string[]): void;
  /** Whether the peer is one of those of {@link know}: a link to it closes when nobody uses it. */
  isSpare(peer: PeerId): boolean;
  /** Undoes {@link keep} and {@link know}; where the peer was is still known. */
  unkeep(peer: PeerId): void;
  /** Closes all connections to `peer` and refuses new ones for as long as it is no member. */
  disconnect(peer: PeerId, reason: string): Promise<void>;
  /** Counts that `peer` did `what` beyond its allowance; who does that too often is kept out for a while. */
  report(peer: PeerId, what: Misconduct, times?: number): void;
  /** How `peer` behaves; undefined while there is nothing to be said. */
  conduct(peer: PeerId): ConductReport | undefined;
  /** The version that a member speaks where it is another than ours, so that neither lets the other in. */
  otherVersion(peer: PeerId): SpokenVersion | undefined;
  /** Peers of which there is something to be said. */
  misbehaving(): readonly PeerId[];
  /** Forgets what `peer` has done, and lets it in again; false when there was nothing. */
  forgive(peer: PeerId): boolean;
  /** Addresses from which strangers keep knocking in vain, the worst first. */
  strangers(): readonly KnockingAddress[];
  /** Round-trip time in milliseconds. @throws STARLING_PEER_UNREACHABLE, STARLING_TIMEOUT */
  ping(peer: PeerId, options: { readonly signal: AbortSignal }): Promise<number>;
  /**
   * Hears frames of `kind` (ASCII, at most 32 characters) on the control streams of peers, at most 64 KiB each;
   * in this run and the next ones, and before these what came a moment ago, when nobody heard that kind yet. Returns a
   * function that stops it. @throws STARLING_USAGE
   */
  onFrame(kind: string, hear: FrameListener): () => void;
  /**
   * Sends a frame on the control stream of the link to `peer`. False when there is no link, when no control
   * stream is opened in time, or when the peer reads too slowly. Never rejects.
   */
  sendFrame(peer: PeerId, kind: string, payload: Uint8Array): Promise<boolean>;
  /** The round-trip time to a connected peer as it was lately, ms; undefined where it is not known. */
  rttMs(peer: PeerId): number | undefined;
  /** Accepts streams of `protocol` from admitted peers. Returns a function that stops it. */
  handle(protocol: string, handler: (stream: PeerStream) => void): () => void;
  /** Accepts streams of `protocol` from anybody, admitted or not. Returns a function that stops it. */
  handleStrangers(protocol: string, handler: (visit: StrangerStream) => void): () => void;
  /** Opens a stream to an admitted or known peer. @throws STARLING_PEER_UNREACHABLE */
  open(
    peer: PeerId,
    protocol: string,
    options: { readonly signal: AbortSignal },
  ): Promise<PeerStream>;
  /**
   * The topic `/starling/<mesh>/<name>`. `allowance` is how many messages each author has there: what is
   * over is neither heard nor passed on, here or by any other node, so that who publishes keeps to it.
   * @throws STARLING_LIMIT_EXCEEDED when the name is too long
   */
  topic(name: string, allowance?: BucketSize, options?: TopicOptions): Topic;
  /**
   * Tells the DHT that this node provides what `name` stands for; kept there for half an hour. Costs about 40 streams.
   * @throws STARLING_STOPPED, or the reason of `signal`
   */
  provide(name: string, options: { readonly signal: AbortSignal }): Promise<void>;
  /**
   * `found` hears who has told the DHT that it provides what `name` stands for, each once; nothing of that is proven.
   * Resolves when nobody more is known. @throws STARLING_STOPPED, or the reason of `signal`
   */
  findProviders(
    name: string,
    found: (peer: PeerId) => void,
    options: { readonly signal: AbortSignal },
  ): Promise<void>;
  /** Peers in the DHT's routing table now. */
  routingTableSize(): number;
}
