/**
 * Holds the model against real nodes: costs are measured on meshes of a few sizes, and what the model then says of
 * other sizes is compared with what real nodes do there. `npm run sim -- model-check`.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { measureOneProcess } from '../../bench/scale/one-process.ts';
import type { OneProcessRow } from '../../bench/scale/one-process.ts';
import { table } from '../../bench/bars.ts';
import { projectRoot } from '../../project-root.ts';
import { createInprocWorld } from '../engines/inproc.ts';
import { planOf } from '../plan.ts';
import { parseScenario } from '../read.ts';
import { runOnWorld } from '../runner.ts';
import { COSTS, PROTOCOL, linksOf } from './parameters.ts';
import type { Costs, Protocol } from './parameters.ts';
import { simulate } from './simulate.ts';

/** Meshes that costs are taken from: with many heartbeats and with few, and none of the sizes that are compared. */
const MEASURED_AT = [
  { nodes: 1, heartbeatMs: 5000 },
  { nodes: 4, heartbeatMs: 500 },
  { nodes: 4, heartbeatMs: 30_000 },
  { nodes: 14, heartbeatMs: 2000 },
  { nodes: 14, heartbeatMs: 30_000 },
] as const;
/** How far a prediction may be off, as a share. */
const OFF_MAX = 0.2;
/** How long nodes may take to know one another. */
const PATIENCE_MS = 120_000;
/** What is idle has closed the links that only joining needed, and says by pulses that nothing has changed. */
const REST_MS = 40_000;
/** Runs of each size whose detection is compared: the mean of several is what a model tells. */
const RUNS = 3;

/** How it is held. */
export interface CheckInit {
  readonly nodes: readonly number[];
  readonly idleMs: number;
  /** Writes the costs to `measured.ts`. */
  readonly isRecorded: boolean;
  readonly print: (text: string) => void;
}

interface Compared {
  readonly nodes: number;
  readonly what: string;
  readonly real: number;
  readonly model: number;
}

/** Runs it; true when all predictions are close enough. */
export async function checkModel(init: CheckInit): Promise<boolean> {
  const { nodes, idleMs, isRecorded, print } = init;
  const known: OneProcessRow[] = [];
  for (const mesh of MEASURED_AT) {
    known.push(
      await measureOneProcess({ ...mesh, patienceMs: PATIENCE_MS, idleMs, restMs: REST_MS }),
    );
  }
  const costs = fit(known);
  print(
    `costs: ${Object.entries(costs)
      .map(([name, value]) => `${name} ${value.toFixed(2)}`)
      .join(', ')}\n\n`,
  );
  const gossipDegree = degreeOf(known);
  print(`links of gossip's mesh: ${gossipDegree.toFixed(2)}\n\n`);
  if (isRecorded) await record(costs, gossipDegree);
  const protocol = { ...PROTOCOL, gossipDegree };
  const rows: Compared[] = [];
  for (const count of nodes) {
    const timing = { patienceMs: PATIENCE_MS, idleMs, restMs: REST_MS };
    const real = await measureOneProcess({ nodes: count, ...timing });
    const model = predict(count, costs, protocol);
    const deaths = await detect(count);
    rows.push(
      {
        nodes: count,
        what: 'idle kB/s a node',
        real: real.idleKilobytesPerSecond,
        model: model.kilobytesPerSecond,
      },
      {
        nodes: count,
        what: 'idle CPU a node, %',
        real: real.idleCpu * 100,
        model: model.cpuShare * 100,
      },
      { nodes: count, what: 'copies of a message', real: real.receptions, model: model.copies },
      {
        nodes: count,
        what: 'killed: dead for all, s',
        real: deaths.killedMs / 1000,
        model: deathOf(count, false, costs, protocol),
      },
      {
        nodes: count,
        what: 'cut off: dead for all, s',
        real: deaths.cutMs / 1000,
        model: deathOf(count, true, costs, protocol),
      },
    );
    print(renderCompared(rows.filter((row) => row.nodes === count)));
  }
  return rows.every(isClose);
}

function isClose({ real, model }: Compared): boolean {
  return Math.abs(model / real - 1) <= OFF_MAX;
}

function renderCompared(rows: readonly Compared[]): string {
  return table(
    ['model against real nodes', 'nodes', 'real', 'model', 'off by', ''],
    rows.map((row) => [
      row.what,
      String(row.nodes),
      row.real.toFixed(2),
      row.model.toFixed(2),
      `${((row.model / row.real - 1) * 100).toFixed(0)} %`,
      isClose(row) ? 'PASS' : 'FAIL',
    ]),
  );
}

/** What the model says of an idle mesh. */
function predict(nodes: number, costs: Costs, protocol: Protocol): ReturnType<typeof simulate> {
  return simulate({
    nodes,
    seed: 1,
    durationMs: 60_000,
    protocol,
    costs,
    link: {},
    deaths: [],
    lookups: [],
    followed: 30,
  });
}

/** Seconds from a death until all know it, by the model: the mean of many. */
function deathOf(nodes: number, isSilent: boolean, costs: Costs, protocol: Protocol): number {
  const runs = Array.from({ length: 50 }, (_, seed) =>
    simulate({
      nodes,
      seed,
      durationMs: 40_000,
      protocol,
      costs,
      link: {},
      deaths: [{ atMs: 1000, node: 0, isSilent }],
      lookups: [],
      followed: 0,
    }),
  );
  return runs.reduce((sum, { deadAllMs }) => sum + deadAllMs, 0) / runs.length / 1000;
}

/** A mesh in which one is killed and another is cut off: how soon all the others have each dead. */
async function detect(
  nodes: number,
): Promise<{ readonly killedMs: number; readonly cutMs: number }> {
  const sums = { killedMs: 0, cutMs: 0 };
  for (let seed = 1; seed <= RUNS; seed += 1) {
    const scenario = parseScenario(
      `name: model-check
about: One is killed, another is cut off.
engines: [inproc]
nodes: { count: ${nodes} }
settle: 120s
events:
  - { at: 3s, do: kill, nodes: last }
  - { at: 3s, do: expect, that: dead, of: last, by: 'n2-n${nodes - 1}', within: 60s }
  - { at: 9s, do: partition, from: first }
  - { at: 9s, do: expect, that: dead, of: first, by: 'n2-n${nodes - 1}', within: 60s }
after: [{ expect: at-least, figure: startMs, value: 0 }]
`,
      'model-check',
    );
    const root = await mkdtemp(join(tmpdir(), 'starling-sim-'));
    const plan = planOf(scenario, nodes, seed);
    const special = { disks: new Set<string>(), clocks: new Set<string>() };
    const { names, hostile, roles } = plan;
    const result = await runOnWorld({
      plan,
      settleMs: scenario.settle,
      everyMs: 0,
      tell: () => undefined,
      makeWorld: async (saw) =>
        createInprocWorld({
          root,
          seed,
          names,
          hostile,
          roles,
          heartbeatMs: undefined,
          links: {},
          special,
          saw,
        }),
    });
    await rm(root, { recursive: true, force: true, maxRetries: 10 });
    const dead = result.verdicts.filter(({ claim }) => claim.includes(' dead for '));
    sums.killedMs +=
      dead.find(({ claim }) => claim.startsWith(`n${nodes} `))?.measured ?? Number.NaN;
    sums.cutMs += dead.find(({ claim }) => claim.startsWith('n1 '))?.measured ?? Number.NaN;
  }
  return { killedMs: sums.killedMs / RUNS, cutMs: sums.cutMs / RUNS };
}

/** Costs that fit what was measured (least squares, none below nothing): of being alone, of ticks and of copies. Pure. */
export function fit(
  rows: readonly Pick<
    OneProcessRow,
    'nodes' | 'idleCpu' | 'idleKilobytesPerSecond' | 'copiesPerSecond'
  >[],
): Costs {
  const shape = rows.map(({ nodes, copiesPerSecond }) => {
    const ticks = (linksOf(nodes, PROTOCOL) * 1000) / PROTOCOL.tickMs / 2;
    return [1, ticks, copiesPerSecond] as const;
  });
  const solve = (values: readonly number[]): readonly number[] => notBelowNothing(shape, values);
  const [aloneCpuMs = 0, tickCpuMs = 0, copyCpuMs = 0] = solve(
    rows.map(({ idleCpu }) => idleCpu * 1000),
  );
  const bytes = rows.map(({ idleKilobytesPerSecond }) => idleKilobytesPerSecond * 1000);
  const [aloneBytes = 0, tickBytes = 0, copyBytes = 0] = solve(bytes);
  return { ...COSTS, aloneCpuMs, tickCpuMs, copyCpuMs, aloneBytes, tickBytes, copyBytes };
}

/** Least squares in which what comes out below nothing is nothing, and the rest is fitted anew. */
function notBelowNothing(
  a: readonly (readonly number[])[],
  b: readonly number[],
): readonly number[] {
  const size = a[0]?.length ?? 0;
  let used = Array.from({ length: size }, (_, at) => at);
  for (;;) {
    const found = leastSquares(
      a.map((row) => used.map((at) => row[at] ?? 0)),
      b,
    );
    const kept = used.filter((_, at) => (found[at] ?? 0) >= 0);
    if (kept.length === used.length) {
      return Array.from({ length: size }, (_, at) => found[used.indexOf(at)] ?? 0);
    }
    used = kept;
  }
}

/** The x of the least |Ax - b|², by the normal equations (Gauss with pivots). Pure. */
export function leastSquares(
  a: readonly (readonly number[])[],
  b: readonly number[],
): readonly number[] {
  const size = a[0]?.length ?? 0;
  const m = Array.from({ length: size }, (_, i) => [
    ...Array.from({ length: size }, (__, j) =>
      a.reduce((sum, row) => sum + (row[i] ?? 0) * (row[j] ?? 0), 0),
    ),
    a.reduce((sum, row, at) => sum + (row[i] ?? 0) * (b[at] ?? 0), 0),
  ]);
  for (let i = 0; i < size; i += 1) {
    let best = i;
    for (let j = i + 1; j < size; j += 1)
      if (Math.abs(m[j]?.[i] ?? 0) > Math.abs(m[best]?.[i] ?? 0)) best = j;
    const row = m[best] as number[];
    m[best] = m[i] as number[];
    m[i] = row;
    for (let j = 0; j < size; j += 1) {
      if (j === i) continue;
      const other = m[j] as number[];
      const share = (other[i] ?? 0) / (row[i] || 1);
      for (let k = i; k <= size; k += 1) other[k] = (other[k] ?? 0) - share * (row[k] ?? 0);
    }
  }
  return m.map((row, i) => (row[size] ?? 0) / (row[i] || 1));
}

/** Each node has a copy by each link of the mesh, less the one by which it went on: all others but the author. Pure. */
function degreeOf(rows: readonly OneProcessRow[]): number {
  const big = rows.filter(({ nodes }) => nodes > 10);
  const all = big.map(({ nodes, receptions }) => (receptions * (nodes - 1) + nodes - 1) / nodes);
  return all.reduce((sum, one) => sum + one, 0) / Math.max(1, all.length);
}

async function record(costs: Costs, gossipDegree: number): Promise<void> {
  const rows = Object.entries(costs).map(
    ([name, value]) => `    ${name}: ${Number(value.toPrecision(4))},`,
  );
  const source = `npm run sim -- model-check --record, on the engine inproc with ${MEASURED_AT.map(({ nodes }) => nodes).join(', ')} nodes, ${new Date().toISOString().slice(0, 10)}; roster and questions are planned`;
  await writeFile(
    join(projectRoot(), 'sim/scenario/model/measured.ts'),
    `/** What one thing costs. Written by \`npm run sim -- model-check --record\`, which measured it on the engine \`inproc\`. */

/** The costs, and where they come from. */
export const MEASURED = {
  source:
    '${source}',
  gossipDegree: ${gossipDegree.toFixed(2)},
  costs: {
${rows.join('\n')}
  },
} as const;
`,
  );
}
