/** `starling agent healer` */
import { systemClock } from '../../../core/index.ts';
import { runHealer } from '../../../healing/index.ts';

/** Is the built-in healer, on standard input and output, until the node that has started it ends it. */
export async function run(): Promise<void> {
  const { env, stdin, stdout } = process;
  await runHealer({ env, input: stdin, output: stdout, clock: systemClock });
}
