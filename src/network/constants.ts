/** Every limit and interval of the network room, with its unit in its name. */

const SECOND_MS = 1000;
const KIB = 1024;
const MIB = 1024 * KIB;

/** The protocol that must succeed on a connection before any other is served on it. */
export const HELLO_PROTOCOL = '/starling/hello/1';

/**
 * The version of the protocols that a hello tells: nodes of another one are refused by name. The hello itself is read
 * by all of them.
 */
export const HELLO_VERSION = 2;

/** Peers of other versions that are remembered, so that a person is told of them. */
export const OTHER_VERSIONS_MAX = 256;

/** The control stream of a connection: see `links/control-stream.ts`. */
export const LINK_PROTOCOL = '/starling/link/1';

/** libp2p's ping. */
export const PING_PROTOCOL = '/ipfs/ping/1.0.0';
/** Bytes that a ping carries; the protocol fixes them. */
export const PING_BYTES = 32;

/** Longest hello or welcome. */
export const HELLO_MAX_BYTES = 64 * KIB;
/** How long a connection may stay without a successful hello. */
export const HELLO_TIMEOUT_MS = 10 * SECOND_MS;
/** Lines of the log about refused strangers: so many at once, and ten a minute. */
export const REFUSAL_LINES = { burst: 20, everyMs: 6 * SECOND_MS } as const;
/** How long a refused peer has to read why before its connection is closed. */
export const REFUSAL_LINGER_MS = SECOND_MS;
/** Inbound connections that may wait for their hello at the same time. */
export const PENDING_INBOUND_MAX = 64;

/** Longest gossip message. */
export const GOSSIP_MAX_BYTES = 64 * KIB;
/** Longest gossipsub RPC: several messages and control may share one. */
export const GOSSIP_RPC_MAX_BYTES = MIB;
/** What may wait for a slow gossip peer before its stream is reset. */
export const GOSSIP_QUEUE_MAX_BYTES = 4 * MIB;
/** Budget of one peer's subscriptions; libp2p counts about 1 KiB for each. */
export const GOSSIP_TOPICS_MAX_BYTES = 256 * KIB;
/** Longest topic, prefix included. */
export const TOPIC_MAX_LENGTH = 256;

/**
 * Neighbours in the mesh of a topic (libp2p specs, pubsub/gossipsub: D, D_low, D_high, D_score, D_out, D_lazy).
 * Each message comes to a node about `D` times: more = it comes sooner, and whatever the loss; less = each copy
 * that is spared saves about 0.3 ms of CPU and the bytes. What is lost is found by digests. `Dlazy`: so many others
 * are told each second which messages there are; more = what was lost comes by gossip itself, at 0.3 kB/s each.
 */
export const GOSSIP_MESH = { D: 3, Dlo: 2, Dhi: 4, Dscore: 2, Dout: 1, Dlazy: 1 } as const;
/**
 * Messages of so many bytes are declined from further neighbours. Less = fewer bytes twice where links are slow; each
 * time costs a frame to every neighbour of the topic's mesh.
 */
export const GOSSIP_UNWANTED_MIN_BYTES = 16 * KIB;
/**
 * Seconds in which a message is offered to others than the topic's mesh, one of them each second (libp2p: mcacheGossip,
 * 3). More = what was lost comes by gossip itself, not only by digests; each costs 18 bytes a message.
 */
export const GOSSIP_OFFERED_TIMES = 2;

/** How many messages an author has on a topic whose owner says nothing else. */
export const TOPIC_ALLOWANCE = { burst: 100, everyMs: 100 } as const;
/** How much gossip may come: see `gossip/gossip-allowances.ts`. A message that is heard costs about 1 ms. */
export const GOSSIP_ALLOWANCES = {
  // Twice what a mesh of a thousand nodes sends in heartbeats, and a burst of what waited meanwhile.
  neighbourMessages: { burst: 2000, everyMs: 2.5 },
  // Thrice what gossipsub offers, wants and declines of so many messages.
  neighbourControl: { burst: 2000, everyMs: 5 },
  neighbourBytes: { burst: 8 * MIB, everyMs: SECOND_MS / (2 * MIB) },
  authorBytes: { burst: 3 * MIB, everyMs: SECOND_MS / (384 * KIB) },
  authorsMax: 50_000,
  neighboursAtOnce: 2,
} as const;

/** One batch handed to libp2p at once: what a small message may have to wait behind. */
export const SEND_BATCH_BYTES = 64 * KIB;
/**
 * What one connection reads in one turn of the event loop, about 2 ms of work. Lower keeps calls fast beside who sends
 * much, higher moves bulk a little faster.
 */
export const READ_TURN_BYTES = 128 * KIB;
/** What one stream sends in one turn of the event loop. */
export const SEND_TURN_BYTES = 64 * KIB;
/**
 * Over this many queued bytes `write` answers false. Higher keeps a fast link busier, lower bounds
 * what waits in memory for each stream.
 */
export const STREAM_HIGH_WATER_BYTES = MIB;
/** Below this many queued bytes `drained` resolves. */
export const STREAM_LOW_WATER_BYTES = 256 * KIB;
/** Over this many queued bytes a stream is aborted: the longest message and some slack. */
export const STREAM_HARD_BOUND_BYTES = 17 * MIB;
/**
 * What may be kept of messages that have begun and are not whole: see `streams/half-messages.ts`. A peer has three of the
 * longest that a configuration allows by default at once, and more of them in turn; lower bounds memory, higher lets
 * a peer send more at once.
 */
export const HELD_BYTES = {
  perPeerAtOnce: 32 * MIB,
  nodeAtOnce: 128 * MIB,
  perPeerMax: 96 * MIB,
  longBytes: 128 * KIB,
  waitingMax: 128,
  stalledMs: 30 * SECOND_MS,
  // Twenty messages at once over the slowest link that people use (10 kB/s) come as fast as this.
  slow: { graceMs: 120 * SECOND_MS, bytesPerSecond: 512 },
  // A quarter more than what comes at once: what a connection that breaks takes with it, too.
  wasted: { burst: 40 * MIB, everyMs: SECOND_MS / (4 * MIB) },
} as const;
/**
 * What may wait in our streams for peers that do not read it: see `streams/unread-bytes.ts`. A dozen streams of a
 * peer are full at their high-water mark; more of them are full sooner.
 */
export const UNREAD_BYTES = {
  perPeerAtOnce: 12 * MIB,
  nodeAtOnce: 96 * MIB,
  perPeerMax: 96 * MIB,
  fullBytes: 64 * KIB,
  highWaterBytes: STREAM_HIGH_WATER_BYTES,
  stalledMs: 60 * SECOND_MS,
} as const;
/** How long the remote end may take to close its half after we closed ours. */
export const STREAM_CLOSE_TIMEOUT_MS = 30 * SECOND_MS;
/** Streams of one protocol on one connection, each way. */
export const STREAMS_PER_PROTOCOL = 900;
/**
 * Receive window of one stream. A higher one moves bulk faster over long distances (one stream
 * carries window / RTT), a lower one keeps small calls fast beside bulk.
 */
export const STREAM_WINDOW_BYTES = MIB;

/** How long a dial may take, hello included. */
export const DIAL_TIMEOUT_MS = 20 * SECOND_MS;
/** How long one address may take. */
export const ADDRESS_DIAL_TIMEOUT_MS = 5 * SECOND_MS;
/** How long an interface of this machine may have come or gone before the addresses that are told say so. */
export const ADDRESSES_MS = 5 * SECOND_MS;
/** How long one try through a relay may take. */
export const RELAY_DIAL_TIMEOUT_MS = 4 * SECOND_MS;
/** Connected members that are tried as a relay for one dial: each costs {@link RELAY_DIAL_TIMEOUT_MS} at the most. */
export const RELAY_TRIES = 4;
/**
 * How often the DHT looks for its own place, by those who are linked: what it learns of others. Everybody knows
 * everybody by roster in meshes of up to 2,000, so that little depends on it. Less = its table is fuller; each time
 * costs a stream to each of up to twenty neighbours.
 */
export const DHT_SELF_MS = 300 * SECOND_MS;
/**
 * How long the DHT keeps who provides what. More = who stays away a while is still found; less = who is gone is
 * found for less long.
 */
export const PROVIDER_RECORD_MS = 1800 * SECOND_MS;
/** Records of one peer that this node keeps for the DHT, and of all: about 300 bytes each. */
export const PROVIDER_RECORDS_PER_PEER = 64;
export const PROVIDER_RECORDS_MAX = 16_384;
/**
 * A peer whose addresses are known and do not work is looked for in the DHT so long after the first dial in vain, and
 * so often from then on. Less = who has moved is found sooner; each time costs a stream to each link, and nobody is
 * dialled for it.
 */
export const LOOKUP_AFTER_MS = 30 * SECOND_MS;
export const LOOKUP_PAUSE_MS = 600 * SECOND_MS;
/** How long the DHT may take to find a peer's addresses. */
export const LOOKUP_TIMEOUT_MS = 5 * SECOND_MS;
/** Relays that a node keeps a reservation on. */
export const RELAY_RESERVATIONS = 2;
/** Members that one relay serves. */
export const RELAY_CLIENTS_MAX = 1024;
/** Relayed connections that one connection may carry. */
export const RELAY_STREAMS_MAX = 300;
/** Addresses through relays that we announce. */
export const RELAY_ADDRESSES_MAX = 4;

/**
 * Of two that keep each other connected, the one with the higher PeerId dials so much later than the other,
 * who has it connected by then. More = fewer double connections; less = who can be dialled one way only is
 * there sooner.
 */
export const SECOND_DIALS_AFTER_MS = 2 * SECOND_MS;

/** How long somebody may take to say from which port it dials, and then the two dials: see `reach/hole-punch.ts`. */
export const HOLE_ANSWER_MS = 4 * SECOND_MS;
export const HOLE_DIAL_MS = 5 * SECOND_MS;
/** How soon a dial that was refused is tried again: a router may refuse for its host until the host has dialled. */
export const HOLE_AGAIN_MS = 200;
/**
 * How long after a hole that came to nothing the next one is tried; doubled with each, up to the second figure. Less =
 * a way is found sooner after a router has changed; each try costs both ends three frames and a socket for five seconds.
 */
export const HOLE_PAUSE_MS = 10 * SECOND_MS;
export const HOLE_PAUSE_MAX_MS = 600 * SECOND_MS;
/** Holes that are tried at the same time, and how often one peer may ask for one. */
export const HOLES_AT_ONCE = 8;
export const HOLE_ASKS = { burst: 3, everyMs: 5 * SECOND_MS } as const;
/** How often pauses after holes that came to nothing end because this node is in another network. */
export const HOLE_MOVES = { burst: 3, everyMs: 60 * SECOND_MS } as const;

/** How long one who is asked to dial back may take, and its dial: see `reach/dial-back.ts`. */
export const REACH_ANSWER_MS = 10 * SECOND_MS;
export const REACH_DIAL_MS = 5 * SECOND_MS;
/** How long after a link was made the peer is asked to dial back. */
export const REACH_FIRST_MS = SECOND_MS;
/** Dials at the same time for those who ask, and how often one peer may ask. */
export const REACH_AT_ONCE = 4;
export const REACH_ASKS = { burst: 4, everyMs: 15 * SECOND_MS } as const;
/**
 * How long after a dial in vain somebody else is asked; doubled with each, up to the second figure. Less = a port that
 * was opened is noticed sooner; each time costs a dial.
 */
export const REACH_PAUSE_MS = 60 * SECOND_MS;
export const REACH_PAUSE_MAX_MS = 1800 * SECOND_MS;
/** How long what was reached counts until somebody is asked again. */
export const REACH_AGAIN_MS = 1800 * SECOND_MS;

/** How long answers of routers are waited for: see `reach/find-router.ts`. A router waits up to 2 s itself. */
export const ROUTER_SEARCH_MS = 3 * SECOND_MS;
/** Answers to one question: a network has one router, seldom two. */
export const ROUTER_ANSWERS_MAX = 4;
/** The longest answer of a router that is read; a description has some kilobytes. */
export const ROUTER_BODY_BYTES = 256 * 1024;
/** How long all that is asked of the routers of one network may take. */
export const ROUTER_TOTAL_MS = 15 * SECOND_MS;
/** How long the closing of ports may delay a stop. */
export const ROUTER_CLOSE_MS = 2 * SECOND_MS;
/**
 * How long a router keeps a port open, and how often it is asked to: three times in that. Less = a port of a node that
 * was killed is closed sooner.
 */
export const ROUTER_LEASE_MS = 3600 * SECOND_MS;
export const ROUTER_LOOK_MS = 1200 * SECOND_MS;

/** Upper bound of the delay before the first redial. */
export const REDIAL_BASE_MS = SECOND_MS;
/** Upper bound of every delay between redials. */
export const REDIAL_CAP_MS = 60 * SECOND_MS;
/** Addresses of one peer that are remembered. */
export const ADDRESSES_PER_PEER_MAX = 16;
/** Redials under way at the same time. */
export const REDIAL_PARALLEL_MAX = 8;
/** Peers and addresses that are kept or were suggested. */
export const REDIAL_TARGETS_MAX = 4096;

/**
 * Each connection is asked so often whether the other end is there. Less = the silent are noticed sooner, and
 * every link costs more: a tick and its answer are two frames of about 20 bytes, 0.3 ms of CPU at both ends.
 */
export const TICK_MS = SECOND_MS;
/**
 * A connection on which nothing was heard for so many ticks is ended. Less = a machine that is gone is
 * noticed sooner; more = one that is slow or loses packets for seconds keeps its links.
 */
export const SILENT_TICKS = 10;
/**
 * A link to a peer that is no neighbour closes after so long without a stream. A dial costs both ends about 50 ms of
 * CPU, and a link 1 ms each second: closed at break-even, it never costs more than twice what would have been best.
 * Less = fewer links in a large mesh; more = who is called now and then is there at once.
 */
export const IDLE_LINK_MS = 30 * SECOND_MS;
/** How often idle links are looked for. */
export const IDLE_LOOK_MS = 5 * SECOND_MS;
/** How long the other end may take to say whether it needs the link. Who opens a stream meanwhile waits. */
export const PART_TIMEOUT_MS = 3 * SECOND_MS;
/** A peer that wants to keep an idle link is asked again after so long. */
export const PART_PAUSE_MS = 60 * SECOND_MS;
/** Nodes that multicast DNS finds are dialled while there are fewer links than this; then they are only noted. */
export const LAN_LINKS_MAX = 8;
/**
 * How long opening a control stream may take, or waiting for it; a connection that has none by then is ended. More =
 * a machine that is slow for seconds keeps its links; less = whoever opens none is gone sooner.
 */
export const CONTROL_OPEN_TIMEOUT_MS = 10 * SECOND_MS;
/**
 * How long a stop waits for peers to read the control streams to their end. More = a goodbye to a slow peer
 * arrives surely; less = a peer that stands still holds the stop up for less.
 */
export const CONTROL_FINISH_MS = 500;
/** How long a peer may take to say on its control stream what it is; then the connection is ended. */
export const INTRODUCTION_TIMEOUT_MS = 15 * SECOND_MS;
/** Of members in libp2p's peer store: their connections are the last to go when there are too many. */
export const MEMBER_TAG = { 'starling-member': { value: 100 } };
/** Longest frame of a control stream. */
export const CONTROL_FRAME_MAX_BYTES = 64 * KIB;
/** Frames and bytes of one peer's control streams; over that they are not read for a while. */
export const CONTROL_ALLOWANCE = { burst: 400, everyMs: 10 } as const;
export const CONTROL_BYTES = { burst: 2 * MIB, everyMs: SECOND_MS / (256 * KIB) } as const;
/**
 * New connections per second from one IP address, as libp2p counts them. It knows no members, so that a
 * low figure would let anybody keep out who shares an address with a member: the turns of addresses
 * ({@link ADDRESS_TURNS}) are what limits strangers.
 */
export const INBOUND_PER_SECOND_MAX = 1_000_000;
/** Connections in their handshake, those that wait for their turn included. */
export const HANDSHAKES_MAX = 512;
/** How long a connection may wait for its turn and be in its handshake. */
export const HANDSHAKE_TIMEOUT_MS = 15 * SECOND_MS;

/** Whose turn it is to come in, by address: see `limits/address-turns.ts`. */
export const ADDRESS_TURNS = {
  atOnce: 8,
  waitMs: 250,
  waitMaxMs: 60 * SECOND_MS,
  trustedWaitMs: SECOND_MS,
  patienceMs: 8 * SECOND_MS,
  arrivals: { burst: 64, everyMs: 100 },
  queuePerAddress: 32,
  queueMax: 256,
  addressesMax: 4096,
} as const;

/**
 * When too many sockets are refused for the system to queue more of them: see `limits/accept-brake.ts`. Fewer
 * refusals are no burden; under the brake somebody else may have to knock again, a second later.
 */
export const ACCEPT_BRAKE = { sliceMs: 100, refusalsMax: 50, calmSlices: 20 } as const;

/** What the remote end of one connection may have us do: see `limits/connection-meter.ts`. */
export const CONNECTION_METERS = {
  // A hello, and libp2p's ping every five seconds until the hello is late.
  inbound: { streams: 8, frames: 256, bytes: 96 * KIB },
  // Who has admitted us opens its streams at once, about twenty, before its answer was judged here.
  outbound: { streams: 64, frames: 4096, bytes: 4 * MIB },
  // A gateway with hundreds of sessions opens a stream for each when it meets a server.
  streams: { burst: 300, everyMs: 20 },
  waitingStreams: 700,
  controlFrames: { burst: 5000, everyMs: 1 },
} as const;

/** What a peer may send to libp2p's own services: see `limits/service-pace.ts`. */
export const SERVICE_BYTES = { burst: 192 * KIB, everyMs: SECOND_MS / (64 * KIB) } as const;

/** How often one peer may connect: again at once after a restart, not again and again. */
export const CONNECTIONS_PER_PEER = { burst: 12, everyMs: 2 * SECOND_MS } as const;

/** When a peer's conduct is told of, and when it is kept out: see `limits/conduct.ts`. */
export const CONDUCT = {
  watchedAt: 100,
  blockedAt: 2000,
  halfLifeMs: 15 * SECOND_MS,
  blockMs: 60 * SECOND_MS,
  blockMaxMs: 3600 * SECOND_MS,
  peersMax: 4096,
} as const;

/** How often duplicates and silent gossip peers are looked for. */
export const TIDY_INTERVAL_MS = 10 * SECOND_MS;
/** How long a second connection to a peer is left alone: the peer may just be choosing it. */
export const DUPLICATE_GRACE_MS = 5 * SECOND_MS;
/** How long telling libp2p's services of a peer may take. */
export const IDENTIFY_TIMEOUT_MS = 12 * SECOND_MS;
/** How long stop may wait for libp2p. */
export const STOP_TIMEOUT_MS = 5 * SECOND_MS;
