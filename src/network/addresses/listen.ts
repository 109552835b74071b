/** Listening, with errors that a person can act on. */
import type { CircuitRelayTransportComponents } from '@libp2p/circuit-relay-v2';
import { StarlingError } from '../../core/index.ts';
import { parseAddress } from './addresses.ts';

const CAUSES: Readonly<Record<string, readonly [why: string, hint: string]>> = {
  EADDRINUSE: [
    'another program uses the port',
    'stop that program, or choose another port with `--listen` or the key `listen`',
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

/** Starts to listen on one address. @throws STARLING_LISTEN_FAILED, STARLING_ID_MALFORMED */
export async function listenOn(
  transports: CircuitRelayTransportComponents['transportManager'],
  address: string,
): Promise<void> {
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
