/** `starling sim <scenario>`: carries scenarios out, and writes their reports. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { WorkProgress } from '../../src/cli/terminal/progress.ts';
import { StarlingError } from '../../src/index.ts';
import { removeAtExit } from '../remove-at-exit.ts';
import { chooseEngine } from './engines/engine.ts';
import { renderHtml } from './html.ts';
import { createInprocWorld } from './engines/inproc.ts';
import { runModel } from './model/engine.ts';
import { createNetnsWorld } from './engines/netns.ts';
import { planOf } from './plan.ts';
import type { Plan } from './plan.ts';
import { loadScenario, scenarioNames } from './read.ts';
import { renderRun, replayLine } from './report.ts';
import type { Plot, RunReport } from './report.ts';
import { runOnWorld } from './runner.ts';
import type { EngineName, Scenario } from './schema.ts';
import type { World, WorldInit } from './engines/world.ts';

const SEED_MAX = 2 ** 32 - 1;
const SEEDS_MAX = 100;

/** What is asked of the simulator; texts are as a person wrote them. */
export interface ScenarioOptions {
  /** Name of a scenario, or path of a file. */
  readonly given: string;
  readonly engine?: string | undefined;
  /** How many, or several numbers with commas between them. */
  readonly nodes?: string | undefined;
  readonly seed?: string | undefined;
  /** Seeds in a row. */
  readonly seeds?: string | undefined;
  /** Folder for the report; default: one below the system's folder for temporary files. */
  readonly out?: string | undefined;
  readonly json: boolean;
  readonly print: (text: string) => void;
  /** Shows what is going on. */
  readonly progress: WorkProgress;
}

/** What was run, and where the report is. */
export interface ScenarioOutcome {
  readonly exitCode: 0 | 1;
  readonly reports: readonly RunReport[];
  readonly folder: string;
}

/**
 * Runs a scenario with each number of nodes and each seed. Exit code 1 when a claim did not hold.
 * @throws STARLING_USAGE for what can not be run, STARLING_CONFIG_INVALID for a file that does not hold
 */
export async function runScenario(options: ScenarioOptions): Promise<ScenarioOutcome> {
  const scenario = loadScenario(options.given);
  const counts = (options.nodes ?? String(scenario.nodes.count))
    .split(',')
    .map((text) => wholeNumber('--nodes', text, 1, 1_000_000));
  const first = wholeNumber('--seed', options.seed ?? String(scenario.seed), 0, SEED_MAX);
  const seeds = wholeNumber('--seeds', options.seeds ?? '1', 1, SEEDS_MAX);
  // All of them before the first: a refusal must not come after minutes.
  const engines = counts.map((nodes) => chooseEngine(scenario, options.engine, nodes));
  const { progress } = options;
  const reports: RunReport[] = [];
  for (const [at, nodes] of counts.entries()) {
    for (let seed = first; seed < first + seeds; seed += 1) {
      const engine = engines[at] ?? 'inproc';
      const title = `${scenario.name} ×${nodes} ${engine} seed ${seed}`;
      const report = await runOnce(
        { scenario, given: options.given, engine, nodes, seed },
        (text, done) => progress.show(`${title}  ${text}`, done),
      ).finally(() => progress.done());
      reports.push(report);
      if (!options.json) options.print(renderRun(report));
    }
  }
  const folder = resolve(
    options.out ??
      join(tmpdir(), 'starling-sim', `${scenario.name}-${engines[0]}-${counts.join('-')}-${first}`),
  );
  writeReport(folder, reports);
  options.print(
    options.json ? `${JSON.stringify(reports)}\n` : `report: ${join(folder, 'report.html')}\n`,
  );
  return { exitCode: reports.every(({ pass }) => pass) ? 0 : 1, reports, folder };
}

/** Names and sentences of the scenarios that come with Starling. */
export function listScenarios(): string {
  const rows = scenarioNames().map((name) => {
    const { about, engines, nodes } = loadScenario(name);
    return [name, engines.join(', '), String(nodes.count), about] as const;
  });
  return `${rows.map(([name, engines, count, about]) => `${name.padEnd(17)}${engines.padEnd(16)}${count.padStart(8)}  ${about}`).join('\n')}\n`;
}

interface OneRun {
  readonly scenario: Scenario;
  readonly given: string;
  readonly engine: EngineName;
  readonly nodes: number;
  readonly seed: number;
}

async function runOnce(
  run: OneRun,
  tell: (text: string, done: number) => void,
): Promise<RunReport> {
  const { scenario, engine, nodes, seed } = run;
  const plan = planOf(scenario, nodes, seed);
  const { name, about } = scenario;
  const head = { scenario: name, about, engine, nodes, seed, replay: replayLine(run) };
  if (engine === 'model') return { ...head, ...runModel(scenario, plan, tell) };
  // Made and watched in one turn: a signal between the two would leave the folder.
  const root = mkdtempSync(join(tmpdir(), 'starling-sim-'));
  const cancelRemoval = removeAtExit(root);
  try {
    const result = await runOnWorld({
      plan,
      settleMs: scenario.settle,
      everyMs: scenario.every ?? 0,
      tell,
      makeWorld: (saw) => makeWorld(engine, worldInit(run, plan, root, saw)),
    });
    return { ...head, ...result };
  } finally {
    rmSync(root, { recursive: true, force: true, maxRetries: 10 });
    cancelRemoval();
  }
}

function worldInit(
  { scenario, seed }: OneRun,
  plan: Plan,
  root: string,
  saw: WorldInit['saw'],
): WorldInit {
  const nodesOf = (act: 'disk' | 'clock'): ReadonlySet<string> =>
    new Set(plan.steps.flatMap((step) => (step.act === act ? [step.node] : [])));
  return {
    root,
    seed,
    saw,
    names: plan.names,
    hostile: plan.hostile,
    roles: plan.roles,
    heartbeatMs: scenario.heartbeat,
    links: scenario.links.default,
    special: { disks: nodesOf('disk'), clocks: nodesOf('clock') },
  };
}

async function makeWorld(engine: EngineName, init: WorldInit): Promise<World> {
  if (engine === 'inproc') return createInprocWorld(init);
  return createNetnsWorld(init);
}

function writeReport(folder: string, reports: readonly RunReport[]): void {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'report.json'), `${JSON.stringify(reports, null, 2)}\n`);
  writeFileSync(join(folder, 'report.html'), renderHtml(reports, plotsOverNodes(reports)));
}

/** Each figure against the number of nodes, where there are several numbers. Pure. */
export function plotsOverNodes(reports: readonly RunReport[]): readonly Plot[] {
  if (new Set(reports.map(({ nodes }) => nodes)).size < 2) return [];
  const names = new Set(reports.flatMap(({ figures }) => Object.keys(figures)));
  return [...names].map((name) => {
    const points = reports.flatMap(({ nodes, figures }) =>
      figures[name] === undefined ? [] : [[nodes, figures[name]] as const],
    );
    return {
      title: name,
      x: 'nodes',
      y: name,
      curves: [{ title: name, points: points.toSorted((a, b) => a[0] - b[0]) }],
    };
  });
}

function wholeNumber(option: string, text: string, min: number, max: number): number {
  const value = Number(text);
  if (text.trim() !== '' && Number.isInteger(value) && value >= min && value <= max) return value;
  throw new StarlingError(
    'STARLING_USAGE',
    `${option}: '${text}' is not a whole number from ${min} to ${max}`,
  );
}
