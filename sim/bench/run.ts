/**
 * `npm run bench [-- mesh|gateway|guard|metrics|budget|hostile|scale|board|agents|tasks|models|page|learn] [--quick] [--json] [--check] [--record]`: without a part, all of
 * them. Tables for people, or one JSON object; with `--check` the exit code is 1 when a bar is not
 * cleared; `--record` writes the tables to `sim/RESULTS.md`, `metrics`, `budget`, `hostile`, `scale`, `board`, `agents`, `tasks`, `models`, `page` and `learn` to sections of their own; `--quick` runs
 * everything of ours once and shortly, without bars. `--only <attack>` has `hostile` run that attack alone;
 * `--nodes N` has `scale` measure so many, `--only one-process|processes|cuts` that alone, and `--long` has its busy
 * loops run for five minutes; `--only peers|newcomer|overwrites|strong|disk` has `board` measure that alone,
 * `--only runs` has it run nodes that are killed and cut off (with `--seeds N` and `--first M` so many seeds from M on),
 * `--only planted` such runs with faults planted in them, which they must find,
 * `--only costs|newcomer|parallel|cuts` has `budget` measure that,
 * `--only ways|experiences` has `learn`, and
 * `--only times|cpu|failures|cache|crowd` has `models`, whose crowd asks for 20 s, and with `--long` for ten minutes,
 * `--only requests|starts|idle|hogs|queue|choosing` has `agents`, and `--only faults|awards|rates` has `tasks`; `--seeds N`,
 * `--first M` and `--tasks K` have it run so many seeds from M on, of so many tasks.
 */
import { createWorkProgress } from '../../src/cli/terminal/progress.ts';
import { readOptions } from '../command-options.ts';
import { recordResult } from '../results.ts';
import { benchAgents } from './agents/agents.ts';
import { isFailed } from './bars.ts';
import type { Bar } from './bars.ts';
import { benchBoard } from './board/board.ts';
import { benchBudget } from './budget/budget.ts';
import { benchGateway } from './gateway.ts';
import { benchGuard } from './guard.ts';
import { benchHostile } from './hostile/hostile.ts';
import { benchLearn } from './learn/learn.ts';
import { benchMesh } from './mesh.ts';
import { benchMetrics } from './metrics.ts';
import { benchModels } from './models/models.ts';
import { benchPage } from './page/page.ts';
import { benchScale } from './scale/scale.ts';
import { FULL, QUICK } from './size.ts';
import type { BoardSize, ModelsSize, ScaleSize, TasksSize } from './size.ts';
import { benchTasks } from './tasks/tasks.ts';

/** Parts that are recorded by themselves. */
const OWN_SECTIONS: readonly string[] = [
  'metrics',
  'budget',
  'hostile',
  'scale',
  'board',
  'agents',
  'tasks',
  'models',
  'page',
  'learn',
];
/** What `board` does only where that is asked for, which is recorded by itself, too. */
const LONG_OF_BOARD: readonly string[] = ['runs', 'planted'];
const PARTS: readonly string[] = ['mesh', 'gateway', 'guard', ...OWN_SECTIONS];

const USAGE = `
npm run bench -- [part …] [options]: measures speed and costs; all parts without a name of one

parts: ${PARTS.join(', ')}

  --quick          everything of ours once and shortly, without bars
  --check          exit code 1 when a bar is not cleared
  --record         write the tables to sim/RESULTS.md
  --json           one JSON object in place of tables
  --only <what>    hostile: one attack; scale: one-process, processes, cuts;
                   board: peers, newcomer, overwrites, strong, disk, runs, planted;
                   budget: costs, newcomer, parallel, cuts;
                   models: times, cpu, failures, cache, crowd;
                   learn: ways, experiences;
                   agents: requests, starts, idle, hogs, queue, choosing;
                   tasks: faults, awards, rates (may be repeated)
  --long           scale: busy loops for five minutes; models: a crowd for ten
  --nodes <n>      scale: so many nodes (may be repeated)
  --seeds <n>      tasks, budget, runs of board: so many seeds
  --first <n>      tasks, runs of board: the first seed
  --tasks <n>      tasks: so many tasks a seed
`;

const { values, positionals } = readOptions({
  usage: USAGE,
  options: {
    quick: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    check: { type: 'boolean', default: false },
    record: { type: 'boolean', default: false },
    // Names of attacks, for `hostile`: the rest is left out.
    only: { type: 'string', multiple: true, default: [] },
    // Busy loops for five minutes, for `scale`; a crowd for ten, for `models`.
    long: { type: 'boolean', default: false },
    // Numbers of nodes, for `scale`, in place of those it does.
    nodes: { type: 'string', multiple: true, default: [] },
    // How many seeds, for `tasks`, `budget` and the runs of `board`, and how many tasks each.
    seeds: { type: 'string' },
    // The first seed, for `tasks` and the runs of `board`: they take minutes each on a busy machine.
    first: { type: 'string' },
    tasks: { type: 'string' },
  },
});
const LONG_BUSY_MS = 300_000;
const LONG_CROWD_MS = 600_000;
const unknown = positionals.find((part) => !PARTS.includes(part));
if (unknown !== undefined) {
  process.stderr.write(`no part is called ${unknown}; parts: ${PARTS.join(', ')}\n`);
  process.exitCode = 2;
} else if (values.record && !isWhole()) {
  process.stderr.write(
    'only the whole benchmark is recorded, or the whole of metrics, budget, hostile, scale, board, agents, tasks, models, page or learn: leave out other parts, --only, --nodes, --seeds, --tasks and --quick\n',
  );
  process.exitCode = 2;
} else await run(positionals.length === 0 ? PARTS : positionals);

function isWhole(): boolean {
  const [part, ...others] = positionals;
  const isAll = part === undefined || (OWN_SECTIONS.includes(part) && others.length === 0);
  return isAll && !values.quick && isFull();
}

function isFull(): boolean {
  const { nodes, only, seeds, first, tasks } = values;
  return [
    only.length === 0 || longOfBoard() !== undefined,
    nodes.length === 0,
    seeds === undefined,
    first === undefined,
    tasks === undefined,
  ].every(Boolean);
}

/** The one thing that `board` is to do of those that take half an hour. */
function longOfBoard(): string | undefined {
  const [only = '', ...more] = values.only;
  const isAlone = positionals.join() === 'board' && more.length === 0;
  return isAlone && LONG_OF_BOARD.includes(only) ? only : undefined;
}

async function run(parts: readonly string[]): Promise<void> {
  const printed = {
    bench: [] as string[],
    'bench metrics': [] as string[],
    'bench budget': [] as string[],
    'bench hostile': [] as string[],
    'bench scale': [] as string[],
    'bench board': [] as string[],
    'bench agents': [] as string[],
    'bench tasks': [] as string[],
    'bench models': [] as string[],
    'bench page': [] as string[],
    'bench learn': [] as string[],
  };
  const progress = createWorkProgress();
  const printTo =
    (section: keyof typeof printed) =>
    (text: string): void => {
      printed[section].push(text);
      if (!values.json) progress.above(() => process.stdout.write(text));
    };
  const print = printTo('bench');
  const size = values.quick ? QUICK : FULL;
  const isPart = (part: string): boolean => {
    const isAsked = parts.includes(part);
    // Its seconds begin with it.
    progress.done();
    if (isAsked) progress.show(`measuring: ${part}`);
    return isAsked;
  };
  const mesh = isPart('mesh') ? await benchMesh(size.mesh, print) : undefined;
  const gateway = isPart('gateway') ? await benchGateway(size.gateway, print) : undefined;
  const guard = isPart('guard') ? await benchGuard(size.guard, print) : undefined;
  const metrics = isPart('metrics')
    ? await benchMetrics(size.metrics, printTo('bench metrics'))
    : undefined;
  const budget = isPart('budget')
    ? await benchBudget(
        { ...size.budget, seeds: Number(values.seeds ?? size.budget.seeds) },
        values.only,
        printTo('bench budget'),
      )
    : undefined;
  const hostile = isPart('hostile')
    ? await benchHostile(size.hostile, values.only, printTo('bench hostile'))
    : undefined;
  const scale = isPart('scale')
    ? await benchScale(withNodes(size.scale), printTo('bench scale'))
    : undefined;
  const board = isPart('board')
    ? await benchBoard(withRuns(size.board), values.only, printTo('bench board'))
    : undefined;
  const agents = isPart('agents')
    ? await benchAgents(size.agents, values.only, printTo('bench agents'))
    : undefined;
  const tasks = isPart('tasks')
    ? await benchTasks(withSeeds(size.tasks), {
        only: values.only,
        print: printTo('bench tasks'),
        progress: (line) => progress.say(line),
      })
    : undefined;
  const models = isPart('models')
    ? await benchModels(withCrowd(size.models), values.only, printTo('bench models'))
    : undefined;
  const page = isPart('page') ? await benchPage(size.page, printTo('bench page')) : undefined;
  const learn = isPart('learn')
    ? await benchLearn(size.learn, values.only, printTo('bench learn'))
    : undefined;
  progress.done();
  const figures = {
    mesh,
    gateway,
    guard,
    metrics,
    budget,
    hostile,
    scale,
    board,
    agents,
    tasks,
    models,
    page,
    learn,
  };
  if (values.json) process.stdout.write(`${JSON.stringify(figures)}\n`);
  const bars = Object.values(figures).flatMap((part): readonly Bar[] =>
    part !== undefined && 'bars' in part ? part.bars : [],
  );
  if (values.check && !values.quick && bars.some(isFailed)) process.exitCode = 1;
  if (!values.record) return;
  for (const [name, texts] of Object.entries(printed)) {
    if (texts.length === 0) continue;
    const part = name === 'bench' || parts.length > 1 ? '' : `${name.slice('bench '.length)} `;
    const only = longOfBoard();
    const option = only === undefined ? '' : `--only ${only} `;
    const long = values.long ? '--long ' : '';
    const check = values.check ? '--check ' : '';
    const command = `npm run bench -- ${part}${option}${long}${check}--record`;
    const section = only === undefined ? name : `${name} ${only}`;
    recordResult({ name: section, command, text: texts.join('') });
  }
}

/** Whether memory stays as it is shows in ten minutes. */
function withCrowd(size: ModelsSize): ModelsSize {
  return values.long ? { ...size, crowdMs: LONG_CROWD_MS } : size;
}

/** A part of the runs. */
function withRuns(size: BoardSize): BoardSize {
  const { seeds, first = '1' } = values;
  if (seeds === undefined) return size;
  const runs = { ...size.runs, seeds: Number(seeds), first: Number(first) };
  return { ...size, runs };
}

function withSeeds(size: TasksSize): TasksSize {
  const { first = size.first, seeds = size.seeds, tasks } = values;
  const some = { ...size, seeds: Number(seeds), first: Number(first) };
  if (tasks === undefined) return some;
  const count = Number(tasks);
  return { ...some, tasks: count, queued: count, submits: Math.min(size.submits, count) };
}

/**
 * The numbers of nodes that were asked for, if any were; `--only processes`, `--only one-process` and `--only cuts` leave
 * the rest out, and `--long` has busy loops run for five minutes.
 */
function withNodes(size: ScaleSize): ScaleSize {
  const nodes = values.nodes.map(Number).filter((count) => Number.isInteger(count) && count > 1);
  const isWanted = (part: string): boolean =>
    values.only.length === 0 || values.only.includes(part);
  const asked = nodes.length === 0 ? size : { ...size, oneProcess: nodes, processes: nodes };
  return {
    ...asked,
    ...(values.long ? { busyMs: LONG_BUSY_MS } : {}),
    ...(isWanted('one-process') ? {} : { oneProcess: [] }),
    ...(isWanted('processes') ? {} : { processes: [] }),
    ...(isWanted('cuts') ? {} : { losses: [] }),
  };
}
