/** The `starling` command from its sources. Everything but this is in `program.ts`. */
import { EXIT } from '../core/exit-codes.ts';
import { refuseDebugger } from '../core/system/debugger.ts';
import { withoutNode } from './groups/command-line/typed-words.ts';
import { runProgram } from './program.ts';
import { heedOutput } from './terminal/refused-output.ts';

refuseDebugger();

const [, , ...args] = process.argv;

heedOutput(withoutNode(args)[0] === 'up');

// Nothing keeps the process any more, and the command has not said how it went: that is no success.
const tellUnfinished = (): void => {
  process.exitCode = EXIT.failed;
  process.stderr.write('error: the command ended before it was done: what it waited for is gone\n');
};
process.once('beforeExit', tellUnfinished);

// Not awaited here: the built program is CommonJS, whose compiled code can be kept (`build/`).
runProgram(args)
  .then((code) => {
    process.exitCode = code;
    return undefined;
  })
  .catch((error: unknown) => {
    const told = error instanceof Error ? (error.stack ?? error.message) : String(error);
    process.exitCode = EXIT.failed;
    process.stderr.write(`error: the command ended in a way that nobody foresaw: ${told}\n`);
  })
  .finally(() => process.off('beforeExit', tellUnfinished));
