/** The folders of a run that is ended by a signal: nothing of it is kept, its keys and boards are of no use. */
import { rmSync } from 'node:fs';

/** How long what is under way when the process exits may take, ms: a node that was being made makes its folder again. */
const EXIT_MS = 200;

const folders = new Set<string>();

/** Removes `folder` when this process exits, whatever ends it. Returns what calls that off. */
export function removeAtExit(folder: string): () => void {
  if (folders.size === 0) process.on('exit', removeAll);
  folders.add(folder);
  return () => {
    folders.delete(folder);
    if (folders.size === 0) process.off('exit', removeAll);
  };
}

function removeAll(): void {
  remove();
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, EXIT_MS);
  remove();
}

function remove(): void {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true, maxRetries: 10 });
}
