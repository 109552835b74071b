/**
 * Asking a mesh of this LAN to let this node in: finds a member, knocks with this node's own key, and waits
 * until the operator there has answered. What comes back is a ticket for one node, over a connection on
 * which both ends have proven the keys whose four words both operators see.
 */
import {
  Secret,
  StarlingError,
  addressText,
  createScope,
  nearest,
  sleep,
} from '../../core/index.ts';
import type { Clock, Scope } from '../../core/index.ts';
import type { Identity } from '../../identity/index.ts';
import { createBareHost, reasonAt } from '../../network/index.ts';
import type { BareHost, Transport } from '../../network/index.ts';
import { askKnock } from './ask-knock.ts';
import type { KnockAnswered } from './ask-knock.ts';
import { fingerprintOf } from '../fingerprint.ts';
import type { MeshHere } from './knock-messages.ts';
import { hostOf } from './neighbours.ts';
import type { NeighbourMesh } from './neighbours.ts';
import { parseTicket } from '../tickets/ticket-short.ts';

/** An IPv4 address, which no mesh is called, with or without a port. */
const PLACE = /^(\d{1,3}(?:\.\d{1,3}){3})(?::(\d{1,5}))?$/;
/** Where nodes listen unless they are told otherwise. */
const PORT = '4040';
/** Other meshes that are named to whoever looks for one. */
const SEEN_MAX = 5;
/** Meshes that are listed. */
const LISTED_MAX = 32;
/** How long the LAN is searched, and how long for a second mesh of the name once one is found. */
const SEARCH_MS = 25_000;
/** How long it is listened for whatever meshes there are: multicast DNS answers within a second or two. */
const LIST_MS = 6000;
const SECOND_MS = 3000;
const LOOK_MS = 250;
/** Nodes that are asked which mesh they are of. */
const NODES_MAX = 64;
/** How long an operator may take, and how long a member may be away meanwhile. */
const WAIT_MS = 1_800_000;
const AWAY_MS = 60_000;
const PAUSE_MS = 5000;
/** However soon a member wants to be asked again. */
const PAUSE_MIN_MS = 1000;

/** What knocking works with. */
export interface KnockingComponents {
  readonly identity: Identity;
  readonly clock: Clock;
  /** Hears in short sentences what is waited for. */
  readonly progress: (line: string) => void;
  /** That this node could enter the mesh, before anybody is asked. @throws STARLING_MESH_MISMATCH */
  readonly mayEnter: (mesh: NeighbourMesh) => Promise<void>;
  readonly transports?: readonly Transport[] | undefined;
}

/** Whom to ask, and as whom. */
export interface KnockingInit {
  /** Name or four words of a mesh of this LAN, or where a member is: a multiaddr, or `192.0.2.7:4040`. */
  readonly mesh: string;
  /** What this node is called. */
  readonly name: string;
  /** Whether the LAN may be searched. */
  readonly mdns: boolean;
}

/**
 * Knocks until the operator answers; gives the ticket.
 * @throws STARLING_PEER_UNREACHABLE when no such mesh is found, or nobody answers;
 * STARLING_JOIN_REFUSED when the operator says no; STARLING_MESH_MISMATCH
 */
export async function knockAt(
  components: KnockingComponents,
  given: KnockingInit,
): Promise<Secret> {
  const init = { ...given, mesh: addressOf(given.mesh) };
  const scope = createScope(components.clock);
  try {
    const found = await find(components, init, scope);
    await components.mayEnter(found);
    if (found.open) {
      throw new StarlingError('STARLING_JOIN_REFUSED', `the mesh '${found.meshName}' is open`, {
        // A stranger chose the name, and a person may paste the line.
        hint: /^[a-z0-9-]+$/.test(found.meshName)
          ? `join it with: starling up --open ${found.meshName}`
          : 'join it with: starling up --open <its name>',
      });
    }
    return await waitFor(components, init, found, scope);
  } finally {
    scope.close();
  }
}

/** A place as people write it, `192.0.2.7` or `192.0.2.7:4040`, as a multiaddr; anything else as it is. */
function addressOf(mesh: string): string {
  const [, host, port = PORT] = PLACE.exec(mesh) ?? [];
  return host === undefined ? mesh : `/ip4/${host}/tcp/${port}`;
}

/** The mesh that is meant. */
async function find(
  components: KnockingComponents,
  init: KnockingInit,
  scope: Scope,
): Promise<NeighbourMesh> {
  const { clock, progress, transports } = components;
  if (init.mesh.startsWith('/')) {
    const host = await createBareHost({ clock, transports });
    try {
      const { answer, peer } = await askKnock({ host, clock }, init.mesh, { t: 'who' });
      if (answer.t === 'here') return neighbour(answer, peer, init.mesh);
      throw new StarlingError(
        'STARLING_JOIN_REFUSED',
        `the node at ${addressText(init.mesh)} says nothing of its mesh`,
      );
    } catch (error) {
      if (error instanceof StarlingError && error.code === 'STARLING_JOIN_REFUSED') throw error;
      throw notHeard(init.mesh, error);
    } finally {
      await host.stop();
    }
  }
  if (!init.mdns) {
    throw new StarlingError(
      'STARLING_USAGE',
      '--knock finds a mesh by multicast DNS, which is off',
      {
        hint: 'leave --no-mdns out, or give the address of a member: starling up --knock /ip4/192.168.1.5/tcp/4040',
      },
    );
  }
  progress(`looking for the mesh ${init.mesh} for up to ${SEARCH_MS / 1000} s; Ctrl-C ends it`);
  const seen = new Map<string, NeighbourMesh>();
  const meshes = await search(components, init.mesh, seen, scope);
  const [found, ...others] = meshes;
  if (found === undefined) {
    const here = seen.size === 0 ? '' : `; here are: ${hereText(init.mesh, seen)}`;
    throw nobody(
      `no mesh called '${init.mesh}' was found on this network in ${SEARCH_MS / 1000} s${here}`,
    );
  }
  if (others.length === 0) return found;
  const list = meshes.map(({ fingerprint, name, host }) => `${fingerprint} (${name} at ${host})`);
  throw new StarlingError(
    'STARLING_USAGE',
    `${meshes.length} meshes here are called '${init.mesh}': ${list.join(', ')}`,
    { hint: `say which by its four words: starling up --knock '${found.fingerprint}'` },
  );
}

/** The meshes that are heard on this LAN within six seconds, each by one node that answers for it. */
export async function meshesHere(components: {
  readonly clock: Clock;
  readonly transports?: readonly Transport[] | undefined;
}): Promise<readonly NeighbourMesh[]> {
  const { clock } = components;
  const found = new Map<string, NeighbourMesh>();
  const scope = createScope(clock);
  const host = await listenToLan(components, (one) => {
    if (found.size < LISTED_MAX || found.has(one.mesh)) keepOne(found, one);
  });
  try {
    await sleep(scope, LIST_MS);
  } finally {
    await host.stop();
    scope.close();
  }
  return [...found.values()];
}

/** Of several nodes of a mesh always the same stands for it, so that who knocks asks the one that a list has named. */
function keepOne(found: Map<string, NeighbourMesh>, one: NeighbourMesh): void {
  const known = found.get(one.mesh);
  if (known === undefined || one.peerId < known.peerId) found.set(one.mesh, one);
}

/** A host that asks each node of the LAN which mesh it is of, and tells of those that answer. */
async function listenToLan(
  { clock, transports }: Pick<KnockingComponents, 'clock' | 'transports'>,
  heard: (one: NeighbourMesh) => void,
): Promise<BareHost> {
  const asked = new Set<string>();
  const ask = async (peer: string, address: string): Promise<void> => {
    const { answer, peer: proven } = await askKnock({ host, clock }, address, { t: 'who' });
    if (answer.t === 'here' && proven === peer) heard(neighbour(answer, proven, address));
  };
  const host: BareHost = await createBareHost({
    clock,
    transports,
    onLanNode: ({ peer, addresses }) => {
      const [address] = addresses;
      if (address === undefined || asked.has(peer) || asked.size >= NODES_MAX) return;
      asked.add(peer);
      // Who does not answer is no member that could let anybody in.
      ask(peer, address).catch(() => undefined);
    },
  });
  return host;
}

/** Asks the nodes of the LAN which mesh they are of, until one is the one that is meant; the others go into `seen`. */
async function search(
  { clock, progress, transports }: KnockingComponents,
  wanted: string,
  seen: Map<string, NeighbourMesh>,
  scope: Scope,
): Promise<readonly NeighbourMesh[]> {
  const found = new Map<string, NeighbourMesh>();
  const until = { ms: clock.now() + SEARCH_MS };
  const words = wanted.replaceAll('-', ' ');
  const host = await listenToLan({ clock, transports }, (one) => {
    if (one.meshName !== wanted && one.fingerprint !== words) {
      if (seen.size >= SEEN_MAX || seen.has(one.mesh)) return;
      seen.set(one.mesh, one);
      progress(`looking for ${wanted}; here are ${hereText(wanted, seen)}`);
      return;
    }
    if (found.size === 0) until.ms = Math.min(until.ms, clock.now() + SECOND_MS);
    keepOne(found, one);
  });
  try {
    while (clock.now() < until.ms) await sleep(scope, LOOK_MS);
  } finally {
    await host.stop();
  }
  return [...found.values()];
}

/** The meshes that are here, and which of them was meant, as far as that shows. */
function hereText(wanted: string, seen: ReadonlyMap<string, NeighbourMesh>): string {
  const all = [...seen.values()];
  const near = nearest(
    wanted,
    all.map(({ meshName }) => meshName),
  );
  const list = all.map(({ meshName, fingerprint }) => `${meshName} (${fingerprint})`).join(', ');
  return near === undefined ? list : `${list}; did you mean ${near}?`;
}

/** Knocks again and again, with this node's own key. */
async function waitFor(
  { clock, identity, progress, transports }: KnockingComponents,
  { name }: KnockingInit,
  found: NeighbourMesh,
  scope: Scope,
): Promise<Secret> {
  const { address, fingerprint, host: where, meshName, name: member, peerId } = found;
  const own = fingerprintOf(identity.did);
  progress(
    `asked ${meshName} (${fingerprint}) to let this node in: at ${member} (${where}) it is ${name}, ${own}`,
  );
  const end = clock.now() + WAIT_MS;
  let heardMs = clock.now();
  while (clock.now() < end) {
    let answered: KnockAnswered | undefined;
    try {
      answered = await knockOnce({ clock, identity, transports }, address, name);
    } catch (error) {
      const away = `${member} does not answer any more at ${reasonAt(address, error)}`;
      if (clock.now() - heardMs > AWAY_MS) throw nobody(away, error);
    }
    if (answered !== undefined) {
      heardMs = clock.now();
      if (answered.peer !== peerId)
        throw nobody(`somebody else answers at ${addressText(address)} by now`);
    }
    const answer = answered?.answer;
    if (answer?.t === 'admitted') return ticketOf(answer.ticket, found);
    if (answer?.t === 'refused') throw refused(found, answer.reason);
    if (answer?.t === 'busy') progress(`too many ask ${member} to join; asking again`);
    if (answer?.t === 'wait') {
      progress(
        `${own}, words to compare; waits for the operator of ${member}: starling members admit ${name}`,
      );
    }
    const isTold = answer?.t === 'busy' || answer?.t === 'wait';
    await sleep(scope, isTold ? Math.max(PAUSE_MIN_MS, answer.everyMs) : PAUSE_MS);
  }
  throw nobody(`nobody at ${member} has answered in ${WAIT_MS / 60_000} minutes`);
}

/** One knock, with this node's own key. Rejects when nobody answers. */
async function knockOnce(
  components: Pick<KnockingComponents, 'clock' | 'identity' | 'transports'>,
  address: string,
  name: string,
): Promise<KnockAnswered> {
  const host = await createBareHost(components);
  try {
    return await askKnock({ host, clock: components.clock }, address, { t: 'knock', name });
  } finally {
    await host.stop();
  }
}

/** The ticket, which must lead into the mesh that was asked and no other. */
function ticketOf(text: string, { mesh, meshName }: NeighbourMesh): Secret {
  const ticket = new Secret(text);
  if (parseTicket(ticket).mesh === mesh) return ticket;
  throw new StarlingError(
    'STARLING_MESH_MISMATCH',
    `the ticket that came is not for the mesh '${meshName}' that was asked`,
    { hint: 'do not join; ask the person who runs that mesh' },
  );
}

function neighbour(
  { mesh, meshName, name, open }: MeshHere,
  peerId: NeighbourMesh['peerId'],
  address: string,
): NeighbourMesh {
  const fingerprint = fingerprintOf(mesh);
  return { mesh, meshName, name, open, fingerprint, peerId, host: hostOf(address), address };
}

function refused({ meshName, name }: NeighbourMesh, reason: string): StarlingError {
  return new StarlingError(
    'STARLING_JOIN_REFUSED',
    `${name} does not let this node into '${meshName}': ${reason}`,
    {
      hint: 'ask the person there for a ticket: starling invite',
    },
  );
}

/** Who is there and hears no knock is told apart from who is not there. */
function notHeard(address: string, error: unknown): StarlingError {
  if (error instanceof Error && error.name === 'UnsupportedProtocolError') {
    return new StarlingError(
      'STARLING_JOIN_REFUSED',
      `the node at ${addressText(address)} hears no knocks: its multicast DNS is off, or its version is older`,
      { hint: 'ask a member for a ticket: starling invite', cause: error },
    );
  }
  return nobody(`no node answers at ${reasonAt(address, error)}`, error);
}

function nobody(text: string, cause?: unknown): StarlingError {
  return new StarlingError('STARLING_PEER_UNREACHABLE', text, {
    hint: 'check that a node of it runs on this network with mDNS; behind a router name the address of one: starling up --knock 192.0.2.7:4040; or ask there for a ticket: starling invite',
    ...(cause === undefined ? {} : { cause }),
  });
}
