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
import { createSpaces } from '../../scenario/engines/spaces.ts';
import type { Spaces } from '../../scenario/engines/spaces.ts';
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
const PAUSE_MS = 2500;
const LASTS_MS = 6000;
/** Tasks that are given at the same time. */
const GIVERS = 16;
/** Between tasks, of all givers together, and between looks at them. */
const GIVE_MS = 40;
const LOOK_MS = 150;
/** Looks at the same time. */
const LOOKS = 32;
/** So few that have not ended are asked for one by one. */
const LAST = 50;
/** Between words of where the run is; and how many tasks are shown with what is wrong with them. */
const TELL_MS = 10_000;
const SHOWN_MAX = 5;
const REFUSALS_SHOWN = 4;
/** How long all may take to have ended once nothing is broken any more. */
const SETTLE_MS = 240_000;

/** One run of a mesh under harm. */
export interface FaultsInit {
  readonly size: TasksSize;
  readonly seed: number;
  /** Hears where the run is, and what it finds. */
  readonly progress: (line: string) => void;
}

/** Runs one seed. Without faults all nodes are on the loopback. */
export async function runFaults({ size, seed, progress }: FaultsInit): Promise<FaultsRow> {
  const root = await mkdtemp(join(tmpdir(), 'starling-bench-tasks-'));
  const cancelRemoval = removeAtExit(root);
  const names = Array.from({ length: size.nodes }, (_, at) => nameOf(at));
  const chance = createChance(seed);
  let spaces: Spaces | undefined;
  try {
    if (size.faults) spaces = await createSpaces(names, { loss: LOSS });
    const serviceMs = (): number => chance.below(SERVICE_MS);
    const mesh = await startTaskMesh({ root, nodes: size.nodes, spaces, serviceMs });
    try {
      return await runMesh(mesh, { size, seed, chance, spaces, progress });
    } finally {
      await mesh.stop();
    }
  } finally {
    await spaces?.remove();
    await rm(root, { recursive: true, force: true });
    cancelRemoval();
  }
}

interface Running extends FaultsInit {
  readonly chance: Chance;
  readonly spaces: Spaces | undefined;
}

async function runMesh(mesh: TaskMesh, running: Running): Promise<FaultsRow> {
  const { size, seed, chance, spaces, progress } = running;
  const from = performance.now();
  const ids: string[] = [];
  const harm = spaces === undefined ? undefined : createHarm(mesh, { chance, spaces });
  const row = (): FaultsRow => {
    const { kills = 0, cuts = 0 } = harm ?? {};
    return { seed, kills, cuts, tookMs: performance.now() - from, ...judgeHistory(mesh.seen) };
  };
  const told = setInterval(() => {
    const refusals = [...mesh.refusals].map(([why, count]) => `; ${count}× ${why}`);
    progress(`${lineOf(row(), size)}${refusals.slice(-REFUSALS_SHOWN).join('')}`);
  }, TELL_MS);
  try {
    await giveAll(mesh, running, { ids, harm });
    await spaces?.heal();
    progress(`seed ${seed}: all are given, and nothing is broken any more`);
    await allHaveEnded(mesh, ids);
    // Each node that knows a task says the same of its end.
    const looks = mesh.nodes.flatMap((node) => ids.map((id) => ({ node, id })));
    await eachOf(looks, ({ node, id }) => mesh.look(node, id));
  } finally {
    clearInterval(told);
  }
  const judged = row();
  progress(lineOf(judged, size));
  for (const id of [...judged.lost, ...judged.twice, ...judged.unearned].slice(0, SHOWN_MAX)) {
    const history = mesh.seen.filter((one) => one.id === id).map((one) => JSON.stringify(one));
    progress(`seed ${seed}: ${id}: ${history.join(' ')}`);
  }
  return judged;
}

/** Gives all tasks while harm is done, and looks at them meanwhile. */
async function giveAll(
  mesh: TaskMesh,
  { size, chance }: Running,
  { ids, harm }: { readonly ids: string[]; readonly harm: Harm | undefined },
): Promise<void> {
  const over = new AbortController();
  const beside = [
    harm?.run(over.signal),
    lookAround(mesh, { ids, chance, signal: over.signal }),
  ].map((work) => heldUntil(work, over));
  let next = 0;
  const giver = async (): Promise<void> => {
    for (let at = next; at < size.tasks && !over.signal.aborted; at = next) {
      next += 1;
      await giveOne(mesh, { at, chance, ids, signal: over.signal });
      await wait(GIVE_MS * GIVERS);
    }
  };
  // Whoever hears nothing waits: a thousand that try again at once would be a harm of their own.
  await Promise.all(Array.from({ length: GIVERS }, giver));
  over.abort();
  for (const ended of await Promise.all(beside)) ended();
}

/** What is done beside the giving ends the run where it fails; what resolves throws why. */
async function heldUntil(
  work: Promise<void> | undefined,
  over: AbortController,
): Promise<() => void> {
  try {
    await work;
    return () => undefined;
  } catch (error) {
    over.abort();
    return () => {
      throw error;
    };
  }
}

function lineOf(row: FaultsRow, { tasks }: TasksSize): string {
  const { seed, acked, cuts, done, failed, kills, tookMs } = row;
  const ended = `${done} done, ${failed} failed`;
  return `seed ${seed}: ${Math.round(tookMs / 1000)} s, ${acked} of ${tasks} given, seen: ${ended}; ${kills} kills, ${cuts} cuts`;
}

/** Gives a task at some node that is up, until one has acknowledged it. */
async function giveOne(
  mesh: TaskMesh,
  {
    at,
    chance,
    ids,
    signal,
  }: {
    readonly at: number;
    readonly chance: Chance;
    readonly ids: string[];
    readonly signal: AbortSignal;
  },
): Promise<void> {
  for (let tries = 0; !signal.aborted; tries += 1) {
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
