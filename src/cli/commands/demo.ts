/** `starling demo` */
import { EXIT } from '../../core/exit-codes.ts';
import type { ExitCode } from '../../core/exit-codes.ts';
import { StarlingError, messageOf } from '../../core/errors.ts';
import { flush, print, tell } from '../terminal/output.ts';

const ENDINGS = [
  ['SIGINT', EXIT.interrupted],
  ['SIGTERM', EXIT.terminated],
] as const;

/** Tells a story by three real nodes; exit code 1 when it did not come to its end. */
export async function run(name: 'self-heal' | 'swarm'): Promise<ExitCode> {
  const [, cli] = process.argv;
  if (cli === undefined) {
    throw new StarlingError('STARLING_USAGE', 'the demo starts nodes by the file of the command');
  }
  const { runDemo } = await import('../../../sim/run.ts');
  // What is to be done at the end of the process is done: nodes are ended, the folder is taken away.
  for (const [signal, code] of ENDINGS) process.once(signal, () => process.exit(code));
  const startedAt = performance.now();
  let exitCode: ExitCode = EXIT.done;
  try {
    await runDemo({ name, cli, print });
    const seconds = Math.round((performance.now() - startedAt) / 1000);
    print('');
    print(`That took ${seconds} s; the three nodes and their folder are gone.`);
  } catch (error) {
    tell(`error: the demo did not come to its end: ${messageOf(error)}`);
    exitCode = EXIT.failed;
  }
  await flush();
  // Connections that are kept open would keep the process for seconds more.
  process.exit(exitCode);
}
