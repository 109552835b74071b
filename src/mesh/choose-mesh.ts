/** Which mesh a node is in when it starts: that of a ticket, an open one, its own, or a new one. */
import type { Config } from '../config/index.ts';
import {
  StarlingError,
  VERSION,
  addressText,
  addressTexts,
  someOf,
  withDeadline,
} from '../core/index.ts';
import type { Clock, Did } from '../core/index.ts';
import type { Identity } from '../identity/index.ts';
import { HELLO_VERSION, askMesh } from '../network/index.ts';
import type { Transport } from '../network/index.ts';
import type { MayMove, MeshAdmission } from './admission.ts';
import { knockAt } from './knocks/knock.ts';
import { describeEnd, membershipEnded } from './records/membership-end.ts';
import type { OwnMesh } from './mesh.ts';
import type { Mesh } from './types.ts';

/** How long the bootstrap addresses are asked, all together. */
const PROBE_TIMEOUT_MS = 20_000;
/** Longest name of a mesh that is named after its founder. */
const NAME_MAX = 32;
/** Of tickets that were good once. */
const OLD_TICKET: readonly string[] = ['STARLING_TICKET_EXPIRED', 'STARLING_TICKET_SPENT'];

/** What a mesh is chosen with. */
export interface ChooseMeshComponents {
  readonly ownMesh: OwnMesh;
  readonly admission: MeshAdmission;
  readonly config: Config;
  readonly identity: Identity;
  readonly clock: Clock;
  /** Hears in short sentences what is waited for. */
  readonly progress: (line: string) => void;
  /** Whether this node may leave the mesh that it is alone in; default: no. */
  readonly mayMove?: MayMove | undefined;
  /** The names of peers that are known, by their keys. */
  readonly nameOf?: (did: Did) => string | undefined;
  /** What carries the connections, in place of TCP and WebSocket. */
  readonly transports?: readonly Transport[] | undefined;
}

/**
 * Chooses the mesh that the node is in; returns the addresses to dial.
 * @throws STARLING_TICKET_INVALID, STARLING_TICKET_EXPIRED, STARLING_MESH_MISMATCH, STARLING_JOIN_REFUSED;
 * STARLING_MEMBERSHIP_ENDED when this node was put out and has no ticket that lets it in again
 */
export async function chooseMesh(components: ChooseMeshComponents): Promise<readonly string[]> {
  const { admission, config, ownMesh, mayMove } = components;
  if (config.join !== undefined) {
    try {
      return [...(await admission.takeTicket(config.join, mayMove)), ...config.bootstrap];
    } catch (error) {
      throw endOr(error, components);
    }
  }
  if (config.knock !== undefined) {
    return [...(await enterByKnock(components, config.knock)), ...config.bootstrap];
  }
  requireNotEnded(components);
  if (config.open !== undefined) await ownMesh.enterOpen(config.open);
  else if (ownMesh.mesh() === undefined) {
    if (config.bootstrap.length > 0) await enterByAddress(components);
    else await ownMesh.found(config.meshName ?? `${config.name}-mesh`.slice(0, NAME_MAX));
  }
  return config.bootstrap;
}

/** @throws STARLING_MEMBERSHIP_ENDED when somebody has put this node out */
export function requireNotEnded({
  ownMesh,
  nameOf,
}: Pick<ChooseMeshComponents, 'ownMesh' | 'nameOf'>): void {
  const end = ownMesh.ended();
  if (end !== undefined) throw membershipEnded(describeEnd(end, ownMesh.require(), nameOf), end);
}

/** Who was put out and shows the ticket of before is told that, and not that the ticket is old. */
export function endOr(
  error: unknown,
  components: Pick<ChooseMeshComponents, 'ownMesh' | 'nameOf'>,
): unknown {
  const isOld = error instanceof StarlingError && OLD_TICKET.includes(error.code);
  if (!isOld) return error;
  try {
    requireNotEnded(components);
  } catch (end) {
    return end;
  }
  return error;
}

/** Asks the operator of a member. A node that is let in already asks nobody: services keep their options. */
async function enterByKnock(
  components: ChooseMeshComponents,
  mesh: string,
): Promise<readonly string[]> {
  const { admission, clock, config, identity, mayMove, ownMesh, progress, transports } = components;
  const own = ownMesh.isMember() ? ownMesh.mesh() : undefined;
  if (own !== undefined && (own.name === mesh || own.fingerprint === mesh.replaceAll('-', ' '))) {
    progress(
      `this node is in ${own.name} (${own.fingerprint}), and asks nobody; another mesh of that name goes by its four words: --knock '<words>'`,
    );
    return [];
  }
  const { mdns, name } = config;
  let agreed: MayMove | undefined;
  const ticket = await knockAt(
    {
      identity,
      clock,
      progress,
      transports,
      // Asked first: nobody there is bothered for a node that then stays where it is.
      async mayEnter({ mesh: id, meshName, fingerprint }) {
        const from = ownMesh.mesh();
        if (from === undefined || from.id === id) return;
        if (!ownMesh.mayGo()) ownMesh.requireSame(id, meshName);
        const isAgreed = await mayMove?.(from, { name: meshName, fingerprint });
        if (isAgreed !== true) throw staysIn(from, meshName, mesh);
        agreed = () => Promise.resolve(true);
      },
    },
    { mesh, name, mdns },
  );
  return admission.takeTicket(ticket, agreed);
}

function staysIn(from: Mesh, name: string, mesh: string): StarlingError {
  return new StarlingError(
    'STARLING_MESH_MISMATCH',
    `this node belongs to the mesh '${from.name}' (${from.fingerprint}), and was to ask '${name}'`,
    { hint: `to go over to that mesh, agree: starling up --knock '${mesh}' --yes` },
  );
}

/** Asks the peers at the bootstrap addresses which mesh theirs is; an open one is entered. */
async function enterByAddress(components: ChooseMeshComponents): Promise<void> {
  const { config, clock, ownMesh, progress, transports } = components;
  progress(`asking ${someOf(addressTexts(config.bootstrap), 1)} which mesh is there`);
  const own = { version: HELLO_VERSION, release: VERSION, name: config.name } as const;
  const hello = { ...own, time: clock.now(), membership: [] };
  const answer = await withDeadline(clock, PROBE_TIMEOUT_MS, (signal) =>
    askMesh(config.bootstrap, { hello, clock, signal, transports }),
  );
  if (!answer.ok && answer.open === true && answer.meshName !== undefined) {
    await ownMesh.enterOpen(answer.meshName);
    if (ownMesh.mesh()?.id === answer.mesh) return;
  }
  const name = !answer.ok && answer.meshName !== undefined ? ` '${answer.meshName}'` : '';
  throw new StarlingError(
    'STARLING_JOIN_REFUSED',
    `the mesh${name} at ${addressText(config.bootstrap[0] ?? '')} is private`,
    {
      hint: 'ask a member for a ticket (starling invite), and start with: starling up --join <ticket>',
    },
  );
}
