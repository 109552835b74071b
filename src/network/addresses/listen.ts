/** Listening, with errors that a person can act on. */
import type { CircuitRelayTransportComponents } from '@libp2p/circuit-relay-v2';
import { SECOND_NODE, StarlingError } from '../../core/index.ts';
import type { Logger } from '../../core/index.ts';
import { parseAddress } from './addresses.ts';

type Listens = Pick<CircuitRelayTransportComponents['transportManager'], 'listen'>;

const CAUSES: Readonly<Record<string, readonly [why: string, hint: string]>> = {
  EADDRINUSE: [
    'another program uses the port',
    `stop that program, or choose another port with --listen or the key listen; ${SECOND_NODE}`,
  ],
  EACCES: [
    'this user may not use the port',
    'choose a port above 1023 with `--listen` or the key `listen`',
  ],
  EADDRNOTAVAIL: [
    'this machine has no such address',
    'use an address of this machine, or /ip4/0.0.0.0/…, with `--listen` or the key `listen`',
  ],
};

/** All addresses of a family. */
const ANYWHERE = /^\/ip[46]\/(?:0\.0\.0\.0|::)\//;
/** The machine has no address of that family, or does not know the family. */
const NO_FAMILY: readonly string[] = ['EADDRNOTAVAIL', 'EAFNOSUPPORT', 'EPROTONOSUPPORT'];

/**
 * Starts to listen on all addresses. "All of a family" is passed over on a machine without that family, as
 * long as it listens somewhere else.
 * @throws STARLING_LISTEN_FAILED, STARLING_ID_MALFORMED
 */
export async function listenOnAll(
  transports: Listens,
  addresses: readonly string[],
  logger: Logger,
): Promise<void> {
  const passedOver: unknown[] = [];
  for (const address of addresses) {
    try {
      await listenOn(transports, address);
    } catch (error) {
      const reason = error instanceof StarlingError ? String(error.data['reason']) : '';
      if (!ANYWHERE.test(address) || !NO_FAMILY.includes(reason)) throw error;
      passedOver.push(error);
      logger.info({ address, reason }, 'this machine has no addresses of that family');
    }
  }
  if (passedOver.length > 0 && passedOver.length === addresses.length) throw passedOver[0];
}

/** Starts to listen on one address. @throws STARLING_LISTEN_FAILED, STARLING_ID_MALFORMED */
async function listenOn(transports: Listens, address: string): Promise<void> {
  const parsed = parseAddress(address);
  try {
    await transports.listen([parsed]);
  } catch (error) {
    // libp2p keeps the socket's error only in the text of its own.
    const text = error instanceof Error ? error.message : String(error);
    const code = /\bE[A-Z]{4,}\b/.exec(text)?.[0] ?? '';
    const [why, hint] = CAUSES[code] ?? [
      code === '' ? 'no transport of ours listens on such an address' : code,
      'use an address like /ip4/0.0.0.0/tcp/4040 with `--listen` or the key `listen`',
    ];
    throw new StarlingError('STARLING_LISTEN_FAILED', `can't listen on ${address}: ${why}`, {
      hint,
      data: { address, reason: code === '' ? why : code },
      cause: error,
    });
  }
}
