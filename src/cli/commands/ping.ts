/** `starling ping` */
import type { ExitCode } from '../../core/exit-codes.ts';
import type { PeerPingResult } from '../../builtin/results.ts';
import { systemClock } from '../../core/time/clock.ts';
import { StarlingError } from '../../core/errors.ts';
import { createScope } from '../../core/lifecycle.ts';
import { addressText } from '../../core/words/address-text.ts';
import { shownName } from '../../core/words/shown-name.ts';
import { sleep } from '../../core/wait.ts';
import type { NodeClient } from '../node/client.ts';
import { withNode } from '../node/locate-node.ts';
import type { CommonOptions } from '../options/common-options.ts';
import { untilInterrupted } from '../terminal/interrupted.ts';
import { print, safeLine } from '../terminal/output.ts';

/** So many at the most where no number is asked for: a direct way is found by then, or is not there. */
const COUNT_MAX = 10;
const EVERY_MS = 1000;
/** How long one may take, which includes connecting. */
const TIMEOUT_MS = 10_000;

/** Options of the command. */
export interface PingOptions extends CommonOptions {
  readonly count?: number;
}

/** Pings until the route is direct, or as often as was asked; fails where nothing was answered. */
export function run(peer: string, options: PingOptions): Promise<ExitCode> {
  return untilInterrupted((signal) =>
    withNode(options, (node) => pingAll(node, peer, options, signal), signal),
  );
}

async function pingAll(
  node: NodeClient,
  peer: string,
  { count, json }: PingOptions,
  signal: AbortSignal,
): Promise<ExitCode> {
  const scope = createScope(systemClock);
  signal.addEventListener('abort', () => scope.close(), { once: true });
  const most = count ?? COUNT_MAX;
  let last: PeerPingResult | undefined;
  let failure: unknown;
  for (let sent = 0; sent < most; sent += 1) {
    if (sent > 0 && !(await sleep(scope, EVERY_MS))) break;
    try {
      last = await node.builtin<PeerPingResult>('peer_ping', { peer }, { timeoutMs: TIMEOUT_MS });
      print(json === true ? JSON.stringify(last) : safeLine(pong(last)));
    } catch (error) {
      failure = error;
      if (signal.aborted || !isSilence(error)) break;
      print(
        json === true
          ? JSON.stringify({ peer, error: error.code, message: error.message })
          : safeLine(`no answer of ${peer}: ${error.message}`),
      );
    }
    if (count === undefined && last?.route === 'direct') break;
  }
  scope.close();
  if (last === undefined) throw failure;
  if (json !== true && count === undefined && last.route === 'relayed') {
    const way = `goes through ${last.relay ?? 'a relay'}`;
    print(safeLine(`no direct way in ${most} pings: what is sent to ${nameOf(last)} ${way}`));
    if (last.why !== undefined) print(safeLine(`why: ${last.why}`));
  }
  return 0;
}

function nameOf({ peer, newName }: PeerPingResult): string {
  return shownName({ alias: peer, newName });
}

/** Whether the next ping may be answered. */
function isSilence(error: unknown): error is StarlingError {
  const codes = ['STARLING_TIMEOUT', 'STARLING_PEER_UNREACHABLE'];
  return error instanceof StarlingError && codes.includes(error.code);
}

function pong(result: PeerPingResult): string {
  const { rttMs, route, relay, address } = result;
  const way =
    route === 'direct' ? `direct, ${addressText(address)}` : `through ${relay ?? 'a relay'}`;
  return `pong from ${nameOf(result)} in ${rttMs.toFixed(1)} ms, ${way}`;
}
