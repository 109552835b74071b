/** The folder of a run that is ended by a signal: nothing of it is kept, its keys and boards are of no use. */
import { rmSync } from 'node:fs';

/** How long what is under way when the process exits may take, ms: a node that was being made makes its folder again. */
const EXIT_MS = 200;

/** Removes `folder` when this process exits, whatever ends it. Returns what calls that off. */
export function removeAtExit(folder: string): () => void {
  const remove = (): void => rmSync(folder, { recursive: true, force: true, maxRetries: 10 });
  const atExit = (): void => {
    remove();
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, EXIT_MS);
    remove();
  };
  process.on('exit', atExit);
  return () => void process.off('exit', atExit);
}
