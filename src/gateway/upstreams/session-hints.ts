/**
 * Tells a peer that it should have a session here, because this node has granted it something, and hears the same:
 * frame `offer` on the control stream of a link, one byte, 1 when there is something and else 0. So nobody has a
 * session at a peer that offers nothing, and what is granted still comes at once: grants themselves come in the
 * session. A peer of before can't say, and has a session as all had.
 */
import {
  createBuckets,
  createScope,
  messageOf,
  withDeadline,
  unawaited,
} from '../../core/index.ts';
import type { Buckets, Clock, Did, Logger, PeerId, Scope } from '../../core/index.ts';
import type { GrantBook } from '../../grants/index.ts';
import { didFromPeerId, peerIdFromDid } from '../../identity/index.ts';
import type { Membership } from '../../membership/index.ts';
import type { Network } from '../../network/index.ts';

/** Of the frame. */
const KIND = 'offer';
/** How often a peer may say so: each may cost a session. */
const HINTS = { burst: 30, everyMs: 2000 } as const;
/** How long connecting to somebody who was granted something may take; who is met later hears then. */
const DIAL_TIMEOUT_MS = 10_000;

/** What hints work with. */
export interface SessionHintsComponents {
  readonly network: Pick<
    Network,
    'connected' | 'dial' | 'events' | 'isConnected' | 'onFrame' | 'report' | 'self' | 'sendFrame'
  >;
  readonly grants: Pick<GrantBook, 'events' | 'issuedTo'>;
  readonly membership: Pick<Membership, 'peer'>;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Hints, out and in. */
export interface SessionHints {
  /** `changed` hears of peers of whom {@link isAsked} may be another from now on. */
  start(changed: (peer: PeerId) => void): void;
  stop(): void;
  /** Whether the peer has something for this node, or can't say. */
  isAsked(peer: PeerId): boolean;
  /** A session was had: the next hint is a new one. */
  taken(peer: PeerId): void;
}

/** No peer has been asked yet. */
export function createSessionHints(components: SessionHintsComponents): SessionHints {
  return new Hints(components);
}

class Hints implements SessionHints {
  readonly #components: SessionHintsComponents;
  readonly #asked = new Set<PeerId>();
  /** Connected peers that can't say. */
  readonly #old = new Set<PeerId>();
  readonly #hints: Buckets;
  #scope: Scope | undefined;
  #changed: (peer: PeerId) => void = () => undefined;
  #unhear: (() => void) | undefined;

  /** Hears from now on: a peer says so once, maybe while this node has a link already and is starting still. */
  constructor(components: SessionHintsComponents) {
    this.#components = components;
    this.#hints = createBuckets(components.clock, HINTS);
    this.#hear();
  }

  start(changed: (peer: PeerId) => void): void {
    if (this.#scope !== undefined) return;
    const { clock, grants, network } = this.#components;
    const scope = createScope(clock);
    this.#scope = scope;
    this.#changed = changed;
    const { logger } = this.#components;
    const connected = (peer: PeerId): void =>
      unawaited(this.#say(peer), logger, 'a peer was not told whether it was granted anything', {
        peer,
      });
    const disconnected = (peer: PeerId): void => {
      this.#old.delete(peer);
    };
    const granted = (holder: Did): void =>
      unawaited(this.#granted(holder), logger, 'who was granted something was not told', {
        holder,
      });
    network.events.on('peer:connect', connected);
    network.events.on('peer:disconnect', disconnected);
    grants.events.on('change', granted);
    scope.add(() => network.events.off('peer:connect', connected));
    scope.add(() => network.events.off('peer:disconnect', disconnected));
    scope.add(() => grants.events.off('change', granted));
    this.#hear();
    for (const peer of network.connected()) connected(peer);
  }

  stop(): void {
    this.#scope?.close();
    this.#scope = undefined;
    this.#unhear?.();
    this.#unhear = undefined;
    this.#asked.clear();
    this.#old.clear();
  }

  isAsked(peer: PeerId): boolean {
    return this.#asked.has(peer) || this.#old.has(peer);
  }

  taken(peer: PeerId): void {
    this.#asked.delete(peer);
  }

  async #say(peer: PeerId): Promise<void> {
    const { grants, network } = this.#components;
    const hasAny = grants.issuedTo(didFromPeerId(peer)).length > 0;
    const isTold = await network.sendFrame(peer, KIND, Uint8Array.of(hasAny ? 1 : 0));
    if (isTold || this.#scope === undefined || !network.isConnected(peer)) return;
    this.#old.add(peer);
    this.#changed(peer);
  }

  #hear(): void {
    const { network } = this.#components;
    this.#unhear ??= network.onFrame(KIND, (bytes, from) => this.#heard(bytes, from));
  }

  #heard(bytes: Uint8Array, from: PeerId): void {
    if (!this.#hints.take(from)) {
      this.#components.network.report(from, 'catalogs');
      return;
    }
    if (bytes[0] !== 1) return;
    this.#asked.add(from);
    this.#changed(from);
  }

  /** Whoever was granted something is told, if need be over a link that is made for it. */
  async #granted(holder: Did): Promise<void> {
    const { clock, logger, membership, network } = this.#components;
    const peer = peerIdFromDid(holder);
    if (peer === network.self) return;
    if (network.isConnected(peer)) {
      await this.#say(peer);
      return;
    }
    if (membership.peer(peer)?.state !== 'alive') return;
    try {
      // Its link is what tells.
      await withDeadline(
        clock,
        DIAL_TIMEOUT_MS,
        (signal) => network.dial(peer, { signal }),
        this.#scope?.signal,
      );
    } catch (error) {
      logger.debug({ peer, error: messageOf(error) }, 'who was granted something is not reached');
    }
  }
}
