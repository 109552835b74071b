/**
 * What the redialer's keys stand for: a PeerId, or a bootstrap address that names no peer and leads to
 * whoever is there.
 */
import type { Multiaddr } from '@multiformats/multiaddr';
import type { PeerId } from '../../core/index.ts';
import { parseAddress, peerIn, withPeer } from '../addresses/addresses.ts';
import { isRefusal } from './dial-failure.ts';
import type { Dialer } from './dialer.ts';
import type { Links } from '../links/links.ts';
import { isPeerId } from '../peer-id.ts';
import type { Redialer } from './redialer.ts';
import type { DialOutcome } from './redial-schedule.ts';

/** Answers the redialer. */
export interface RedialTargets {
  /**
   * Whether the target is connected as well as it can be (directly, when a direct address is known), or needs
   * no link because others are connected to it.
   */
  isSatisfied(key: string): boolean;
  /** Dials the target once. Never rejects. */
  dial(key: string, signal: AbortSignal): Promise<DialOutcome>;
  /** The keys that a connection to `peer` satisfied. */
  keysOf(peer: PeerId): readonly string[];
}

/** Makes the targets; they are known by being dialled. */
export function createRedialTargets(components: {
  readonly dialer: Dialer;
  readonly links: Links;
  readonly isSpare: (peer: PeerId) => boolean;
}): RedialTargets {
  return new Targets(components.dialer, components.links, components.isSpare);
}

class Targets implements RedialTargets {
  readonly #dialer: Dialer;
  readonly #links: Links;
  readonly #isSpare: (peer: PeerId) => boolean;
  /** Whom a bootstrap address has led to. As long as the configured list at most. */
  readonly #peerAt = new Map<string, PeerId>();

  constructor(dialer: Dialer, links: Links, isSpare: (peer: PeerId) => boolean) {
    this.#dialer = dialer;
    this.#links = links;
    this.#isSpare = isSpare;
  }

  isSatisfied(key: string): boolean {
    const peer = isPeerId(key) ? key : this.#peerAt.get(key);
    const link = peer === undefined ? undefined : this.#links.best(peer);
    if (peer !== undefined && link === undefined && this.#isSpare(peer)) return true;
    if (link === undefined || peer === undefined) return false;
    return link.direct || !this.#dialer.hasDirectAddress(peer);
  }

  async dial(key: string, signal: AbortSignal): Promise<DialOutcome> {
    try {
      const upgrade = isPeerId(key) && this.#links.has(key);
      const peer = await this.#dialer.dial(key, { signal, upgrade });
      if (!isPeerId(key)) this.#peerAt.set(key, peer);
      return 'connected';
    } catch (error) {
      // The dialer has told of the failure by `dial:failed`.
      return isRefusal(error) ? 'refused' : 'failed';
    }
  }

  keysOf(peer: PeerId): readonly string[] {
    const addresses = [...this.#peerAt].filter(([, found]) => found === peer);
    return [peer, ...addresses.map(([address]) => address)];
  }
}

/** Keeps the bootstrap addresses connected: by peer where the address names a peer. */
export function keepBootstrap(
  addresses: readonly string[],
  parts: { readonly dialer: Dialer; readonly redialer: Redialer; readonly self: PeerId },
): void {
  const byPeer = new Map<PeerId, Multiaddr[]>();
  for (const text of addresses) {
    const address = parseAddress(text);
    const peer = peerIn(address);
    if (peer === parts.self) continue;
    if (peer === undefined) parts.redialer.keep(text);
    else byPeer.set(peer, [...(byPeer.get(peer) ?? []), withPeer(address, peer)]);
  }
  for (const [peer, known] of byPeer) {
    parts.dialer.learn(peer, known.map(String));
    parts.redialer.keep(peer);
  }
}
