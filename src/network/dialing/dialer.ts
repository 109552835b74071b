/**
 * Reaching a peer or an address, by whatever way leads there. Every way ends admitted. Whoever dials a
 * target that is being dialled waits for the same dial.
 */
import type { Connection, Libp2p } from '@libp2p/interface';
import type { Multiaddr } from '@multiformats/multiaddr';
import { StarlingError, messageOf, withDeadline } from '../../core/index.ts';
import type { Clock, Logger, PeerId, Random, Scope } from '../../core/index.ts';
import { abortReason, raceAbort } from '../abort.ts';
import { parseAddress, peerIn, withoutPeer } from '../addresses/addresses.ts';
import type { AdmissionStates } from '../admission/admission-states.ts';
import {
  DIAL_TIMEOUT_MS,
  LOOKUP_AFTER_MS,
  LOOKUP_PAUSE_MS,
  REDIAL_TARGETS_MAX,
} from '../constants.ts';
import { isOtherKey, isRefusal, unreachable } from './dial-failure.ts';
import { dialWays } from './dial-ways.ts';
import type { DialWay } from './dial-ways.ts';
import { createKnownAddresses } from '../addresses/known-addresses.ts';
import type { KnownAddresses } from '../addresses/known-addresses.ts';
import { isOutOfTime, isTls } from '../host/encryption.ts';
import type { Encryption } from '../host/encryption.ts';
import type { Host } from '../host/host.ts';
import type { Links } from '../links/links.ts';
import { isPeerId, peerOf } from '../peer-id.ts';

/**
 * Of so many dials that found another key at a peer's addresses, one meets whoever is there. Lower
 * learns sooner of a key that was replaced, higher bothers strangers less.
 */
const MEET_EVERY = 16;
/** How long Noise stays first after clocks were found apart. More = fewer dials in vain, at twice the CPU. */
const NOISE_FIRST_MS = 600_000;
/** At most so often a connection that ends unheard is tried again with Noise. */
const GUESS_PAUSE_MS = 10_000;

/** What dialling needs. */
export interface DialerComponents {
  readonly node: Libp2p;
  readonly gate: AdmissionStates;
  readonly links: Links;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly encryption: Pick<Encryption, 'prefer'>;
  /** Asks the DHT. */
  readonly findPeer: Host['findPeer'];
  /** Owns the timers. */
  readonly scope: Pick<Scope, 'after'>;
}

/** Limits of the dialer, and whom it asks. */
export interface DialerInit {
  readonly self: PeerId;
  /** Connections in all, strangers' included. */
  readonly connections: number;
  readonly relay: boolean;
  /** Ends all dials: fires when the network stops. */
  readonly signal: AbortSignal;
  /** Whether this node has disconnected the peer and has not admitted it since. */
  readonly isDenied: (peer: PeerId) => boolean;
  /** Whether a connection to the address would end at this node itself, which would take it for a stranger's. */
  readonly isOwn: (address: Multiaddr) => boolean;
  /** Hears of every dial that failed. */
  readonly onFailed: (address: string, error: Error) => void;
}

/** How a dial is done. */
export interface DialOptions {
  readonly signal: AbortSignal;
  /** Dial the direct addresses even when the peer is reached through a relay already. */
  readonly upgrade?: boolean;
}

/** Connects to a peer by whatever ways are known, until it is admitted. */
export interface Dialer {
  /**
   * Resolves once admitted.
   * @throws STARLING_PEER_UNREACHABLE, STARLING_USAGE for this node itself, STARLING_ID_MALFORMED,
   * STARLING_LIMIT_EXCEEDED, or the code of the refusal
   */
  dial(target: string, options: DialOptions): Promise<PeerId>;
  /** Remembers addresses of a peer in place of those remembered before. */
  learn(peer: PeerId, addresses: readonly string[]): void;
  hasDirectAddress(peer: PeerId): boolean;
  /** Whether a direct address of the peer is known that was not dialled in vain lately. */
  mayBeDirect(peer: PeerId): boolean;
  /** Of a peer that is reached through a relay: why not directly, in words. */
  whyRelayed(peer: PeerId): string;
}

/** Two dials of one peer at once become one. */
export function createDialer(components: DialerComponents, init: DialerInit): Dialer {
  return new LinkDialer(components, init);
}

/** What a target names. */
type Target =
  | { readonly peer: PeerId; readonly address?: Multiaddr }
  | { readonly peer?: undefined; readonly address: Multiaddr };

class LinkDialer implements Dialer {
  readonly #components: DialerComponents;
  readonly #init: DialerInit;
  readonly #addresses: KnownAddresses;
  readonly #underWay = new Map<string, Promise<PeerId>>();
  #guessedAtMs = -Infinity;
  #cancelTls: () => void = () => undefined;
  /** How often another key was found where a peer should be. */
  readonly #foundOthers = new Map<PeerId, number>();
  /** Why peers that are relayed were not reached directly, when that was last tried. */
  readonly #upgradeFailures = new Map<PeerId, string>();
  /** When the DHT may be asked for a peer whose addresses did not work. */
  readonly #lookUpAt = new Map<PeerId, number>();

  constructor(components: DialerComponents, init: DialerInit) {
    this.#components = components;
    this.#init = init;
    this.#addresses = createKnownAddresses({
      peerStore: components.node.peerStore,
      logger: components.logger,
    });
  }

  async dial(text: string, options: DialOptions): Promise<PeerId> {
    if (options.signal.aborted) throw abortReason(options.signal);
    const upgrade = options.upgrade === true;
    // An upgrade may fail where the peer is reached already, so nobody else waits for one.
    const key = `${upgrade ? 'upgrade' : 'dial'} ${text}`;
    let dialled = this.#underWay.get(key);
    if (dialled === undefined) {
      dialled = this.#dialOnce(text, upgrade).finally(() => this.#underWay.delete(key));
      this.#underWay.set(key, dialled);
    }
    return raceAbort(dialled, options.signal);
  }

  learn(peer: PeerId, addresses: readonly string[]): void {
    this.#addresses.learn(peer, addresses);
  }

  hasDirectAddress(peer: PeerId): boolean {
    return this.#addresses.hasDirect(peer);
  }

  mayBeDirect(peer: PeerId): boolean {
    return this.#addresses.hasDirect(peer) && !this.#upgradeFailures.has(peer);
  }

  whyRelayed(peer: PeerId): string {
    if (!this.#addresses.hasDirect(peer)) return 'it tells no address but those of relays';
    return this.#upgradeFailures.get(peer) ?? 'a direct way is being tried';
  }

  /** Several may wait for this dial, so nobody's signal ends it but the network's own. */
  async #dialOnce(text: string, upgrade: boolean): Promise<PeerId> {
    const { clock, links } = this.#components;
    const { self, isDenied, signal, onFailed } = this.#init;
    const target = parseTarget(text);
    const { peer } = target;
    if (peer === self) throw new StarlingError('STARLING_USAGE', `${text} is this node itself`);
    if (peer !== undefined && !upgrade && links.best(peer) !== undefined) return peer;
    if (peer !== undefined && isDenied(peer)) {
      throw new StarlingError('STARLING_JOIN_REFUSED', `${peer} is no member of this mesh`);
    }
    this.#checkLimit();
    try {
      return await withDeadline(
        clock,
        DIAL_TIMEOUT_MS,
        (limit) =>
          target.peer === undefined
            ? this.#reachAddress(target.address, limit)
            : this.#reachPeer(target, upgrade, limit),
        signal,
      );
    } catch (error) {
      const failure = error instanceof StarlingError ? error : unreachable(text, [error]);
      if (upgrade && peer !== undefined) this.#noteUpgrade(peer, failure.message);
      onFailed(text, failure);
      throw failure;
    }
  }

  async #reachAddress(address: Multiaddr, signal: AbortSignal): Promise<PeerId> {
    if (this.#init.isOwn(address)) {
      throw new StarlingError('STARLING_USAGE', `${address.toString()} is this node itself`);
    }
    return peerOf(await this.#connect([address], signal));
  }

  async #reachPeer(
    { peer, address }: Target & { readonly peer: PeerId },
    upgrade: boolean,
    signal: AbortSignal,
  ): Promise<PeerId> {
    const extra = address === undefined ? [] : [address];
    const known = async (): Promise<readonly Multiaddr[]> => [
      ...extra.filter((one) => !this.#init.isOwn(one)),
      ...(await this.#addresses.of(peer)).filter((one) => !this.#init.isOwn(one)),
    ];
    const failures: unknown[] = [];
    for (const way of dialWays(this.#components, {
      peer,
      relay: this.#init.relay,
      known,
      mayLookUp: () => this.#mayLookUp(peer),
    })) {
      if (way.relayed && upgrade) break;
      const found = await this.#tryWay(way, peer, signal, failures);
      if (found !== undefined) {
        this.#lookUpAt.delete(peer);
        if (!way.relayed) this.#upgradeFailures.delete(peer);
        return found;
      }
      if (signal.aborted) break;
    }
    throw unreachable(peer, failures);
  }

  /** Adds to `failures` why the way failed. @throws the refusal of the other side */
  async #tryWay(
    way: DialWay,
    peer: PeerId,
    signal: AbortSignal,
    failures: unknown[],
  ): Promise<PeerId | undefined> {
    const { clock, logger } = this.#components;
    let addresses: readonly Multiaddr[] = [];
    try {
      return await withDeadline(
        clock,
        way.timeoutMs,
        async (limit) => {
          addresses = await way.addresses(limit);
          if (addresses.length === 0) return undefined;
          return peerOf(await this.#connect(addresses, limit));
        },
        signal,
      );
    } catch (error) {
      logger.debug({ peer, way: way.name, error: messageOf(error) }, 'a way to a peer failed');
      failures.push(error);
      if (isRefusal(error)) throw error;
      if (!way.relayed && isOtherKey(error)) await this.#meetOther(peer, addresses, signal);
      return undefined;
    }
  }

  /**
   * Another key is where `peer` was. If that is the same node with a new key, the node says so in its
   * hello: so we connect to it, the first time and seldom afterwards.
   */
  async #meetOther(
    peer: PeerId,
    addresses: readonly Multiaddr[],
    signal: AbortSignal,
  ): Promise<void> {
    const { clock, logger } = this.#components;
    if (this.#countOther(peer) % MEET_EVERY !== 0) return;
    try {
      const connection = await withDeadline(
        clock,
        DIAL_TIMEOUT_MS,
        (limit) => this.#connect(addresses.map(withoutPeer), limit),
        signal,
      );
      logger.info({ peer, found: peerOf(connection) }, 'another peer is where this one was');
    } catch (error) {
      logger.debug({ peer, error: messageOf(error) }, 'a stranger is where a peer was');
    }
  }

  /** How often that has happened before; so many peers are counted. */
  #countOther(peer: PeerId): number {
    const times = this.#foundOthers.get(peer) ?? 0;
    this.#foundOthers.delete(peer);
    this.#foundOthers.set(peer, times + 1);
    const [oldest] = this.#foundOthers.size > REDIAL_TARGETS_MAX ? this.#foundOthers.keys() : [];
    if (oldest !== undefined) this.#foundOthers.delete(oldest);
    return times;
  }

  #noteUpgrade(peer: PeerId, why: string): void {
    this.#upgradeFailures.delete(peer);
    this.#upgradeFailures.set(peer, why);
    const [oldest] =
      this.#upgradeFailures.size > REDIAL_TARGETS_MAX ? this.#upgradeFailures.keys() : [];
    if (oldest !== undefined) this.#upgradeFailures.delete(oldest);
  }

  /** Who has moved may be known elsewhere, and who is off is nowhere: each is looked for after a while, and seldom. */
  #mayLookUp(peer: PeerId): boolean {
    const now = this.#components.clock.now();
    const at = this.#lookUpAt.get(peer);
    if (at !== undefined && now < at) return false;
    this.#lookUpAt.delete(peer);
    this.#lookUpAt.set(peer, now + (at === undefined ? LOOKUP_AFTER_MS : LOOKUP_PAUSE_MS));
    const [oldest] = this.#lookUpAt.size > REDIAL_TARGETS_MAX ? this.#lookUpAt.keys() : [];
    if (oldest !== undefined) this.#lookUpAt.delete(oldest);
    return at !== undefined;
  }

  /** Dials the first of `addresses` that answers, and waits until the hello went well. */
  async #connect(addresses: readonly Multiaddr[], signal: AbortSignal): Promise<Connection> {
    const { node, gate } = this.#components;
    let connection: Connection | undefined;
    try {
      connection = await node.dial([...addresses], { signal });
      await gate.admitted(connection, signal);
      return connection;
    } catch (error) {
      if (signal.aborted || !this.#mayBeClocks(error, connection)) throw error;
    }
    this.#components.logger.info(
      {},
      'clocks may be apart: dialling with Noise, which knows no time',
    );
    const again = await node.dial([...addresses], { signal });
    await gate.admitted(again, signal);
    return again;
  }

  /**
   * Whether TLS failed because of the clocks; then Noise is first for a while. The one whose clock is
   * behind sees a certificate that does not hold yet, the other only that the connection ends unheard.
   */
  #mayBeClocks(error: unknown, connection: Connection | undefined): boolean {
    const { clock, encryption, scope } = this.#components;
    const isSure = isOutOfTime(error);
    const isUnheard =
      connection !== undefined &&
      isTls(connection) &&
      error instanceof StarlingError &&
      error.code === 'STARLING_PEER_UNREACHABLE';
    const now = clock.now();
    if (!isSure && !(isUnheard && Math.abs(now - this.#guessedAtMs) > GUESS_PAUSE_MS)) return false;
    if (!isSure) this.#guessedAtMs = now;
    encryption.prefer('noise');
    this.#cancelTls();
    this.#cancelTls = scope.after(isSure ? NOISE_FIRST_MS : DIAL_TIMEOUT_MS, () =>
      encryption.prefer('tls'),
    );
    return true;
  }

  #checkLimit(): void {
    const { connections } = this.#init;
    if (this.#components.node.getConnections().length < connections) return;
    throw new StarlingError(
      'STARLING_LIMIT_EXCEEDED',
      `all ${connections} connections to peers are in use`,
      { hint: 'raise `limits.connections` in the configuration' },
    );
  }
}

/** @throws STARLING_ID_MALFORMED */
function parseTarget(text: string): Target {
  if (text.startsWith('/')) {
    const address = parseAddress(text);
    const peer = peerIn(address);
    return peer === undefined ? { address } : { peer, address };
  }
  if (isPeerId(text)) return { peer: text };
  throw new StarlingError('STARLING_ID_MALFORMED', `${text} is no PeerId and no multiaddr`, {
    hint: 'a PeerId looks like 12D3KooW…, a multiaddr like /ip4/192.0.2.7/tcp/4040/p2p/12D3KooW…',
  });
}
