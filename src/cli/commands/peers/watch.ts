/** `starling peers --watch` */
import type { ExitCode } from '../../../core/exit-codes.ts';
import type { PeersResult } from '../../../builtin/results.ts';
import { systemClock } from '../../../core/time/clock.ts';
import { createScope } from '../../../core/lifecycle.ts';
import { sleep } from '../../../core/wait.ts';
import type { NodeClient } from '../../node/client.ts';
import { watchNode } from '../../node/locate-node.ts';
import type { CommonOptions } from '../../options/common-options.ts';
import { untilInterrupted } from '../../terminal/interrupted.ts';
import { print } from '../../terminal/output.ts';

const EVERY_MS = 1000;
const TO_THE_TOP = '\u001b[H\u001b[J';

/**
 * Shows the peers anew each second until Ctrl-C: on a terminal in the same place, elsewhere whenever `key` of
 * them is another than before.
 */
export function watchPeers(
  options: CommonOptions,
  { show, key }: Readonly<Record<'show' | 'key', (result: PeersResult) => string>>,
): Promise<ExitCode> {
  const isLive = options.json !== true && process.stdout.isTTY;
  const watch = async (node: NodeClient, signal: AbortSignal): Promise<ExitCode> => {
    const scope = createScope(systemClock);
    signal.addEventListener('abort', () => scope.close(), { once: true });
    let shown: string | undefined;
    do {
      const result = await node.builtin<PeersResult>('peers');
      const now = key(result);
      if (isLive) print(`${TO_THE_TOP}${show(result)}\n\nCtrl-C ends this`);
      else if (now !== shown) print(options.json === true ? JSON.stringify(result) : show(result));
      shown = now;
    } while (await sleep(scope, EVERY_MS));
    return 0;
  };
  return untilInterrupted((signal) => watchNode(options, (node) => watch(node, signal), signal));
}
