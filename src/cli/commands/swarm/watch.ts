/** `starling swarm watch` */
import { EXIT } from '../../../core/exit-codes.ts';
import type { ExitCode } from '../../../core/exit-codes.ts';
import type { SwarmStatusResult } from '../../../swarms/types.ts';
import { watchNode } from '../../node/locate-node.ts';
import type { CommonOptions } from '../../options/common-options.ts';
import { untilInterrupted } from '../../terminal/interrupted.ts';
import { printData } from '../../terminal/output.ts';
import { swarmText } from './swarm-lines.ts';

/** How long one call waits for a change. */
const WAIT_S = 60;
const WAY_MS = 10_000;

/** Prints the swarm at each change until it is dissolved, or Ctrl-C. @throws STARLING_SWARM_UNKNOWN */
export function run(swarmId: string, options: CommonOptions): Promise<ExitCode> {
  return untilInterrupted((signal) =>
    watchNode(
      options,
      async (node) => {
        let seen: string | undefined;
        while (!signal.aborted) {
          const wait = seen === undefined ? {} : { version: seen, timeout_s: WAIT_S };
          const swarm = await node.builtin<SwarmStatusResult>(
            'swarm_status',
            { swarmId, ...wait },
            { timeoutMs: WAIT_S * 1000 + WAY_MS },
          );
          if (swarm.version !== seen)
            printData(swarm, options.json === true, () => swarmText(swarm));
          if (swarm.status === 'dissolved') break;
          seen = swarm.version;
        }
        return EXIT.done;
      },
      signal,
    ),
  );
}
