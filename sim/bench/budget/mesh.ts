/** Five real nodes, each a host of its own, that all hold rights of one budget. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import type { JsonObject } from '../../../src/index.ts';
import { removeAtExit } from '../../remove-at-exit.ts';
import { createSpaces } from '../../scenario/engines/spaces.ts';
import type { Spaces } from '../../scenario/engines/spaces.ts';
import { nameOf, startTaskMesh } from '../tasks/mesh.ts';
import type { TaskMesh, TaskNode } from '../tasks/mesh.ts';

/** The budget of the runs. */
export const NAME = 'pot';
const NODES = 5;
const CALL_MS = 15_000;
const LOOK_MS = 200;
const SETTLE_MS = 90_000;

/** Has a budget of so many calls made on such nodes, and all know of it, for the time of `work`. Needs root. */
export async function withBudget<Result>(
  limit: number,
  work: (mesh: TaskMesh, spaces: Spaces) => Promise<Result>,
): Promise<Result> {
  const root = await mkdtemp(join(tmpdir(), 'starling-bench-budget-'));
  const cancelRemoval = removeAtExit(root);
  const names = Array.from({ length: NODES }, (_, at) => nameOf(at));
  const spaces = await createSpaces(names, {});
  try {
    const mesh = await startTaskMesh({ root, nodes: NODES, spaces, serviceMs: () => 0 });
    try {
      await makeBudget(mesh, limit);
      return await work(mesh, spaces);
    } finally {
      await mesh.stop();
    }
  } finally {
    await spaces.remove();
    await rm(root, { recursive: true, force: true });
    cancelRemoval();
  }
}

async function makeBudget({ nodes }: TaskMesh, limit: number): Promise<void> {
  const [founder, ...others] = nodes;
  await builtin(founder, 'budget_create', { name: NAME, limit: `${limit} calls` });
  for (const { name } of others) await builtin(founder, 'budget_grant', { name: NAME, peer: name });
  for (const node of nodes) {
    const startedAt = performance.now();
    while ((await show(node)) === undefined) {
      if (performance.now() - startedAt > SETTLE_MS) throw new Error(`${node.name} knows nothing`);
      await wait(LOOK_MS);
    }
  }
}

/** What each node says once all say the same, or time is over. */
export async function settled({ nodes }: TaskMesh): Promise<readonly (JsonObject | undefined)[]> {
  const startedAt = performance.now();
  for (;;) {
    const views = await Promise.all(nodes.map((node) => show(node)));
    const [first] = views;
    const isSame = first !== undefined && views.every((view) => summary(view) === summary(first));
    if (isSame || performance.now() - startedAt > SETTLE_MS) return views;
    await wait(LOOK_MS);
  }
}

/** What is wrong with what the nodes say, of which so much was acknowledged. */
export function faultsOf(
  views: readonly (JsonObject | undefined)[],
  acked: number,
  limit: number,
): readonly string[] {
  const [first] = views;
  const faults: string[] = [];
  if (acked > limit) faults.push(`${acked} of ${limit} were acknowledged`);
  if (views.some((view) => summary(view) !== summary(first))) faults.push('the books differ');
  const booked = bookedOf(first);
  if (booked > limit) faults.push(`the books say ${booked} of ${limit}`);
  if (booked < acked) faults.push(`${acked} were spent, and the books say ${booked}`);
  const rights = nodesOf(first).reduce((sum, node) => sum + Number(node['rights']), 0);
  if (rights + booked !== limit) faults.push(`${rights} and ${booked} are not ${limit}`);
  return faults;
}

/** Spent, and held by calls that were cut off. */
export function bookedOf(view: JsonObject | undefined): number {
  return Number(view?.['spent'] ?? 0) + Number(view?.['held'] ?? 0);
}

/** Without what depends on who says it. */
function summary(view: JsonObject | undefined): string {
  const rows = nodesOf(view).map(({ did, rights, spent, held }) => [did, rights, spent, held]);
  return JSON.stringify([view?.['spent'], view?.['held'], rows.map(String).toSorted()]);
}

function nodesOf(view: JsonObject | undefined): readonly JsonObject[] {
  return (view?.['nodes'] ?? []) as readonly JsonObject[];
}

function show(node: TaskNode): Promise<JsonObject | undefined> {
  return builtin(node, 'budget_show', { name: NAME });
}

/** Calls a tool of the node itself; undefined where it refuses, or says nothing. */
export async function builtin(
  node: TaskNode | undefined,
  tool: string,
  args: JsonObject,
): Promise<JsonObject | undefined> {
  const end = await node?.control?.call(`starling__${tool}`, args, CALL_MS);
  return end?.kind === 'answer' ? (end.structured as JsonObject | undefined) : undefined;
}
