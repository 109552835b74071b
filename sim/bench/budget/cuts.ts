/**
 * Five real processes, each a host of its own, spend one budget while they are killed without a word and cut off from each
 * other: what was acknowledged is never over the limit, and when all have met again their books agree.
 */
import { setTimeout as wait } from 'node:timers/promises';
import { createChance } from '../../scenario/random.ts';
import type { Chance } from '../../scenario/random.ts';
import type { Spaces } from '../../scenario/engines/spaces.ts';
import type { TaskMesh, TaskNode } from '../tasks/mesh.ts';
import { NAME, bookedOf, builtin, faultsOf, settled, withBudget } from './mesh.ts';

/** What one seed came to. */
export interface CutsRow {
  readonly seed: number;
  readonly kills: number;
  readonly cuts: number;
  /** Acknowledged to callers, in calls, of the limit. */
  readonly acked: number;
  readonly limit: number;
  /** What the books say when all have met: spent, and held by calls that were cut off. */
  readonly booked: number;
  /** What is wrong, if anything. */
  readonly faults: readonly string[];
}

const LIMIT = 400;
/** What one call spends, at the most. */
const AMOUNT = 3;
const CALLERS = 3;
const FAULTS = 8;
const PAUSE_MS = 900;
const LASTS_MS = 1500;
const AGAIN_MS = 50;

/** Runs one seed. Needs root, for network namespaces. */
export function runCuts(seed: number): Promise<CutsRow> {
  return withBudget(LIMIT, async (mesh, spaces) => {
    const over = new AbortController();
    const chance = createChance(seed);
    let acked = 0;
    const caller = async (node: TaskNode): Promise<void> => {
      while (!over.signal.aborted) {
        const amount = 1 + chance.below(AMOUNT);
        const booked = await builtin(node, 'budget_report', { name: NAME, amount });
        if (booked === undefined) await wait(AGAIN_MS);
        else acked += amount;
      }
    };
    const calling = mesh.nodes.flatMap((node) =>
      Array.from({ length: CALLERS }, () => caller(node)),
    );
    const { kills, cuts } = await harm(mesh, { chance: createChance(-seed), spaces });
    over.abort();
    await Promise.all(calling);
    await spaces.heal();
    const views = await settled(mesh);
    const faults = faultsOf(views, acked, LIMIT);
    return { seed, kills, cuts, acked, limit: LIMIT, booked: bookedOf(views[0]), faults };
  });
}

/** Kills, and cuts both ways between two, one after the other; who was killed is back before long. */
async function harm(
  { nodes }: TaskMesh,
  { chance, spaces }: { readonly chance: Chance; readonly spaces: Spaces },
): Promise<{ readonly kills: number; readonly cuts: number }> {
  let kills = 0;
  let cuts = 0;
  const under: Promise<void>[] = [];
  for (let at = 0; at < FAULTS; at += 1) {
    await wait(chance.below(PAUSE_MS));
    const one = nodes[chance.below(nodes.length)];
    const other = nodes[chance.below(nodes.length)];
    if (one === undefined || other === undefined) continue;
    if (one === other) {
      if (one.control === undefined) continue;
      kills += 1;
      await one.kill();
      under.push(wait(chance.below(LASTS_MS)).then(() => one.start()));
    } else {
      cuts += 1;
      await spaces.cut(one.name, other.name);
      await spaces.cut(other.name, one.name);
    }
  }
  await wait(LASTS_MS);
  await Promise.all(under);
  return { kills, cuts };
}
