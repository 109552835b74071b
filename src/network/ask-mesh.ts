/**
 * Asking a mesh who it is, before belonging to any: a temporary host with a key of its own dials,
 * says hello, and is gone.
 */
import type { Connection } from '@libp2p/interface';
import { createLibp2p } from 'libp2p';
import { randomBytes } from 'node:crypto';
import { StarlingError, settledWithin, silentLogger, withDeadline } from '../core/index.ts';
import type { Clock } from '../core/index.ts';
import { abortReason } from './abort.ts';
import { parseAddress } from './addresses/addresses.ts';
import { ADDRESS_DIAL_TIMEOUT_MS, STOP_TIMEOUT_MS } from './constants.ts';
import { sayHello } from './admission/hello-exchange.ts';
import { createEncryption, isOutOfTime } from './host/encryption.ts';
import { baseOptions, transportsOf } from './host/host.ts';
import { reasonText } from './failure-words.ts';
import type { Hello, HelloAnswer, Transport } from './types.ts';

/** How a mesh is asked. */
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
 * @throws STARLING_PEER_UNREACHABLE, STARLING_ID_MALFORMED, STARLING_TIMEOUT
 */
export async function askMesh(
  addresses: readonly string[],
  init: AskMeshInit,
): Promise<HelloAnswer> {
  const { clock, signal } = init;
  const targets = addresses.map(parseAddress);
  const encryption = createEncryption();
  const node = await createLibp2p({
    ...(await baseOptions(randomBytes(32), encryption)),
    addresses: { listen: [] },
    transports: transportsOf(init.transports),
    connectionMonitor: { enabled: false },
    connectionManager: { reconnectRetries: 0 },
  });
  const failures: string[] = [];
  try {
    for (const target of targets) {
      if (signal.aborted) throw abortReason(signal);
      try {
        const dial = (): Promise<Connection> =>
          withDeadline(
            clock,
            ADDRESS_DIAL_TIMEOUT_MS,
            (limit) => node.dial(target, { signal: limit }),
            signal,
          );
        const connection = await dial().catch((error: unknown) => {
          if (!isOutOfTime(error)) throw error;
          encryption.prefer('noise');
          return dial();
        });
        return await sayHello({ clock, logger: silentLogger }, connection, init.hello);
      } catch (error) {
        failures.push(`${target.toString()}: ${reasonText(error)}`);
      }
    }
  } finally {
    await settledWithin(STOP_TIMEOUT_MS, Promise.resolve(node.stop()), clock);
  }
  throw new StarlingError(
    'STARLING_PEER_UNREACHABLE',
    `no node answers: ${failures.length === 0 ? 'no address was given' : failures.join('; ')}`,
    { hint: 'check that the node runs there and that its address and port are right' },
  );
}
