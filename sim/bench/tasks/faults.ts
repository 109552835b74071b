/**
 * A thousand durable tasks while nodes are killed, ways are cut in one direction, and packets are lost: what becomes of
 * them, by the histories of all who gave, did and read them.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { createChance } from '../../scenario/random.ts';
import type { Chance } from '../../scenario/random.ts';
import { removeAtExit } from '../../remove-at-exit.ts';
import { createSpaces } from '../../scenario/spaces.ts';
import type { Spaces } from '../../scenario/spaces.ts';
import type { TasksSize } from '../size.ts';
import { judgeHistory } from '../../task-history.ts';
import type { Verdict } from '../../task-history.ts';
import { nameOf, startTaskMesh } from './mesh.ts';
import type { TaskMesh, TaskNode } from './mesh.ts';

/** What one seed came to. */
export interface FaultsRow extends Verdict {
  readonly seed: number;
  readonly kills: number;
  readonly cuts: number;
  readonly tookMs: number;
}

const LOSS = 0.1;
const SERVICE_MS = 200;
/** Between one fault and the next, at the most; and how long each lasts. */
const PAUSE_MS = 5000;
const LASTS_MS = 6000;
/** Between tasks, and between looks at them. */
const GIVE_MS = 40;
const LOOK_MS = 150;
/** Looks at the same time. */
const LOOKS = 32;
/** So few that have not ended are asked for one by one. */
const LAST = 50;
/** How long all may take to have ended once nothing is broken any more. */
const SETTLE_MS = 240_000;

/** Runs one seed. Without faults all nodes are on the loopback. */
export async function runFaults(size: TasksSize, seed: number): Promise<FaultsRow> {
  const root = await mkdtemp(join(tmpdir(), 'starling-bench-tasks-'));
  const cancelRemoval = removeAtExit(root);
  const names = Array.from({ length: size.nodes }, (_, at) => nameOf(at));
  const spaces = size.faults ? await createSpaces(names, { loss: LOSS }) : undefined;
  const chance = createChance(seed);
  try {
    const serviceMs = (): number => chance.below(SERVICE_MS);
    const mesh = await startTaskMesh({ root, nodes: size.nodes, spaces, serviceMs });
    try {
      return await runMesh(mesh, { size, seed, chance, spaces });
    } finally {
      await mesh.stop();
    }
  } finally {
    await spaces?.remove();
    await rm(root, { recursive: true, force: true });
    cancelRemoval();
  }
}

interface Running {
  readonly size: TasksSize;
  readonly seed: number;
  readonly chance: Chance;
  readonly spaces: Spaces | undefined;
}

async function runMesh(
  mesh: TaskMesh,
  { size, seed, chance, spaces }: Running,
): Promise<FaultsRow> {
  const from = performance.now();
  const ids: string[] = [];
  const over = new AbortController();
  const harm = spaces === undefined ? undefined : createHarm(mesh, { chance, spaces });
  const harming = harm?.run(over.signal);
  const looking = lookAround(mesh, { ids, chance, signal: over.signal });
  const giving: Promise<void>[] = [];
  for (let at = 0; at < size.tasks; at += 1) {
    giving.push(giveOne(mesh, { at, chance, ids }));
    await wait(GIVE_MS);
  }
  await Promise.all(giving);
  over.abort();
  await Promise.all([harming, looking]);
  await spaces?.heal();
  await allHaveEnded(mesh, ids);
  // Each node that knows a task says the same of its end.
  const looks = mesh.nodes.flatMap((node) => ids.map((id) => ({ node, id })));
  await eachOf(looks, ({ node, id }) => mesh.look(node, id));
  const { kills = 0, cuts = 0 } = harm ?? {};
  return { seed, kills, cuts, tookMs: performance.now() - from, ...judgeHistory(mesh.seen) };
}

/** Gives a task at some node that is up, until one has acknowledged it. */
async function giveOne(
  mesh: TaskMesh,
  { at, chance, ids }: { readonly at: number; readonly chance: Chance; readonly ids: string[] },
): Promise<void> {
  for (let tries = 0; ; tries += 1) {
    const node = mesh.nodes[chance.below(mesh.nodes.length)];
    if (node?.control === undefined) {
      await wait(GIVE_MS);
      continue;
    }
    const input = { input: { at }, id: `task-${at}-${tries}`, durable: 'mesh' };
    const id = await mesh.give(node, input);
    if (id === undefined) continue;
    ids.push(id);
    return;
  }
}

/** Looks at tasks by chance, so that an end that changes is seen. */
async function lookAround(
  mesh: TaskMesh,
  {
    ids,
    chance,
    signal,
  }: { readonly ids: readonly string[]; readonly chance: Chance; readonly signal: AbortSignal },
): Promise<void> {
  while (!signal.aborted) {
    await wait(LOOK_MS);
    const [id, node] = [ids[chance.below(ids.length)], mesh.nodes[chance.below(mesh.nodes.length)]];
    if (id !== undefined && node !== undefined) await mesh.look(node, id);
  }
}

async function allHaveEnded(mesh: TaskMesh, ids: readonly string[]): Promise<void> {
  const deadline = performance.now() + SETTLE_MS;
  const open = new Set(ids);
  while (open.size > 0 && performance.now() < deadline) {
    for (const ended of await Promise.all(mesh.nodes.map((node) => mesh.ended(node)))) {
      for (const id of ended) open.delete(id);
    }
    // What is older than a list is asked for by its name.
    if (open.size < LAST)
      await eachOf(open, async (id) => {
        for (const node of mesh.nodes) {
          const task = await mesh.look(node, id);
          if (task?.endedAt === undefined) continue;
          open.delete(id);
          return;
        }
      });
    await wait(LOOK_MS);
  }
}

/** Does `work` for each, so many at a time. */
async function eachOf<T>(all: Iterable<T>, work: (one: T) => Promise<unknown>): Promise<void> {
  const left = [...all];
  const worker = async (): Promise<void> => {
    for (let one = left.pop(); one !== undefined; one = left.pop()) await work(one);
  };
  await Promise.all(Array.from({ length: LOOKS }, worker));
}

interface Harm {
  readonly kills: number;
  readonly cuts: number;
  run(signal: AbortSignal): Promise<void>;
}

/** Kills nodes and starts them again, and cuts ways in one direction and mends them: one harm at a time. */
function createHarm(
  mesh: TaskMesh,
  { chance, spaces }: { readonly chance: Chance; readonly spaces: Spaces },
): Harm {
  let kills = 0;
  let cuts = 0;
  const some = (): TaskNode => mesh.nodes[chance.below(mesh.nodes.length)] as TaskNode;
  const kill = async (): Promise<void> => {
    kills += 1;
    const node = some();
    await node.kill();
    await wait(chance.below(LASTS_MS));
    await node.start();
  };
  const cut = async (): Promise<void> => {
    const [from, to] = [some().name, some().name];
    if (from === to) return;
    cuts += 1;
    await spaces.cut(from, to);
    await wait(chance.below(LASTS_MS));
    await spaces.mend(from, to);
  };
  return {
    get kills() {
      return kills;
    },
    get cuts() {
      return cuts;
    },
    async run(signal) {
      while (!signal.aborted) {
        await wait(chance.below(PAUSE_MS));
        await (chance.below(2) === 0 ? kill() : cut());
      }
    },
  };
}
