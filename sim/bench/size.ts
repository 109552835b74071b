/** How much the benchmark does: more and longer rounds give steadier figures and take that much longer. */

import type { RunsSize } from './board/runs/runs.ts';

/** Calls through peers against direct ones. */
export interface MeshSize {
  readonly rounds: number;
  readonly roundMs: number;
  readonly warmUpMs: number;
  /** Calls at a time, one table each. */
  readonly concurrency: readonly number[];
}

/** The gateway against its rivals. */
export interface GatewaySize {
  /** Each with new processes; bars are held against the median. */
  readonly runs: number;
  readonly rounds: number;
  readonly roundMs: number;
  /** Before each round, not counted. */
  readonly warmUpMs: number;
  /** Once for each target: a process that has just started is not what is compared. */
  readonly firstWarmUpMs: number;
  /** Small calls beside big results. */
  readonly mixedRounds: number;
  readonly mixedMs: number;
  /** The big results stream that much longer, at both ends of the small calls. */
  readonly mixedMarginMs: number;
  /** Whether other gateways are measured beside ours. */
  readonly rivals: boolean;
  /** Whether calls that are audited go by nodes of their own; else all are audited. */
  readonly quietNodes: boolean;
}

/** How many holds, calls and rows are timed, and how often nodes are cut off. */
export interface BudgetSize {
  readonly rounds: number;
  /** Holds of a round, and holds alone, one after the other. */
  readonly holds: number;
  readonly alone: number;
  /** Calls of a round. */
  readonly calls: number;
  /** Rows that a new node gets: of so many budgets, and owners of each. */
  readonly budgets: number;
  readonly owners: number;
  /** Runs of nodes that are killed and cut off. */
  readonly seeds: number;
}

/** The guard alone. */
export interface GuardSize {
  readonly rounds: number;
  /** Of a thousand calls each, in each round. */
  readonly samples: number;
}

/** Figures and traces. */
export interface MetricsSize {
  readonly rounds: number;
  readonly roundMs: number;
  readonly warmUpMs: number;
  /** Calls that are counted in a round. */
  readonly counted: number;
  /** Nodes without a collector; with one, and the bounds as they are; with one that gets every call. */
  readonly ways: readonly ('off' | 'traced' | 'all')[];
}

/** The dashboard. */
export interface PageSize {
  /** Loads whose first paint is timed, on a quiet node and on a busy one; 0: no browser is started. */
  readonly loads: number;
  readonly peers: number;
  readonly callsPerSecond: number;
  /** The pages that are left open, by their names in the menu. */
  readonly pages: readonly string[];
  /** Of each page, closed and open in turns. */
  readonly rounds: number;
  readonly roundMs: number;
}

/** Calls beside harm. */
export interface HostileSize {
  /** Pairs of a round with the attack and one without. */
  readonly rounds: number;
  readonly roundMs: number;
  /** The attack begins that long before the calls are counted, and ends as long after. */
  readonly marginMs: number;
  readonly warmUpMs: number;
  /** The names of the attacks; all of them when none is named. */
  readonly attacks: readonly string[];
}

/** Meshes of many nodes. */
export interface ScaleSize {
  /** Numbers of nodes in one process. */
  readonly oneProcess: readonly number[];
  /** Numbers of processes. */
  readonly processes: readonly number[];
  /** How long all may take to know all. */
  readonly patienceMs: number;
  readonly idleMs: number;
  /** Before it, of nodes in one process: what is idle has closed the links that only joining needed. */
  readonly restMs: number;
  /** Joining is over when no link has opened for so long. Default: see `scale/one-process.ts`. */
  readonly calmMs?: number;
  /** Whether Serf is measured beside ours. */
  readonly rivals: boolean;
  /** Hosts of the mesh of which one is killed and one cut off, for each share of packets lost; see `scale/cuts.ts`. */
  readonly cutNodes: number;
  readonly losses: readonly number[];
  /** How long busy loops run beside it. */
  readonly busyMs: number;
}

/** How boards are measured. */
export interface BoardSize {
  /** Numbers of peers besides the writer. */
  readonly peers: readonly number[];
  /** Writes one after the other. */
  readonly writes: number;
  /** Writes at once. */
  readonly burst: number;
  /** How long as many writes as are seen follow each other. */
  readonly sustainedMs: number;
  /** What a newcomer finds. */
  readonly entries: number;
  /** Tool calls at the other node before the newcomer comes. */
  readonly quietCalls: number;
  readonly overwrites: number;
  readonly strong: StrongSize;
  readonly runs: RunsSize;
}

/** How strong boards are measured. */
export interface StrongSize {
  /** Before the first round, of each: a process that has just started is not what is compared. */
  readonly warmUpMs: number;
  readonly replicas: readonly number[];
  /** Each measurement. */
  readonly ms: number;
  readonly callers: number;
  /** Changes whose messages and rows are counted. */
  readonly counted: number;
  /** Whether etcd is measured beside ours. */
  readonly rivals: boolean;
}

/** How agents are measured. */
export interface AgentsSize {
  readonly rounds: number;
  readonly roundMs: number;
  readonly warmUpMs: number;
  /** Requests at a time, one table each. */
  readonly callers: readonly number[];
  /** Whether NATS is measured beside ours. */
  readonly rivals: boolean;
  readonly starts: number;
  readonly idleAgents: number;
  readonly idleMs: number;
  /** What an agent may have that takes all it can get. */
  readonly hogMiB: number;
  readonly burnMs: number;
  /** Messages for an agent whose node is away. */
  readonly queued: number;
  /** Nodes that have agents to choose from, and how long requests come for each way of choosing. */
  readonly choosingNodes: number;
  readonly choosingMs: number;
  /** How long one request takes an agent, on average. */
  readonly serviceMs: number;
}

/** How tasks are measured. */
export interface TasksSize {
  readonly nodes: number;
  readonly tasks: number;
  readonly seeds: number;
  /** The first seed. */
  readonly first: number;
  /** Whether nodes are killed, ways cut and packets lost meanwhile: that needs root, `ip` and `nft`. */
  readonly faults: boolean;
  /** Awards that are timed; 0: none, and no re-awards. */
  readonly awards: number;
  /** Submits and synced writes that are timed; 0: none, and no queue. */
  readonly submits: number;
  readonly queued: number;
  /** Tasks that are given to the queue at a time. */
  readonly callers: number;
  /** Whether JetStream is measured beside ours. */
  readonly rivals: boolean;
}

/** How models are measured. */
export interface ModelsSize {
  /** Questions one after the other by each way: at a vendor's pace, and without delay. */
  readonly pacedAsks: number;
  readonly quickAsks: number;
  readonly cpuRounds: number;
  readonly cpuStreams: number;
  readonly failovers: number;
  readonly failureAsks: number;
  readonly cacheAsks: number;
  /** Streams at a time, and for how long. */
  readonly crowd: number;
  readonly crowdMs: number;
  /** Whether models of a peer are asked, too. */
  readonly withPeer: boolean;
}

/** How learning is measured. */
export interface LearnSize {
  /** Worlds in which ways are chosen: seeds, and messages of each. */
  readonly seeds: number;
  readonly messages: number;
  /** Mixes of tickets: seeds, and tickets of each. */
  readonly taskSeeds: number;
  readonly tasks: number;
}

/** The whole benchmark. */
export interface BenchSize {
  readonly mesh: MeshSize;
  readonly gateway: GatewaySize;
  readonly guard: GuardSize;
  readonly metrics: MetricsSize;
  readonly budget: BudgetSize;
  readonly hostile: HostileSize;
  readonly scale: ScaleSize;
  readonly board: BoardSize;
  readonly agents: AgentsSize;
  readonly tasks: TasksSize;
  readonly models: ModelsSize;
  readonly page: PageSize;
  readonly learn: LearnSize;
}

/** What `npm run bench` does. */
export const FULL: BenchSize = {
  mesh: { rounds: 3, roundMs: 1500, warmUpMs: 500, concurrency: [1, 64, 1000] },
  gateway: {
    runs: 3,
    rounds: 3,
    roundMs: 1000,
    warmUpMs: 250,
    firstWarmUpMs: 2000,
    mixedRounds: 3,
    mixedMs: 2000,
    mixedMarginMs: 500,
    rivals: true,
    quietNodes: true,
  },
  guard: { rounds: 5, samples: 60 },
  metrics: {
    rounds: 8,
    roundMs: 1000,
    warmUpMs: 500,
    counted: 1_000_000,
    ways: ['off', 'traced', 'all'],
  },
  budget: {
    rounds: 5,
    holds: 20_000,
    alone: 200,
    calls: 4000,
    budgets: 1000,
    owners: 50,
    seeds: 10,
  },
  board: {
    peers: [1, 5, 10, 25],
    writes: 200,
    burst: 2000,
    sustainedMs: 3000,
    entries: 100_000,
    quietCalls: 400,
    overwrites: 3_000_000,
    strong: {
      replicas: [3, 5],
      warmUpMs: 12_000,
      ms: 4000,
      callers: 64,
      counted: 200,
      rivals: true,
    },
    runs: { seeds: 100, members: 5, ms: 4000, calls: 100, stories: 2, plantedSeeds: 50, atOnce: 4 },
  },
  agents: {
    rounds: 5,
    roundMs: 1000,
    warmUpMs: 1000,
    callers: [1, 64],
    rivals: true,
    starts: 7,
    idleAgents: 50,
    idleMs: 20_000,
    hogMiB: 512,
    burnMs: 4000,
    queued: 10_000,
    choosingNodes: 4,
    choosingMs: 60_000,
    serviceMs: 400,
  },
  tasks: {
    nodes: 5,
    tasks: 1000,
    seeds: 10,
    first: 1,
    faults: true,
    awards: 200,
    submits: 2000,
    queued: 10_000,
    callers: 64,
    rivals: true,
  },
  models: {
    pacedAsks: 40,
    quickAsks: 400,
    cpuRounds: 3,
    cpuStreams: 500,
    failovers: 200,
    failureAsks: 10_000,
    cacheAsks: 500,
    crowd: 1000,
    crowdMs: 20_000,
    withPeer: true,
  },
  learn: { seeds: 100, messages: 400, taskSeeds: 20, tasks: 40 },
  hostile: { rounds: 3, roundMs: 1500, marginMs: 300, warmUpMs: 4000, attacks: [] },
  scale: {
    oneProcess: [3, 10, 25, 50, 200],
    processes: [3, 10, 25],
    patienceMs: 120_000,
    idleMs: 15_000,
    restMs: 40_000,
    rivals: true,
    cutNodes: 10,
    losses: [0, 0.05],
    busyMs: 60_000,
  },
  page: {
    loads: 15,
    peers: 50,
    callsPerSecond: 1000,
    pages: ['Mesh', 'Calls', 'Audit', 'Tools', 'Boards', 'Health'],
    rounds: 5,
    roundMs: 4000,
  },
};

/** One short round of what is ours: shows that the benchmark works; its figures say nothing. */
export const QUICK: BenchSize = {
  mesh: { rounds: 1, roundMs: 10, warmUpMs: 0, concurrency: [4] },
  gateway: {
    runs: 1,
    rounds: 1,
    roundMs: 10,
    warmUpMs: 0,
    firstWarmUpMs: 0,
    mixedRounds: 1,
    mixedMs: 10,
    mixedMarginMs: 10,
    rivals: false,
    quietNodes: false,
  },
  guard: { rounds: 1, samples: 3 },
  metrics: { rounds: 1, roundMs: 10, warmUpMs: 0, counted: 1000, ways: ['all'] },
  budget: { rounds: 1, holds: 64, alone: 2, calls: 64, budgets: 2, owners: 3, seeds: 0 },
  scale: {
    oneProcess: [3],
    processes: [],
    patienceMs: 60_000,
    idleMs: 100,
    restMs: 0,
    calmMs: 300,
    rivals: false,
    cutNodes: 0,
    losses: [],
    busyMs: 0,
  },
  board: {
    peers: [1],
    writes: 3,
    burst: 20,
    sustainedMs: 10,
    entries: 200,
    quietCalls: 4,
    overwrites: 640,
    strong: { replicas: [1], warmUpMs: 10, ms: 20, callers: 4, counted: 20, rivals: false },
    runs: { seeds: 1, members: 3, ms: 1000, calls: 20, stories: 0, plantedSeeds: 0, atOnce: 1 },
  },
  agents: {
    rounds: 1,
    roundMs: 10,
    warmUpMs: 0,
    callers: [1],
    rivals: false,
    starts: 1,
    idleAgents: 1,
    idleMs: 100,
    hogMiB: 256,
    burnMs: 100,
    queued: 20,
    choosingNodes: 1,
    choosingMs: 200,
    serviceMs: 50,
  },
  tasks: {
    nodes: 1,
    tasks: 3,
    seeds: 1,
    first: 1,
    faults: false,
    awards: 0,
    submits: 0,
    queued: 0,
    callers: 1,
    rivals: false,
  },
  models: {
    pacedAsks: 1,
    quickAsks: 2,
    cpuRounds: 0,
    cpuStreams: 5,
    failovers: 2,
    failureAsks: 20,
    cacheAsks: 2,
    crowd: 5,
    crowdMs: 100,
    withPeer: false,
  },
  learn: { seeds: 2, messages: 40, taskSeeds: 2, tasks: 6 },
  hostile: { rounds: 1, roundMs: 20, marginMs: 20, warmUpMs: 0, attacks: ['ping-streams'] },
  page: { loads: 0, peers: 0, callsPerSecond: 0, pages: [], rounds: 0, roundMs: 0 },
};
