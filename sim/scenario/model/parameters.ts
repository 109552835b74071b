/**
 * All that the model takes for granted, in one place: how the protocol works, which follows the product, and what
 * one thing costs, which was measured (`measured.ts`).
 */
import { MEASURED } from './measured.ts';

/** How the protocol works. Times are ms. Each stands where the product has it. */
export interface Protocol {
  /** Peers that are all kept connected; beyond, neighbours in rings. `Infinity`: everybody. */
  readonly fullMeshPeers: number;
  /** Of neighbours in rings: bounds of the links, and what is added to log2 N. */
  readonly linksMin: number;
  readonly linksMax: number;
  readonly linksMore: number;
  /** Whether only neighbours watch a node and tell the others (true), or everybody watches everybody. */
  readonly isTold: boolean;
  /** `TICK_MS` of `src/network/constants.ts`. */
  readonly tickMs: number;
  /** `SILENT_TICKS` there: a link on which nothing is heard for so many is over. */
  readonly silentTicks: number;
  /** Heartbeats: `heartbeat.intervalMs`, and the most that the whole mesh sends in a second (`Infinity`: as many as there are). */
  readonly heartbeatMs: number;
  readonly heartbeatsPerSecond: number;
  /** φ of 8 is so many intervals of silence (`src/membership/phi-accrual.ts`). */
  readonly phiIntervals: number;
  /** `PROBES`, `PROBE_TIMEOUT_MS`, `PROBE_PAUSE_MS` of `src/membership/reach-suspect.ts`. */
  readonly probes: number;
  readonly probeTimeoutMs: number;
  readonly probePauseMs: number;
  /** Links of gossip's mesh a node, as measured: between `Dlo` and `Dhi` of `GOSSIP_MESH` in `src/network/constants.ts`. */
  readonly gossipDegree: number;
  /** One exchange of rosters with a neighbour each so often, of so many peers at the most; 0: none. */
  readonly rosterMs: number;
  readonly rosterPeersMax: number;
  /** k and α of Kademlia (Maymounkov and Mazières, 2002), as `@libp2p/kad-dht` has them. */
  readonly dhtK: number;
  readonly dhtAlpha: number;
}

/** The protocol as the product has it now. */
export const PROTOCOL: Protocol = {
  fullMeshPeers: Infinity,
  linksMin: 6,
  linksMax: 16,
  linksMore: 4,
  isTold: false,
  tickMs: 1000,
  silentTicks: 10,
  heartbeatMs: 5000,
  heartbeatsPerSecond: Infinity,
  phiIntervals: 2.59,
  probes: 2,
  probeTimeoutMs: 2000,
  probePauseMs: 1000,
  gossipDegree: MEASURED.gossipDegree,
  rosterMs: 0,
  rosterPeersMax: 2000,
  dhtK: 20,
  dhtAlpha: 3,
};

/**
 * The protocol beyond some tens of nodes: links in rings, watchers that tell, heartbeats that grow seldom, rosters
 * that are compared. What the product has not yet of these is a plan, and the report says so.
 */
export const SCALED: Protocol = {
  ...PROTOCOL,
  fullMeshPeers: 8,
  isTold: true,
  heartbeatsPerSecond: 5,
  rosterMs: 30_000,
};

/** What one thing costs; see {@link MEASURED} for the source of each. */
export interface Costs {
  /** A tick and its answer, both ends together. */
  readonly tickBytes: number;
  readonly tickCpuMs: number;
  /** One copy of a heartbeat that comes to a node: bytes with all around it, and CPU of both ends. */
  readonly copyBytes: number;
  readonly copyCpuMs: number;
  /** What a node costs that has no links. */
  readonly aloneCpuMs: number;
  readonly aloneBytes: number;
  /** One peer in an exchange of rosters. */
  readonly rosterBytes: number;
  readonly rosterCpuMs: number;
  /** One question of the DHT and its answer. */
  readonly questionBytes: number;
  readonly questionCpuMs: number;
}

/** The costs as they were measured last. */
export const COSTS: Costs = MEASURED.costs;

/** Links that a node keeps among so many. Pure. */
export function linksOf(nodes: number, protocol: Protocol): number {
  const others = Math.max(0, nodes - 1);
  if (others <= protocol.fullMeshPeers) return others;
  const target = Math.ceil(Math.log2(Math.max(2, nodes))) + protocol.linksMore;
  const links = Math.min(protocol.linksMax, Math.max(protocol.linksMin, target));
  return Math.min(others, protocol.linksMin + 2 * Math.ceil((links - protocol.linksMin) / 2));
}

/** Time between two heartbeats of one node among so many, ms. Pure. */
export function heartbeatEveryMs(nodes: number, protocol: Protocol): number {
  return Math.max(protocol.heartbeatMs, (nodes / protocol.heartbeatsPerSecond) * 1000);
}
