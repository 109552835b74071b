/** Getting into a mesh: dials its addresses until somebody lets us in, or says that nobody will. */
import { StarlingError, createScope, messageOf, sleep, withDeadline } from '../core/index.ts';
import type { Clock } from '../core/index.ts';
import type { Network } from '../network/index.ts';
import type { OwnMesh } from './mesh.ts';

/** How long a newcomer tries to get in before it gives up. */
const JOIN_TIMEOUT_MS = 45_000;
const DIAL_TIMEOUT_MS = 10_000;
const PAUSE_MS = 1000;

/** What joining works with. */
export interface JoinComponents {
  readonly network: Pick<Network, 'dial'>;
  readonly ownMesh: Pick<OwnMesh, 'isMember' | 'mesh'>;
  readonly clock: Clock;
  /** Hears in short sentences what is waited for. */
  readonly progress: (line: string) => void;
}

/**
 * Dials the addresses one after the other, again and again, until somebody lets this node in.
 * @throws STARLING_TICKET_*, STARLING_MESH_MISMATCH, STARLING_JOIN_REFUSED when somebody says no;
 * STARLING_PEER_UNREACHABLE when nobody answers for 45 s
 */
export async function joinMesh(
  components: JoinComponents,
  { dial }: { readonly dial: readonly string[] },
): Promise<void> {
  const { clock } = components;
  const scope = createScope(clock);
  const deadline = clock.now() + JOIN_TIMEOUT_MS;
  let last: unknown;
  try {
    while (clock.now() < deadline) {
      for (const address of dial) {
        last = (await tryAddress(components, address)) ?? last;
        if (components.ownMesh.isMember()) return;
      }
      await sleep(scope, PAUSE_MS);
    }
  } finally {
    scope.close();
  }
  throw new StarlingError(
    'STARLING_PEER_UNREACHABLE',
    `nobody at the ticket's addresses (${dial.join(', ')}) let us in within ${JOIN_TIMEOUT_MS / 1000} s: ${messageOf(last)}`,
    {
      hint:
        (last instanceof StarlingError ? last.hint : undefined) ??
        'check that the peer runs and that its port is open to this machine',
      cause: last,
    },
  );
}

/** Gives why an address did not answer. @throws when whoever is there has said no */
async function tryAddress(
  { network, ownMesh, clock, progress }: JoinComponents,
  address: string,
): Promise<unknown> {
  progress(`joining mesh '${ownMesh.mesh()?.name ?? ''}' at ${address}`);
  try {
    await withDeadline(clock, DIAL_TIMEOUT_MS, (signal) => network.dial(address, { signal }));
    return undefined;
  } catch (error) {
    if (isFinal(error)) throw error;
    progress(`no answer at ${address}: ${messageOf(error)}`);
    return error;
  }
}

/** True when trying again can't help: somebody has answered, and said no. */
function isFinal(error: unknown): boolean {
  return (
    error instanceof StarlingError && /^STARLING_(TICKET_|MESH_|JOIN_|VERSION_)/.test(error.code)
  );
}
