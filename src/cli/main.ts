/** The `starling` command from its sources. Everything but this is in `program.ts`. */
import { EXIT } from '../core/exit-codes.ts';
import { refuseDebugger } from '../core/system/debugger.ts';
import { runProgram } from './program.ts';

refuseDebugger();

const [, , ...args] = process.argv;

for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    // A terminal that was closed answers with EIO.
    if (error.code !== 'EPIPE' && error.code !== 'EIO') throw error;
    // Whoever read it has seen enough, as `head` does. A node runs on without a reader.
    if (args[0] !== 'up') process.exit(EXIT.done);
  });
}

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
