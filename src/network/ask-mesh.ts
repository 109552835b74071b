/**
 * Asking a mesh who it is, before belonging to any: a temporary host with a key of its own dials,
 * says hello, and is gone.
 */
import { StarlingError, silentLogger, withDeadline } from '../core/index.ts';
import type { Clock } from '../core/index.ts';
import { abortReason } from './abort.ts';
import { parseAddress } from './addresses/addresses.ts';
import { createBareHost } from './bare-host.ts';
import { ADDRESS_DIAL_TIMEOUT_MS } from './constants.ts';
import { sayHello } from './admission/hello-exchange.ts';
import { versionIn } from './admission/versions.ts';
import { reasonAt } from './failure-words.ts';
import type { Hello, HelloAnswer, Transport } from './types.ts';

/** What an asker says of itself, and how long it waits. */
export interface AskMeshInit {
  readonly hello: Hello;
  readonly clock: Clock;
  /** Ends the asking. */
  readonly signal: AbortSignal;
  /** What carries the connections, in place of TCP and WebSocket. */
  readonly transports?: readonly Transport[] | undefined;
}

/**
 * Says `hello` to the first of `addresses` that answers, one after the other, and returns the
 * answer, a refusal too.
 * @throws STARLING_PEER_UNREACHABLE, STARLING_ID_MALFORMED, STARLING_TIMEOUT; STARLING_VERSION_UNSUPPORTED
 * when nobody but nodes of another version answers
 */
export async function askMesh(
  addresses: readonly string[],
  init: AskMeshInit,
): Promise<HelloAnswer> {
  const { clock, signal } = init;
  for (const address of addresses) parseAddress(address);
  const host = await createBareHost(init);
  const failures: string[] = [];
  let otherVersion: unknown;
  try {
    for (const address of addresses) {
      if (signal.aborted) throw abortReason(signal);
      try {
        const { connection } = await withDeadline(
          clock,
          ADDRESS_DIAL_TIMEOUT_MS,
          (limit) => host.dial(address, { signal: limit }),
          signal,
        );
        return await sayHello({ clock, logger: silentLogger }, connection, init.hello);
      } catch (error) {
        if (versionIn(error) !== undefined) otherVersion = error;
        failures.push(reasonAt(address, error));
      }
    }
  } finally {
    await host.stop();
  }
  // Somebody does answer: another address would not help.
  if (otherVersion !== undefined) throw otherVersion;
  throw new StarlingError(
    'STARLING_PEER_UNREACHABLE',
    failures.length === 0
      ? 'no node answers: no address was given'
      : `no node answers at ${failures.join('; nor at ')}`,
    { hint: 'check that the node runs there and that its address and port are right' },
  );
}
