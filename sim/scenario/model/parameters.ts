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
  /** `TICK_MS` of `src/network/constants.ts`: neighbours hear of one another so often. */
  readonly tickMs: number;
  /** Heartbeats: `heartbeat.intervalMs`, and the most that the whole mesh sends in a second (`Infinity`: as many as there are). */
  readonly heartbeatMs: number;
  readonly heartbeatsPerSecond: number;
  /** φ of 8 is so many ticks of silence (`src/membership/detection/phi-accrual.ts`), looked at each `LOOK_MS` of `src/membership/peer-evidence.ts`. */
  readonly phiIntervals: number;
  readonly lookMs: number;
  /** `PROBES`, `PROBE_TIMEOUT_MS`, `PROBE_PAUSE_MS` of `src/membership/detection/reach-suspect.ts`. */
  readonly probes: number;
  readonly probeTimeoutMs: number;
  readonly probePauseMs: number;
  /** `ANNOUNCE_DELAY_MS` of `src/membership/membership.ts`: who suspects somebody says so after so long. */
  readonly announceMs: number;
  /** `TIMEOUT_MS` and `LEAST_SHARE` of `src/membership/detection/accusations.ts`: who is accused by enough neighbours is dead so long after. */
  readonly suspicionMs: number;
  readonly suspicionLeastShare: number;
  /** Links of gossip's mesh a node, as measured: between `Dlo` and `Dhi` of `GOSSIP_MESH` in `src/network/constants.ts`. */
  readonly gossipDegree: number;
  /** `COMPARE_MS` of `src/membership/roster/roster.ts`: a digest goes to one neighbour each so often. */
  readonly rosterMs: number;
  readonly rosterBytes: number;
  /** k and α of Kademlia (Maymounkov and Mazières, 2002), as `@libp2p/kad-dht` has them. */
  readonly dhtK: number;
  readonly dhtAlpha: number;
}

/** The protocol as the product has it now. */
export const PROTOCOL: Protocol = {
  fullMeshPeers: 8,
  linksMin: 6,
  linksMax: 16,
  linksMore: 2,
  tickMs: 1000,
  heartbeatMs: 5000,
  heartbeatsPerSecond: 5,
  phiIntervals: 2.6,
  lookMs: 500,
  probes: 2,
  probeTimeoutMs: 2000,
  probePauseMs: 1000,
  announceMs: 50,
  suspicionMs: 4000,
  suspicionLeastShare: 0.4,
  gossipDegree: MEASURED.gossipDegree,
  rosterMs: 30_000,
  rosterBytes: 60,
  dhtK: 20,
  dhtAlpha: 3,
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
  return Math.min(others, protocol.linksMin + 2 * Math.floor((links - protocol.linksMin) / 2));
}

/** Neighbours that must accuse a node before others suspect it: `accusersNeeded` of `src/membership/detection/accusations.ts`. Pure. */
export function accusersNeeded(neighbours: number): number {
  return Math.max(Math.min(2, neighbours), Math.floor(neighbours / 3) + 1);
}

/** How long after that it is dead, ms: `suspicionTimeoutMs` there, with three accusers or more and nobody slow. Pure. */
export function suspicionMs(nodes: number, protocol: Protocol): number {
  return protocol.suspicionMs * Math.max(1, Math.log10(nodes)) * protocol.suspicionLeastShare;
}

/** Time between two heartbeats of one node among so many, ms. Pure. */
export function heartbeatEveryMs(nodes: number, protocol: Protocol): number {
  return Math.max(protocol.heartbeatMs, (nodes / protocol.heartbeatsPerSecond) * 1000);
}
