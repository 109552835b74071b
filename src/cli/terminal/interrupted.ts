/** What Ctrl-C means to a command: it ends what the command waits for, and the second one the process. */
import { StarlingError } from '../../core/errors.ts';
import { EXIT } from '../../core/exit-codes.ts';
import type { ExitCode } from '../../core/exit-codes.ts';
import { clearEcho } from './output.ts';

/** Exit codes of commands that are ended by a signal. */
const CODES = { SIGINT: EXIT.interrupted, SIGTERM: EXIT.terminated } as const;
type Ending = keyof typeof CODES;

/** A person left at a question by Ctrl-C. */
export function interrupted(what: string): StarlingError {
  return new StarlingError('STARLING_INTERRUPTED', what);
}

/**
 * Runs `work` with a signal that is aborted by SIGINT and SIGTERM; gives what `work` gives, or the exit
 * code of the signal, whatever the work made of its end.
 */
export async function untilInterrupted<T>(
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T | ExitCode> {
  const abort = new AbortController();
  let code: ExitCode = EXIT.done;
  const end = (signal: Ending): void => {
    code = CODES[signal];
    if (signal === 'SIGINT') clearEcho();
    abort.abort();
  };
  const names = Object.keys(CODES) as Ending[];
  // `once`: the second signal ends the process at once, as it does where nobody listens.
  for (const name of names) process.once(name, end);
  try {
    const result = await work(abort.signal);
    return abort.signal.aborted ? code : result;
  } catch (error) {
    if (abort.signal.aborted) return code;
    throw error;
  } finally {
    for (const name of names) process.off(name, end);
  }
}
