/** Getting into a mesh: dials its addresses until somebody lets us in, or says that nobody will. */
import {
  StarlingError,
  createScope,
  messageOf,
  addressText,
  addressTexts,
  sleep,
  someOf,
  withDeadline,
} from '../core/index.ts';
import type { Clock } from '../core/index.ts';
import type { Network } from '../network/index.ts';
import type { OwnMesh } from './mesh.ts';

/** How long a newcomer tries to get in before it gives up. */
const JOIN_TIMEOUT_MS = 45_000;
const DIAL_TIMEOUT_MS = 10_000;
const PAUSE_MS = 1000;
/** A ticket names these for a second node of the inviter's machine. */
const LOOPBACK = /^\/(?:ip4\/127\.|ip6\/::1\/)/;
/** Places that one message names. */
const ADDRESSES_SHOWN = 2;

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
  { dial, signal }: { readonly dial: readonly string[]; readonly signal?: AbortSignal },
): Promise<void> {
  const { clock } = components;
  const scope = createScope(clock);
  const stopped = (): void => scope.close();
  signal?.addEventListener('abort', stopped, { once: true });
  const deadline = clock.now() + JOIN_TIMEOUT_MS;
  let last: unknown;
  try {
    while (clock.now() < deadline) {
      for (const address of dial) {
        signal?.throwIfAborted();
        last = (await tryAddress(components, address, signal)) ?? last;
        if (components.ownMesh.isMember()) return;
      }
      await sleep(scope, PAUSE_MS);
    }
  } finally {
    signal?.removeEventListener('abort', stopped);
    scope.close();
  }
  const where = someOf(addressTexts(dial), ADDRESSES_SHOWN);
  throw new StarlingError(
    'STARLING_PEER_UNREACHABLE',
    `nobody at the ticket's addresses (${where}) let us in within ${JOIN_TIMEOUT_MS / 1000} s: ${reasonOf(last)}`,
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
  stop: AbortSignal | undefined,
): Promise<unknown> {
  const where = LOOPBACK.test(address) ? 'on this machine' : `at ${addressText(address)}`;
  progress(`joining ${ownMesh.mesh()?.name ?? 'the mesh'} ${where}`);
  const dialled = (signal: AbortSignal): Promise<unknown> => network.dial(address, { signal });
  try {
    await withDeadline(clock, DIAL_TIMEOUT_MS, dialled, stop);
    return undefined;
  } catch (error) {
    if (isFinal(error)) throw error;
    // The network tells of the failure; whoever holds the node decides how often a person hears of it.
    return error;
  }
}

/** Why it failed, without the name of whom we could not reach. */
function reasonOf(error: unknown): string {
  const reason = error instanceof StarlingError ? error.data['reason'] : undefined;
  return typeof reason === 'string' ? reason : messageOf(error);
}

/** True when trying again can't help: somebody has answered, and said no. */
function isFinal(error: unknown): boolean {
  return (
    error instanceof StarlingError && /^STARLING_(TICKET_|MESH_|JOIN_|VERSION_)/.test(error.code)
  );
}
