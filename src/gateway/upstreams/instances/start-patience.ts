/**
 * How long a call waits for a server that has never been ready on this node: a program that is downloaded first may take
 * minutes, and whoever waits for the answer gives up before that and blames its own limit.
 */
import type { Instance } from './instance.ts';
import type { ServerInstances } from './server-instances-types.ts';

/**
 * From then on a call is told that its server is still starting. Longer than any other start may take, so that a server
 * which fails says why by itself; shorter than the 60 s after which the callers of a server give up by default.
 */
const START_PATIENCE_MS = 45_000;

/**
 * The instance once it is there. Of a server that has been ready before it is waited for as long as its start may take.
 * @throws STARLING_UPSTREAM_UNAVAILABLE where the server is still starting after 45 s; what the start throws
 */
export function startedInTime(
  upstream: Pick<ServerInstances, 'clock' | 'hasBeenReady' | 'stillStarting'>,
  starting: Promise<Instance>,
): Promise<Instance> {
  if (upstream.hasBeenReady) return starting;
  return new Promise((resolve, reject) => {
    const cancel = upstream.clock.schedule(START_PATIENCE_MS, () => {
      // What runs now is another process of it, which is bounded as any start is.
      if (!upstream.hasBeenReady) reject(upstream.stillStarting());
    });
    starting.then(
      (instance) => {
        cancel();
        resolve(instance);
      },
      (error: unknown) => {
        cancel();
        reject(error instanceof Error ? error : new Error(String(error)));
      },
    );
  });
}
