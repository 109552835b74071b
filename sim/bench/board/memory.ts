/** Memory of what is measured in this process. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

const collect = collector();

/** Memory in use, MB, in another turn: what a function has left on the stack is gone by then. */
export async function quietHeapMb(): Promise<number> {
  await new Promise((resolve) => setImmediate(resolve));
  for (let i = 0; i < 3; i += 1) collect();
  return process.memoryUsage().heapUsed / 1e6;
}

/** V8's garbage collector, which only a flag gives. */
function collector(): () => void {
  setFlagsFromString('--expose-gc');
  // Else it forgets, as it collects, what functions that rest were compiled to: that is no memory of a board.
  setFlagsFromString('--no-flush-bytecode');
  return runInNewContext('gc') as () => void;
}
