/**
 * `npm run sim [-- <scenario>] [--nodes N] [--calls N] [--seed N] [--json] [--record]`: what `starling sim` does;
 * with `--record` its table is written to `sim/RESULTS.md`. Exit code 1 when anything failed.
 */
import { createWorkProgress } from '../src/cli/terminal/progress.ts';
import { readOptions } from './command-options.ts';
import { recordResult } from './results.ts';

/** What is recorded: as many nodes as one process may have, with a hundred calls each. */
const RECORDED = { nodes: '50', calls: '100', seed: '1' } as const;
const USUAL = { nodes: '10', calls: '20', seed: '1' } as const;

const USAGE = `
npm run sim -- [scenario] [options]: a mesh of real nodes in one process, or a scenario (docs/simulator.md)

  all              all scenarios, with --seeds <n>
  model-check      the model against real nodes, with --nodes 10,25
  <scenario>       a name or a file; starling sim --help has more

  --nodes <n>      how many nodes (2 to 50; default: ${USUAL.nodes})
  --calls <n>      how many tool calls (default: ${USUAL.calls})
  --seed <n>       the seed (default: ${USUAL.seed})
  --seeds <n>      a scenario: so many seeds, one after the other
  --engine <name>  a scenario: model or nodes
  --out <folder>   a scenario: where its report goes
  --json           print JSON
  --record         write the result to sim/RESULTS.md
`;

const { values, positionals } = readOptions({
  usage: USAGE,
  options: {
    engine: { type: 'string' },
    out: { type: 'string' },
    seeds: { type: 'string' },
    nodes: { type: 'string' },
    calls: { type: 'string' },
    seed: { type: 'string' },
    json: { type: 'boolean', default: false },
    record: { type: 'boolean', default: false },
  },
});
const [given] = positionals;
if (given !== undefined) await scenario(given);
const usual = values.record ? RECORDED : USUAL;
const nodes = count('nodes', 2, 50);
const calls = count('calls', 1, 100_000);
const seed = count('seed', 0, 2 ** 31);
const printed: string[] = [];
// As the command line does: a static import would move the simulation away from the files that it starts.
const { runSim } = await import('./run.ts');
const { exitCode } = await runSim({
  nodes,
  calls,
  seed,
  json: values.json,
  progress: createWorkProgress(),
  print(text) {
    printed.push(text);
    process.stdout.write(text);
  },
});
if (values.record && !values.json) {
  const command = `npm run sim -- --nodes ${nodes} --calls ${calls} --seed ${seed} --record`;
  recordResult({ name: 'sim', command, text: printed.join('') });
}
// libp2p's timers would keep the process for a second more.
process.stdout.write('', () => process.exit(exitCode));

/** Runs a scenario, and ends. */
async function scenario(name: string): Promise<never> {
  if (name === 'model-check') return modelCheck();
  if (name === 'all') return all();
  const { runScenario } = await import('./run.ts');
  const lines: string[] = [];
  const { seed, seeds, engine, out, json, record } = values;
  try {
    const { exitCode } = await runScenario({
      given: name,
      seed,
      seeds,
      engine,
      out,
      json,
      nodes: values.nodes,
      progress: createWorkProgress(),
      print(text) {
        lines.push(text);
        process.stdout.write(text);
      },
    });
    if (record) {
      const asked = process.argv.slice(2).join(' ');
      const text = lines.filter((line) => !line.startsWith('report: ')).join('');
      recordResult({ name: `sim ${name}`, command: `npm run sim -- ${asked}`, text });
    }
    await new Promise((resolve) => process.stdout.write('', resolve));
    return process.exit(exitCode);
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    return process.exit(2);
  }
}

/** Runs all scenarios, with as many seeds as are asked for. */
async function all(): Promise<never> {
  const { runAll } = await import('./scenario/all.ts');
  const lines: string[] = [];
  const seeds = values.seeds ?? '1';
  const progress = createWorkProgress();
  const isHeld = await runAll({
    seeds: Number(seeds),
    progress,
    print(text) {
      lines.push(text);
      progress.above(() => process.stdout.write(text));
    },
  });
  if (values.record) {
    const command = `npm run sim -- all --seeds ${seeds} --record`;
    recordResult({ name: 'sim all', command, text: lines.join('') });
  }
  await new Promise((resolve) => process.stdout.write('', resolve));
  return process.exit(isHeld ? 0 : 1);
}

/** Measures the costs of the model, and holds its predictions against real nodes. */
async function modelCheck(): Promise<never> {
  const { checkModel } = await import('./scenario/model/check.ts');
  const lines: string[] = [];
  const nodes = values.nodes ?? '10,25';
  const progress = createWorkProgress();
  progress.show('measuring the model against real nodes');
  const isClose = await checkModel({
    nodes: nodes.split(',').map(Number),
    idleMs: 15_000,
    isRecorded: values.record,
    print(text) {
      lines.push(text);
      progress.above(() => process.stdout.write(text));
    },
  }).finally(() => progress.done());
  if (values.record) {
    const command = `npm run sim -- model-check --nodes ${nodes} --record`;
    recordResult({ name: 'sim model-check', command, text: lines.join('') });
  }
  await new Promise((resolve) => process.stdout.write('', resolve));
  return process.exit(isClose ? 0 : 1);
}

function count(name: 'nodes' | 'calls' | 'seed', min: number, max: number): number {
  const value = Number(values[name] ?? usual[name]);
  if (Number.isInteger(value) && value >= min && value <= max) return value;
  process.stderr.write(`--${name} must be a whole number from ${min} to ${max}\n`);
  process.exit(2);
}
