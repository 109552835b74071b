/** Other meshes of this LAN: multicast DNS names their nodes, and one of them is asked which mesh it is of. */
import { EventEmitter } from 'node:events';
import { createScope, messageOf, sleep, unawaited } from '../../core/index.ts';
import type { Clock, Logger, MeshId, PeerId, Scope, Startable } from '../../core/index.ts';
import { createBareHost } from '../../network/index.ts';
import type { LanNode, Network, Transport } from '../../network/index.ts';
import { askKnock } from './ask-knock.ts';
import { fingerprintOf } from '../fingerprint.ts';
import type { MeshHere } from './knock-messages.ts';

/** How long a node that is found has to become one of ours before it is asked. */
const GRACE_MS = 3000;
/** How soon a node is asked again, whatever it has answered. */
const AGAIN_MS = 1_800_000;
/** Nodes that are remembered, and that wait to be asked. */
const NODES_MAX = 256;
const QUEUE_MAX = 8;
/** Addresses of one node that are tried. */
const ADDRESSES_MAX = 3;
/** Meshes that are told of in one run. */
const MESHES_MAX = 8;

/** A mesh that is not ours, and the node by which it was noticed. */
export interface NeighbourMesh {
  readonly mesh: MeshId;
  readonly meshName: string;
  readonly fingerprint: string;
  readonly open: boolean;
  /** What the node is called. */
  readonly name: string;
  readonly peerId: PeerId;
  /** Its address as people write it, like 192.168.77.10. */
  readonly host: string;
  /** Multiaddr with its PeerId. */
  readonly address: string;
}

/** Heard by the node, which tells whoever watches it. */
export interface NeighbourEvents {
  /** A mesh is noticed for the first time. */
  mesh: [found: NeighbourMesh];
}

/** The watch for other meshes. */
export interface Neighbours extends Startable {
  readonly events: EventEmitter<NeighbourEvents>;
}

/** Asks one node which mesh it is of; undefined when it does not say. */
export type AskWho = (address: string) => Promise<MeshHere | undefined>;

/** What the watch works with. */
export interface NeighbourComponents {
  readonly network: Pick<Network, 'events' | 'isConnected'>;
  readonly isMember: (peer: PeerId) => boolean;
  /** The mesh of this node. */
  readonly ownMesh: () => MeshId | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly ask: AskWho;
}

/** Makes the watch, not started. */
export function createNeighbours(components: NeighbourComponents): Neighbours {
  return new Watch(components);
}

class Watch implements Neighbours {
  readonly events = new EventEmitter<NeighbourEvents>();
  readonly #components: NeighbourComponents;
  /** When each node was seen first or asked last, the oldest first. */
  readonly #seen = new Map<PeerId, number>();
  readonly #queue: LanNode[] = [];
  readonly #told = new Set<MeshId>();
  #scope: Scope | undefined;
  #isAsking = false;

  constructor(components: NeighbourComponents) {
    this.#components = components;
    // The first answers of the LAN come while the node starts, and the next ones ten seconds later.
    components.network.events.on('lan:node', this.#found);
  }

  async start(): Promise<void> {
    const { clock, logger } = this.#components;
    this.#scope ??= createScope(clock, (error) =>
      logger.error({ error: messageOf(error) }, 'looking for other meshes failed'),
    );
    this.#askOn();
  }

  async stop(): Promise<void> {
    this.#components.network.events.off('lan:node', this.#found);
    this.#scope?.close();
    this.#scope = undefined;
    this.#queue.length = 0;
  }

  readonly #found = (node: LanNode): void => {
    const now = this.#components.clock.now();
    const before = this.#seen.get(node.peer);
    if (before !== undefined && now - before < AGAIN_MS) return;
    if (this.#isOurs(node.peer) || this.#queue.length >= QUEUE_MAX) return;
    if (this.#told.size >= MESHES_MAX) return;
    this.#seen.delete(node.peer);
    this.#seen.set(node.peer, now);
    for (const [peer] of this.#seen) {
      if (this.#seen.size <= NODES_MAX) break;
      this.#seen.delete(peer);
    }
    this.#queue.push(node);
    this.#askOn();
  };

  #askOn(): void {
    unawaited(this.#askAll(), this.#components.logger, 'looking for other meshes failed');
  }

  /** One after the other, so that a LAN full of nodes costs little at a time. */
  async #askAll(): Promise<void> {
    const scope = this.#scope;
    if (this.#isAsking || scope === undefined) return;
    this.#isAsking = true;
    try {
      for (let node = this.#queue[0]; node !== undefined; node = this.#queue[0]) {
        if (!(await sleep(scope, GRACE_MS))) return;
        this.#queue.shift();
        if (!this.#isOurs(node.peer)) await this.#ask(node);
        if (this.#scope !== scope) return;
      }
    } finally {
      this.#isAsking = false;
    }
  }

  async #ask({ peer, addresses }: LanNode): Promise<void> {
    const { ask, logger, ownMesh } = this.#components;
    for (const address of addresses.slice(0, ADDRESSES_MAX)) {
      try {
        const here = await ask(address);
        if (here === undefined) return;
        if (this.#scope === undefined || here.mesh === ownMesh() || this.#told.has(here.mesh))
          return;
        this.#told.add(here.mesh);
        const fingerprint = fingerprintOf(here.mesh);
        const { mesh, meshName, name, open } = here;
        const host = hostOf(address);
        const found = { mesh, meshName, fingerprint, open, name, peerId: peer, host, address };
        this.events.emit('mesh', found);
        return;
      } catch (error) {
        logger.debug(
          { peer, address, error: messageOf(error) },
          'a node of the LAN did not answer',
        );
      }
    }
  }

  #isOurs(peer: PeerId): boolean {
    const { isMember, network } = this.#components;
    return network.isConnected(peer) || isMember(peer);
  }
}

/** Asks with a host that has a key of its own: nobody learns who asks. */
export function askWho(components: {
  readonly clock: Clock;
  readonly transports?: readonly Transport[] | undefined;
}): AskWho {
  return async (address) => {
    const host = await createBareHost(components);
    try {
      const { answer } = await askKnock({ host, clock: components.clock }, address, { t: 'who' });
      return answer.t === 'here' ? answer : undefined;
    } finally {
      await host.stop();
    }
  };
}

/** The host of a multiaddr, as people write it. */
export function hostOf(address: string): string {
  return /^\/(?:ip4|ip6|dns|dns4|dns6)\/([^/]+)/.exec(address)?.[1] ?? address;
}
