/**
 * Looks into a node's process from within: loaded before the node by `node --import`, it answers each
 * connection to the socket that `SOAK_PROBE` names with the memory that is in use after a collection.
 */
import { rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

const SETTLE_MS = 50;
const COLLECTIONS = 3;

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;
const path = process.env['SOAK_PROBE'];

/** Several times, with turns between: what a collection frees may hold what the next one can free. */
async function settle(): Promise<void> {
  for (let round = 0; round < COLLECTIONS; round += 1) {
    collect();
    await new Promise((resolve) => {
      setTimeout(resolve, SETTLE_MS);
    });
  }
}

if (path !== undefined) {
  rmSync(path, { force: true });
  createServer((socket) => {
    socket.on('error', () => socket.destroy());
    void settle().then(() => socket.end(JSON.stringify(process.memoryUsage())));
  })
    .listen(path)
    .unref();
}
