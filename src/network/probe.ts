/**
 * Asking a mesh who it is, before belonging to any: a temporary host with a key of its own dials,
 * says hello, and is gone.
 */
import { createLibp2p } from 'libp2p';
import { randomBytes } from 'node:crypto';
import { StarlingError, messageOf, silentLogger, systemClock } from '../core/index.ts';
import { parseAddress } from './addresses.ts';
import { greet } from './admission.ts';
import { ADDRESS_DIAL_TIMEOUT_MS } from './constants.ts';
import { abortReason } from './gate.ts';
import { baseOptions, transportsOf } from './host.ts';
import type { Hello, Transport, Welcome } from './types.ts';

/** How a mesh is asked. */
export interface ProbeInit {
  readonly hello: Hello;
  /** Ends the asking. */
  readonly signal: AbortSignal;
  /** What carries the connections, in place of TCP and WebSocket. */
  readonly transports?: readonly Transport[] | undefined;
}

/**
 * Says `hello` to the first of `addresses` that answers, one after the other, and returns the
 * answer, be it a refusal.
 * @throws STARLING_PEER_UNREACHABLE, STARLING_ID_MALFORMED, STARLING_TIMEOUT
 */
export async function probeMesh(addresses: readonly string[], init: ProbeInit): Promise<Welcome> {
  const targets = addresses.map(parseAddress);
  const node = await createLibp2p({
    ...(await baseOptions(randomBytes(32))),
    addresses: { listen: [] },
    transports: transportsOf(init.transports),
    connectionMonitor: { enabled: false },
    connectionManager: { reconnectRetries: 0 },
  });
  const failures: string[] = [];
  try {
    for (const target of targets) {
      if (init.signal.aborted) throw abortReason(init.signal);
      const timeout = AbortSignal.timeout(ADDRESS_DIAL_TIMEOUT_MS);
      try {
        const connection = await node.dial(target, {
          signal: AbortSignal.any([init.signal, timeout]),
        });
        return await greet({ clock: systemClock, logger: silentLogger }, connection, init.hello);
      } catch (error) {
        failures.push(`${target.toString()}: ${messageOf(error)}`);
      }
    }
  } finally {
    await node.stop();
  }
  throw new StarlingError(
    'STARLING_PEER_UNREACHABLE',
    `No node answers: ${failures.length === 0 ? 'no address was given' : failures.join('; ')}`,
    { hint: 'Check that the node runs there and that its address and port are right' },
  );
}
