/** `starling sim` */
import { StarlingError } from '../../core/errors.ts';
import { flush, tell } from '../terminal/output.ts';

/** 128 and the number of the signal, as shells have it. */
const ENDINGS = [
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const;

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
  // What is to be done at the end of the process is done: servers are ended, the folder is taken away.
  for (const [signal, code] of ENDINGS) process.once(signal, () => process.exit(code));
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
