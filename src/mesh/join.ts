/** Getting into a mesh: dials its addresses until somebody lets us in, or says that nobody will. */
import { StarlingError, messageOf } from '../core/index.ts';
import type { Clock } from '../core/index.ts';
import type { Network } from '../network/index.ts';
import type { MeshBook } from './mesh-book.ts';

/** How long a newcomer tries to get in before it gives up. */
const JOIN_TIMEOUT_MS = 45_000;
const DIAL_TIMEOUT_MS = 10_000;
const PAUSE_MS = 1000;

/** What joining works with. */
export interface JoinComponents {
  readonly network: Pick<Network, 'dial'>;
  readonly meshBook: Pick<MeshBook, 'isMember' | 'mesh'>;
  readonly clock: Clock;
  /** Hears in short sentences what is waited for. */
  readonly progress: (line: string) => void;
}

/** Dials until somebody lets us in. @throws why nobody does */
export async function joinMesh(
  { network, meshBook, clock, progress }: JoinComponents,
  { dial }: { readonly dial: readonly string[] },
): Promise<void> {
  const deadline = clock.now() + JOIN_TIMEOUT_MS;
  const name = meshBook.mesh()?.name ?? '';
  let last: unknown;
  while (clock.now() < deadline) {
    for (const address of dial) {
      progress(`joining mesh '${name}' at ${address}`);
      try {
        await network.dial(address, { signal: AbortSignal.timeout(DIAL_TIMEOUT_MS) });
      } catch (error) {
        if (isFinal(error)) throw error;
        last = error;
        progress(`no answer at ${address}: ${messageOf(error)}`);
      }
      if (meshBook.isMember()) return;
    }
    await new Promise<void>((resolve) => {
      setTimeout(resolve, PAUSE_MS);
    });
  }
  throw new StarlingError(
    'STARLING_PEER_UNREACHABLE',
    `nobody at the ticket's addresses (${dial.join(', ')}) let us in within ${JOIN_TIMEOUT_MS / 1000} s: ${messageOf(last)}`,
    { hint: 'check that the peer runs and that its port is open to this machine', cause: last },
  );
}

/** True when trying again can't help: somebody has judged us and said no. */
function isFinal(error: unknown): boolean {
  return (
    error instanceof StarlingError && /^STARLING_(TICKET_|MESH_|JOIN_|VERSION_)/.test(error.code)
  );
}
