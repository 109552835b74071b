/**
 * A mesh of whole nodes in this process, over memory: what joining, living and a message cost, counted. Its links are
 * encrypted as between processes, or the memory vouches for who is at their ends and nothing is: what joining costs in
 * one process is meant without handshakes, which the bench of processes has in full.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createNode, loadConfig, silentLogger } from '../../../src/index.ts';
import type { StarlingNode } from '../../../src/index.ts';
import type { NetworkTally } from '../../../src/testing.ts';
import { UNLIMITED } from '../../limits.ts';
import { MemoryNetwork } from '../../memory-transport.ts';

const POLL_MS = 10;
/** Catalogs, records and boards go on for a while after all know all, and after the last link: that is part of joining. */
const SETTLE_MS = 2000;
/** Joining is over when no link has opened for so long: some wait for three seconds in which nobody comes. */
const CALM_MS = 6000;
const CALM_LOOK_MS = 100;
/** How long links may go on to open. */
const CALM_MAX_MS = 90_000;

/** What a mesh of so many nodes cost. */
export interface OneProcessRow {
  readonly nodes: number;
  /** From the last start until each node had all others alive, ms; NaN when that did not come. */
  readonly knownMs: number;
  /** CPU from the first start until the last link was there and what followed was done, ms a node. */
  readonly joinCpuMs: number;
  /** What nodes that had joined would have used meanwhile in any case, by `idleCpu`: ms a node; NaN where that is. */
  readonly idleInJoinMs: number;
  /** Of the pairs that ever were connected, while joining. */
  readonly pairs: number;
  readonly streamsPerPair: number;
  readonly connectionsPerPair: number;
  readonly kilobytesPerNode: number;
  readonly storeWritesPerNode: number;
  /** Gossip messages that a node published while joining, and copies of messages that came to it. */
  readonly publishedPerNode: number;
  readonly copiesPerNode: number;
  /** Share of a core a node. */
  readonly idleCpu: number;
  readonly idleKilobytesPerSecond: number;
  /** Copies of a gossip message that a node gets. */
  readonly receptions: number;
  /** Copies of gossip messages that come to a node in a second while idle. */
  readonly copiesPerSecond: number;
  /** Streams while joining by protocol, the most frequent first. */
  readonly protocols: readonly (readonly [string, number])[];
}

/** How long it takes. */
export interface OneProcessInit {
  readonly nodes: number;
  readonly patienceMs: number;
  /** 0: what is idle is not measured, and NaN. */
  readonly idleMs: number;
  /** Between joining and idling: links that joining has left close after half a minute. */
  readonly restMs: number;
  /** Default: the usual one. */
  readonly heartbeatMs?: number;
  /** Joining is over when no link has opened for so long. Default: {@link CALM_MS}. */
  readonly calmMs?: number;
  /** Whether nothing is encrypted, as the memory vouches for who is at both ends. Default: false. */
  readonly vouches?: boolean;
}

/** Starts the nodes one after the other and measures them. */
export async function measureOneProcess(init: OneProcessInit): Promise<OneProcessRow> {
  const root = await mkdtemp(join(tmpdir(), 'starling-scale-'));
  const mesh = new CountedMesh(root, init);
  try {
    return await measure(mesh, init);
  } finally {
    await mesh.stop();
    await rm(root, { recursive: true, force: true });
  }
}

async function measure(mesh: CountedMesh, init: OneProcessInit): Promise<OneProcessRow> {
  const cpu = process.cpuUsage();
  for (let at = 0; at < init.nodes; at += 1) await mesh.startOne(at);
  const from = performance.now();
  const isKnown = await mesh.known(init.patienceMs);
  const knownMs = isKnown ? performance.now() - from : Number.NaN;
  const joined = await mesh.joined(cpu, init.calmMs ?? CALM_MS);
  await sleep(init.restMs);
  const before = { ...mesh.counts(), cpu: process.cpuUsage(), at: performance.now() };
  await sleep(init.idleMs);
  const after = mesh.counts();
  const idleMs = init.idleMs === 0 ? Number.NaN : performance.now() - before.at;
  const { pairs } = joined;
  const idleCpu = cpuMs(before.cpu) / idleMs / init.nodes;
  return {
    nodes: init.nodes,
    knownMs,
    joinCpuMs: joined.cpuMs / init.nodes,
    idleInJoinMs: (idleCpu * joined.livedMs) / init.nodes,
    pairs,
    streamsPerPair: joined.streams / pairs,
    connectionsPerPair: joined.connections / pairs,
    kilobytesPerNode: joined.bytes / 1000 / init.nodes,
    storeWritesPerNode: joined.storeWrites / init.nodes,
    publishedPerNode: joined.published / init.nodes,
    copiesPerNode: joined.received / init.nodes,
    idleCpu,
    idleKilobytesPerSecond: (after.bytes - before.bytes) / idleMs / init.nodes,
    receptions:
      (after.received - before.received) /
      Math.max(1, after.published - before.published) /
      Math.max(1, init.nodes - 1),
    copiesPerSecond: ((after.received - before.received) / idleMs / init.nodes) * 1000,
    protocols: joined.protocols,
  };
}

/** What joining was, as it stood when it was over. */
interface Joined extends Counts {
  readonly cpuMs: number;
  /** For how long all nodes together had run by then. */
  readonly livedMs: number;
  readonly protocols: OneProcessRow['protocols'];
}

interface Counts {
  readonly connections: number;
  readonly streams: number;
  readonly storeWrites: number;
  readonly published: number;
  readonly received: number;
  readonly bytes: number;
  readonly pairs: number;
}

/** Nodes over one memory network, and what their networks tell. */
class CountedMesh {
  readonly #root: string;
  readonly #memory: MemoryNetwork;
  readonly #nodes: StarlingNode[] = [];
  readonly #startedAt: number[] = [];
  readonly #streams: { readonly protocol: string }[] = [];
  readonly #pairs = new Set<string>();
  readonly #counts = { connections: 0, storeWrites: 0, published: 0, received: 0 };

  readonly #heartbeatMs: number | undefined;

  constructor(
    root: string,
    { heartbeatMs, vouches = false }: Pick<OneProcessInit, 'heartbeatMs' | 'vouches'>,
  ) {
    this.#root = root;
    this.#memory = new MemoryNetwork(undefined, { vouches });
    this.#heartbeatMs = heartbeatMs;
  }

  async startOne(at: number): Promise<void> {
    const ip = `10.79.${Math.floor(at / 250)}.${(at % 250) + 1}`;
    const config = await loadConfig({
      env: { STARLING_CONFIG: '' },
      flags: {
        name: `node-${at}`,
        stateDir: join(this.#root, `node-${at}`),
        listen: [`/ip4/${ip}/tcp/4040`],
        bootstrap: this.#nodes.slice(0, 1).flatMap((node) => node.status().addresses.slice(0, 1)),
        open: 'scale',
        mdns: false,
        http: { enabled: false },
        limits: UNLIMITED,
        ...(this.#heartbeatMs === undefined
          ? {}
          : { heartbeat: { intervalMs: this.#heartbeatMs } }),
      },
    });
    const components = { transports: [this.#memory.host(ip)], logger: silentLogger };
    const node = await createNode(config, { ...components, tally: this.#tally(() => node.peerId) });
    this.#nodes.push(node);
    await node.start();
    this.#startedAt.push(performance.now());
  }

  /** Until each node has all others alive; false when that does not come. */
  async known(patienceMs: number): Promise<boolean> {
    const deadline = performance.now() + patienceMs;
    const others = this.#nodes.length - 1;
    const knowsAll = (node: StarlingNode): boolean =>
      node.peers().filter(({ state }) => state === 'alive').length >= others;
    while (!this.#nodes.every(knowsAll)) {
      if (performance.now() > deadline) return false;
      await sleep(POLL_MS);
    }
    return true;
  }

  /** Waits until no more links open; what joining was, {@link SETTLE_MS} after the last one. */
  async joined(since: NodeJS.CpuUsage, calmMs: number): Promise<Joined> {
    const settleMs = Math.min(SETTLE_MS, calmMs);
    const deadline = performance.now() + CALM_MAX_MS;
    let lastAt = performance.now();
    let links = this.#counts.connections;
    let joined: Joined | undefined;
    for (;;) {
      await sleep(CALM_LOOK_MS);
      const now = performance.now();
      if (this.#counts.connections !== links) {
        links = this.#counts.connections;
        lastAt = now;
        joined = undefined;
      }
      if (now - lastAt >= settleMs || now >= deadline) joined ??= this.#joinedNow(since, now);
      if (joined !== undefined && (now - lastAt >= calmMs || now >= deadline)) return joined;
    }
  }

  #joinedNow(since: NodeJS.CpuUsage, now: number): Joined {
    const livedMs = this.#startedAt.reduce((sum, at) => sum + now - at, 0);
    return { ...this.counts(), cpuMs: cpuMs(since), livedMs, protocols: this.#protocols() };
  }

  counts(): Counts {
    const own = { ...this.#counts, streams: this.#streams.length };
    return { ...own, bytes: this.#memory.bytes, pairs: this.#pairs.size };
  }

  #protocols(): OneProcessRow['protocols'] {
    const counts = new Map<string, number>();
    for (const { protocol } of this.#streams) {
      const name = protocol.replace(/did:key:\w+/, '…');
      counts.set(name, (counts.get(name) ?? 0) + 1);
    }
    return [...counts].toSorted(([, a], [, b]) => b - a);
  }

  async stop(): Promise<void> {
    await Promise.all(this.#nodes.map((node) => node.stop()));
  }

  #tally(self: () => string): NetworkTally {
    const counts = this.#counts;
    return {
      connection: (peer) => {
        counts.connections += 1;
        this.#pairs.add([peer, self()].toSorted().join(' '));
      },
      stream: (stream) => void this.#streams.push(stream),
      peerStoreWrite: () => void (counts.storeWrites += 1),
      published: () => void (counts.published += 1),
      received: (copies) => void (counts.received += copies),
    };
  }
}

function cpuMs(since: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(since);
  return (user + system) / 1000;
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
