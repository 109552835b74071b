/** The addresses of peers that this node was told of, the latest of each peer, and so many peers. */
import { peerIdFromString } from '@libp2p/peer-id';
import type { Libp2p } from '@libp2p/interface';
import type { Multiaddr } from '@multiformats/multiaddr';
import { messageOf } from '../../core/index.ts';
import type { Logger, PeerId } from '../../core/index.ts';
import { isRelayed, parseAddress, peerIn, withPeer } from './addresses.ts';
import { ADDRESSES_PER_PEER_MAX, REDIAL_TARGETS_MAX } from '../constants.ts';

/** What is known of where peers are. */
export interface KnownAddresses {
  /** Remembers addresses of a peer in place of those remembered before; malformed ones are left out. */
  learn(peer: PeerId, addresses: readonly string[]): void;
  /** All addresses of a peer, those of libp2p's own peer store too; each ends in the peer. */
  of(peer: PeerId): Promise<readonly Multiaddr[]>;
  /** Whether a direct address of the peer was learned. */
  hasDirect(peer: PeerId): boolean;
}

/** Makes the table, empty. */
export function createKnownAddresses(components: {
  readonly peerStore: Libp2p['peerStore'];
  readonly logger: Logger;
}): KnownAddresses {
  return new AddressTable(components.peerStore, components.logger);
}

/** Addresses as they were told. */
interface Learned {
  readonly texts: readonly string[];
  /** Those of them that can be dialled, once somebody has asked for them. */
  read: readonly Multiaddr[] | undefined;
}

class AddressTable implements KnownAddresses {
  readonly #peerStore: Libp2p['peerStore'];
  readonly #logger: Logger;
  readonly #learned = new Map<PeerId, Learned>();

  constructor(peerStore: Libp2p['peerStore'], logger: Logger) {
    this.#peerStore = peerStore;
    this.#logger = logger;
  }

  learn(peer: PeerId, addresses: readonly string[]): void {
    if (addresses.length === 0) return;
    const texts = addresses.slice(0, ADDRESSES_PER_PEER_MAX);
    const before = this.#learned.get(peer);
    const isSame = before !== undefined && before.texts.join() === texts.join();
    this.#learned.delete(peer);
    this.#learned.set(peer, isSame ? before : { texts, read: undefined });
    // Multicast DNS tells of anybody: the peer that was told of least lately goes.
    const [oldest] = this.#learned.size > REDIAL_TARGETS_MAX ? this.#learned.keys() : [];
    if (oldest !== undefined) this.#learned.delete(oldest);
  }

  async of(peer: PeerId): Promise<readonly Multiaddr[]> {
    const known = new Map<string, Multiaddr>();
    for (const address of this.#read(peer)) known.set(address.toString(), address);
    const id = peerIdFromString(peer);
    if (await this.#peerStore.has(id)) {
      for (const { multiaddr } of (await this.#peerStore.get(id)).addresses) {
        const address = withPeer(multiaddr, peer);
        known.set(address.toString(), address);
      }
    }
    return [...known.values()];
  }

  hasDirect(peer: PeerId): boolean {
    return this.#read(peer).some((address) => !isRelayed(address));
  }

  /** Of the many who are known few are dialled: what they have told is read then. */
  #read(peer: PeerId): readonly Multiaddr[] {
    const learned = this.#learned.get(peer);
    if (learned === undefined) return [];
    learned.read ??= learned.texts.flatMap((text) => this.#parse(peer, text));
    return learned.read;
  }

  #parse(peer: PeerId, text: string): readonly Multiaddr[] {
    try {
      const address = parseAddress(text);
      return (peerIn(address) ?? peer) === peer ? [withPeer(address, peer)] : [];
    } catch (error) {
      this.#logger.debug({ peer, error: messageOf(error) }, 'a peer announced an odd address');
      return [];
    }
  }
}
