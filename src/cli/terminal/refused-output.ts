/** What becomes of a command whose output is taken no more: by a reader that has gone, or by a disk that is full. */
import { EXIT } from '../../core/exit-codes.ts';
import { diskTroubleOf } from '../../core/system/disk-trouble.ts';
import type { DiskTrouble } from '../../core/system/disk-trouble.ts';

/** A terminal that was closed answers with EIO. */
const GONE = new Set(['EPIPE', 'EIO']);

/**
 * Ends the command once its output is not taken, quietly where a reader has seen enough. `isNode`: the command is a node,
 * which works for others and runs on, whoever reads what it says.
 */
export function heedOutput(isNode: boolean): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      const isGone = GONE.has(error.code ?? '');
      const trouble = isGone ? undefined : diskTroubleOf(error);
      if (!isGone && trouble === undefined) throw error;
      if (isNode) return;
      // Whoever read it has seen enough, as `head` does.
      if (trouble === undefined) process.exit(EXIT.done);
      // What is told to nobody changes nothing of what the command does.
      if (stream === process.stderr) return;
      tellRefused(trouble);
      process.exit(EXIT.failed);
    });
  }
}

function tellRefused({ hint, text }: DiskTrouble): void {
  process.stderr.write(
    `error: what this command prints can't be written: ${text} [STARLING_STATE_UNUSABLE]\n  → ${hint}\n`,
  );
}
