/** `starling sim` */
import { EXIT } from '../../core/exit-codes.ts';
import type { ExitCode } from '../../core/exit-codes.ts';
import { StarlingError } from '../../core/errors.ts';
import { refuseOptions } from '../options/needed-option.ts';
import { flush, print, safeLine, tell } from '../terminal/output.ts';
import { createWorkProgress } from '../terminal/progress.ts';

const ENDINGS = [
  ['SIGINT', EXIT.interrupted],
  ['SIGTERM', EXIT.terminated],
] as const;

interface SimOptions {
  readonly list?: boolean;
  readonly nodes?: string;
  readonly calls?: string;
  readonly seed?: string;
  readonly seeds?: string;
  readonly engine?: string;
  readonly out?: string;
  readonly json?: boolean;
}

/** Runs the simulation, or a scenario; exit code 1 when anything failed. */
export async function run(scenario: string | undefined, options: SimOptions): Promise<ExitCode> {
  const json = options.json === true;
  if (options.list === true) {
    const { listScenarios } = await import('../../../sim/run.ts');
    print(listScenarios().trimEnd());
    return 0;
  }
  const begin = scenario === undefined ? plain(options, json) : of(scenario, options, json);
  // What is to be done at the end of the process is done: servers are ended, the folder is taken away.
  for (const [signal, code] of ENDINGS) process.once(signal, () => process.exit(code));
  if (scenario !== undefined && !json) tell(`runs ${safeLine(scenario)}; Ctrl-C ends it`);
  const { exitCode } = await begin();
  await flush();
  // libp2p's timers would keep the process for a second more.
  process.exit(exitCode);
}

function plain(options: SimOptions, json: boolean): () => Promise<{ exitCode: ExitCode }> {
  refuseOptions(options, ['seeds', 'engine', 'out'], {
    why: 'is of scenarios',
    hint: 'name one: starling sim --list, or leave it out',
  });
  const nodes = count('--nodes', options.nodes ?? '10', 2, 50);
  const calls = count('--calls', options.calls ?? '20', 1, 100_000);
  const seed = count('--seed', options.seed ?? '1', 0, 2 ** 31);
  return async () => {
    const { runSim } = await import('../../../sim/run.ts');
    return runSim({ nodes, calls, seed, json, progress: createWorkProgress() });
  };
}

function of(
  given: string,
  options: SimOptions,
  json: boolean,
): () => Promise<{ readonly exitCode: ExitCode }> {
  refuseOptions(options, ['calls'], {
    why: 'is not of scenarios',
    hint: 'leave it out: what is called stands in the scenario',
  });
  const { nodes, seed, seeds, engine, out } = options;
  return async () => {
    const { runScenario } = await import('../../../sim/run.ts');
    const write = (text: string): void => {
      process.stdout.write(text);
    };
    const asked = { given, nodes, seed, seeds, engine, out, json };
    return runScenario({ ...asked, print: write, progress: createWorkProgress() });
  };
}

function count(option: string, text: string, min: number, max: number): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= min && value <= max) return value;
  throw new StarlingError(
    'STARLING_USAGE',
    `${option}: '${text}' is not a whole number from ${min} to ${max}`,
  );
}
