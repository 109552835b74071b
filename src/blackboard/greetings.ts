/**
 * What two nodes say of their open boards when they meet: the digests, in a frame on the link, which costs no
 * stream where they are the same, as they mostly are. Of two, one asks for what differs.
 */
import { backoffMs, createBuckets, messageOf } from '../core/index.ts';
import type { Buckets, Clock, Logger, PeerId, Random, Scope } from '../core/index.ts';
import type { Network } from '../network/index.ts';
import { decodeMessage, encodeMessage } from './sync/codec.ts';
import type { Digests } from './sync/codec.ts';

/** What greetings work with. */
export interface GreetingComponents {
  readonly network: Pick<Network, 'isConnected' | 'onFrame' | 'report' | 'self' | 'sendFrame'>;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly scope: Scope;
  /** Digests of the open boards here. */
  digests(): Digests;
  /** Asks a peer for its digests over a stream. */
  askDigests(peer: PeerId): Promise<Digests>;
  syncNow(peer: PeerId, board: string): void;
}

/** Greetings of this node and its peers. */
export interface Greetings {
  /** Says which boards this node has, and what of them. */
  greet(peer: PeerId): Promise<void>;
}

const MEET_ATTEMPTS = 4;
/** Of the frame in which each end of a new link says the digests of its boards. */
const KIND = 'boards';
/** More digests are asked for over a stream. */
const GREETING_BYTES_MAX = 32 * 1024;
/** How often a peer may say so: once a link. */
const GREETINGS = { burst: 8, everyMs: 2000 } as const;
const MEET_RETRY = { baseMs: 1000, capMs: 8000 } as const;

/** Begins to greet and to hear greetings, until the scope closes. */
export function createGreetings(components: GreetingComponents): Greetings {
  return new FrameGreetings(components);
}

class FrameGreetings implements Greetings {
  readonly #components: GreetingComponents;
  readonly #allowance: Buckets;

  constructor(components: GreetingComponents) {
    const { clock, network, scope } = components;
    this.#components = components;
    this.#allowance = createBuckets(clock, GREETINGS);
    scope.add(network.onFrame(KIND, (bytes, from) => this.#greeted(bytes, from)));
  }

  async greet(peer: PeerId): Promise<void> {
    const { network } = this.#components;
    const digests = encodeMessage({ t: 'digests', digests: this.#components.digests() });
    const isTold =
      digests.length <= GREETING_BYTES_MAX && (await network.sendFrame(peer, KIND, digests));
    if (!isTold) this.#meet(peer, 0);
  }

  #greeted(bytes: Uint8Array, peer: PeerId): void {
    const { network } = this.#components;
    if (!this.#allowance.take(peer)) {
      network.report(peer, 'boards');
      return;
    }
    const message = decodeMessage(bytes);
    if (message?.t !== 'digests') network.report(peer, 'malformed');
    // Of two that meet, one asks.
    else if (network.self < peer) this.#syncDiffering(peer, message.digests);
  }

  #syncDiffering(peer: PeerId, theirs: Digests): void {
    if (this.#components.scope.closed) return;
    const ours = this.#components.digests();
    for (const name of new Set([...theirs.keys(), ...ours.keys()])) {
      if (ours.get(name) !== theirs.get(name)) this.#components.syncNow(peer, name);
    }
  }

  /** Asks for what did not fit into a frame, or what a peer without control stream does not say. */
  #meet(peer: PeerId, attempt: number): void {
    const { network, random, logger, scope } = this.#components;
    if (scope.closed || network.self > peer) return;
    this.#components
      .askDigests(peer)
      .then((theirs) => {
        this.#syncDiffering(peer, theirs);
        return undefined;
      })
      .catch((error: unknown) => {
        logger.debug({ peer, attempt, error: messageOf(error) }, 'boards not compared');
        if (attempt + 1 >= MEET_ATTEMPTS || !network.isConnected(peer)) return;
        const delayMs = backoffMs(attempt, MEET_RETRY, random);
        scope.after(delayMs, () => this.#meet(peer, attempt + 1));
      });
  }
}
