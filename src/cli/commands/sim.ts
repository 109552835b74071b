/** `starling sim` */
import { StarlingError } from '../../core/errors.ts';
import { flush, tell } from '../terminal/output.ts';

interface SimOptions {
  readonly nodes: string;
  readonly calls: string;
  readonly seed: string;
  readonly json?: boolean;
}

/** Runs the simulation; exit code 1 when anything failed. */
export async function run(options: SimOptions): Promise<number> {
  const nodes = count('--nodes', options.nodes, 2, 50);
  const calls = count('--calls', options.calls, 1, 100_000);
  const seed = count('--seed', options.seed, 0, 2 ** 31);
  const { runSim } = await import('../../../sim/run.ts');
  const { exitCode } = await runSim({
    nodes,
    calls,
    seed,
    json: options.json === true,
    ...(options.json === true ? {} : { progress: tell }),
  });
  await flush();
  // libp2p's timers would keep the process for a second more.
  process.exit(exitCode);
}

function count(option: string, text: string, min: number, max: number): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= min && value <= max) return value;
  throw new StarlingError(
    'STARLING_USAGE',
    `${option}: '${text}' is not a whole number from ${min} to ${max}`,
  );
}
