/** How soon tasks are with a worker, also where one was lost, and how many are kept and done in a second. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { percentile } from '../../report.ts';
import { removeAtExit } from '../../remove-at-exit.ts';
import { createSpaces } from '../../scenario/engines/spaces.ts';
import { workerOf } from '../../task-worker.ts';
import type { TasksSize } from '../size.ts';
import { startQueueFloor } from './jetstream.ts';
import type { QueueFloorInit } from './jetstream.ts';
import { giveOver, nameOf, startTaskMesh } from './mesh.ts';
import type { TaskMesh, TaskNode } from './mesh.ts';
import { paceOf } from './rate.ts';
import type { Pace } from './rate.ts';
import { measureSubmits } from './submits.ts';
import type { SubmitsRow } from './submits.ts';

/** Medians, ms. */
export interface AwardFigures {
  /** From the call of the submitter until a worker at a peer has the task. */
  readonly awardMs: number;
  /** A question of one node to another and back: the list of a peer's agents, asked anew. */
  readonly rttMs: number;
  /** A submit alone, as it is answered. */
  readonly submitMs: number;
  /** From kill -9 of the worker's node, and from a cut without a word, until another worker has the task. */
  readonly afterKillMs: number;
  readonly afterCutMs: number;
}

/** Tasks in a second. */
export interface RateFigures {
  readonly submits: readonly SubmitsRow[];
  /** All of them by an agent of the node itself; the time of the node. */
  readonly queue: Pace;
  /** All of them by an agent of a peer; the time of both nodes. */
  readonly peerQueue: Pace;
  /** JetStream as it is installed, which acknowledges before a message is on the disk; NaN where there is no nats-server. */
  readonly jetstream: number;
  /** JetStream that syncs before it acknowledges, as a node does. */
  readonly jetstreamSynced: number;
}

const ROOT = 'starling-bench-tasks-';
const LONG_MS = 60_000;
const LOOK_MS = 5;
const PATIENCE_MS = 60_000;
const TEXT = 'hello world';
/** Tasks that are given to the queue in a message, and such messages at a time. */
const BATCH = 1000;
const BATCHES_AT_ONCE = 4;

/** Awards on hosts of their own, as a cut needs them. */
export async function measureAwards(size: TasksSize): Promise<AwardFigures> {
  const root = await mkdtemp(join(tmpdir(), ROOT));
  const cancelRemoval = removeAtExit(root);
  const names = Array.from({ length: 4 }, (_, at) => nameOf(at));
  const spaces = await createSpaces(names, {});
  let serviceMs = 0;
  try {
    const mesh = await startTaskMesh({ root, nodes: 4, spaces, serviceMs: () => serviceMs });
    try {
      const [owner, first, second] = mesh.nodes;
      if (owner === undefined || first === undefined || second === undefined) throw new Error('3');
      const awards: number[] = [];
      const rtts: number[] = [];
      const submits: number[] = [];
      for (let at = 0; at < size.awards; at += 1) {
        const sentAt = performance.now();
        // One agent by its name: whom else is asked depends on chance.
        const id = await giveTo(owner, first, `award-${at}`);
        submits.push(performance.now() - sentAt);
        awards.push((await begunAt(first, id)) - sentAt);
        const askedAt = performance.now();
        await owner.control?.builtin('agent_info', {
          agentId: `worker-${first.name}@${first.name}`,
        });
        rtts.push(performance.now() - askedAt);
      }
      serviceMs = LONG_MS;
      const afterKillMs = await again(mesh, { owner, end: (node) => node.kill() });
      const afterCutMs = await again(mesh, { owner, end: (node) => spaces.silence(node.name) });
      const median = (all: readonly number[]): number => percentile(all, 0.5);
      const figures = { awardMs: median(awards), rttMs: median(rtts), submitMs: median(submits) };
      return { ...figures, afterKillMs, afterCutMs };
    } finally {
      await mesh.stop();
    }
  } finally {
    await spaces.remove();
    await rm(root, { recursive: true, force: true });
    cancelRemoval();
  }
}

/** How long after the end of a task's worker another one has the task. */
async function again(
  mesh: TaskMesh,
  { owner, end }: { readonly owner: TaskNode; readonly end: (node: TaskNode) => Promise<void> },
): Promise<number> {
  const id = await mesh.give(owner, { input: TEXT });
  if (id === undefined) throw new Error('the task was not taken');
  const worker = await someBegan(mesh, id);
  // That of the submitter does not count: it can be ended by nothing but its own end.
  if (worker === owner) return again(mesh, { owner, end });
  const from = performance.now();
  const ending = end(worker);
  const others = mesh.nodes.filter((node) => node !== worker);
  const deadline = from + PATIENCE_MS;
  for (;;) {
    const found = others.flatMap(({ begun }) => begun.filter((one) => one.id === id));
    if (found[0] !== undefined) {
      await ending;
      return found[0].at - from;
    }
    if (performance.now() > deadline) return Number.NaN;
    await wait(LOOK_MS);
  }
}

async function someBegan(mesh: TaskMesh, id: string): Promise<TaskNode> {
  for (;;) {
    const found = mesh.nodes.find(({ begun }) => begun.some((one) => one.id === id));
    if (found !== undefined) return found;
    await wait(LOOK_MS);
  }
}

async function giveTo(owner: TaskNode, worker: TaskNode, id: string): Promise<string> {
  const agentId = `worker-${worker.name}@${worker.name}`;
  const task = await owner.control?.builtin<{ readonly taskId: string }>('agent_task', {
    agentId,
    input: TEXT,
    id,
  });
  return task?.taskId ?? '';
}

async function begunAt(worker: TaskNode, id: string): Promise<number> {
  const deadline = performance.now() + PATIENCE_MS;
  for (;;) {
    const found = worker.begun.findLast((one) => one.id === id);
    if (found !== undefined) return found.at;
    if (performance.now() > deadline) throw new Error(`${worker.name} has not begun with ${id}`);
    await wait(1);
  }
}

/** Submits beside synced writes of the store, and a queue beside a work queue of JetStream, each on one disk. */
export async function measureRates(size: TasksSize): Promise<RateFigures> {
  const root = await mkdtemp(join(tmpdir(), ROOT));
  const cancelRemoval = removeAtExit(root);
  try {
    const mesh = await startTaskMesh({ root, nodes: 1, serviceMs: () => 0 });
    try {
      const [node] = mesh.nodes;
      if (node === undefined) throw new Error('there is no node');
      const submits = await measureSubmits(root, size, { node });
      const queue = await queueRate([node], size, { type: 'small' });
      const jetstream = await floorRate(root, size, { isSynced: false });
      const jetstreamSynced = await floorRate(root, size, { isSynced: true });
      return {
        submits,
        queue,
        jetstream,
        jetstreamSynced,
        peerQueue: await measurePeerQueue(size),
      };
    } finally {
      await mesh.stop();
    }
  } finally {
    await rm(root, { recursive: true, force: true });
    cancelRemoval();
  }
}

/** Gives as many in a message as one takes; all of them are done when it answers. The first node is the submitter's. */
async function queueRate(
  nodes: readonly [TaskNode, ...TaskNode[]],
  size: TasksSize,
  args: object,
): Promise<Pace> {
  const batches = Math.ceil(size.queued / BATCH);
  const inputs = Array.from({ length: Math.ceil(size.queued / batches) }, () => TEXT);
  const pids = nodes.flatMap(({ pid }) => pid ?? []);
  const messages = await paceOf({ count: batches, callers: BATCHES_AT_ONCE, pids }, (at) =>
    giveOver(nodes[0], { ...args, inputs, id: `q-${at}`, wait_s: 60 }),
  );
  const { length } = inputs;
  return { perSecond: messages.perSecond * length, cpuUs: messages.cpuUs / length };
}

/** The better one of as many tasks at a time as clients have, and as many as are given to the node here. */
async function floorRate(root: string, size: TasksSize, how: QueueFloorInit): Promise<number> {
  const floor = size.rivals ? await startQueueFloor(root, how) : undefined;
  if (floor === undefined) return Number.NaN;
  try {
    const rates: number[] = [];
    for (const callers of [size.callers, BATCH * BATCHES_AT_ONCE]) {
      const init = { count: size.queued, callers, pids: [] };
      const { perSecond } = await paceOf(init, (at) => floor.run(`${callers}-${at}`));
      rates.push(perSecond);
    }
    return Math.max(...rates);
  } finally {
    await floor.stop();
  }
}

/** The same with the agent at a peer. */
async function measurePeerQueue(size: TasksSize): Promise<Pace> {
  const root = await mkdtemp(join(tmpdir(), ROOT));
  const cancelRemoval = removeAtExit(root);
  try {
    const mesh = await startTaskMesh({ root, nodes: 2, serviceMs: () => 0 });
    try {
      const [node, peer] = mesh.nodes;
      if (node === undefined || peer === undefined) throw new Error('there are no two nodes');
      const agentId = `${workerOf(peer.name)}@${peer.name}`;
      return await queueRate([node, peer], size, { agentId });
    } finally {
      await mesh.stop();
    }
  } finally {
    await rm(root, { recursive: true, force: true });
    cancelRemoval();
  }
}
