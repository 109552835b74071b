/**
 * Who offers a capability. Up to {@link ROSTER_MAX} peers the roster says that: everybody knows everybody's signed
 * presence. Above, each node tells the DHT which kinds it offers, one record a kind, and whoever is found there is
 * asked for an offer that it has signed, with an end. Who lacks what it claims is passed over for a while.
 */
import { encode } from 'cborg';
import {
  StarlingError,
  createBuckets,
  createScope,
  isCount,
  isText,
  messageOf,
  unawaited,
  withDeadline,
} from '../core/index.ts';
import type { Buckets, Clock, Logger, PeerId, Random, Scope, Startable } from '../core/index.ts';
import { didFromPeerId, verifySignature } from '../identity/index.ts';
import type { Signer } from '../identity/index.ts';
import type { Membership, PeerView } from '../membership/index.ts';
import { messageFields } from '../network/index.ts';
import { createLacking } from './passed-over.ts';
import type { Lacking } from './passed-over.ts';
import type { Network } from '../network/index.ts';

/** So many peers are known by roster; above, the DHT is asked as well. */
const ROSTER_MAX = 2000;
/** Kinds that one node offers: each is a record in the DHT where that is used, and a word in each heartbeat. */
export const OFFERS_MAX = 16;
/** A kind of capability, like `search` or `translate:de`. */
export const OFFER_KIND = /^[a-z0-9][a-z0-9._:/-]{0,63}$/;
/**
 * How long a signed offer holds; the DHT keeps its record as long. It is renewed at a third of that. More = fewer
 * renewals; less = who offers no longer is found for less long.
 */
const OFFER_MS = 1_800_000;
/**
 * How often this node tells the DHT of each kind. A time costs a walk and a record at up to twenty nodes, about 40
 * streams: 0.15 s of CPU here and 4 ms at each of them, so 0.025 % of a core for each kind.
 */
const RENEW_MS = 600_000;
/** How long a search in the DHT may take, and then an answer of those who were found. */
const SEARCH_MS = 5000;
const ANSWER_MS = 5000;
/** Whom one search asks for a signed offer: each is connected to for that. */
const ASKED_MAX = 16;
/** Questions for an offer that a peer may put. */
const QUESTIONS = { burst: 32, everyMs: 1000 } as const;
/** Of frames on control streams. */
const KIND = 'provider';
/** So that no signature of something else is one of an offer. */
const DOMAIN = 'starling-offer-v1';
const SIGNATURE_BYTES = 64;

/** What providers are found with. */
export interface ProvidersComponents {
  readonly network: Pick<
    Network,
    'dial' | 'findProviders' | 'isConnected' | 'onFrame' | 'provide' | 'report' | 'sendFrame'
  >;
  readonly membership: Pick<Membership, 'peer' | 'peers'>;
  readonly isMember: (peer: PeerId) => boolean;
  readonly identity: Pick<Signer, 'sign'>;
  /** Kinds that this node offers now. */
  readonly offers: () => readonly string[];
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** Limits that a simulation may set otherwise. */
export interface ProvidersInit {
  /** Default: {@link ROSTER_MAX}. */
  readonly rosterMax?: number;
}

/** One who offers what was looked for. */
export interface Provider {
  readonly peer: PeerId;
  /** By which it was found. */
  readonly by: 'roster' | 'dht';
  /** Of one found in the DHT: until when its offer holds, ms since the epoch. */
  readonly until?: number;
}

/** Finds who offers what, and tells what this node offers. */
export interface Providers extends Startable {
  /**
   * Who offers `capability`, the best first: who has not failed, has less to do, and is nearer. Takes ten seconds at
   * the most. @throws STARLING_USAGE where that is no kind of capability, or the reason of `signal`
   */
  find(capability: string, options: { readonly signal: AbortSignal }): Promise<readonly Provider[]>;
  /** Who lacks what it claims: other rooms say so here as well. */
  readonly lacking: Lacking;
}

/** Nobody is told of anything before `start`. */
export function createProviders(
  components: ProvidersComponents,
  init: ProvidersInit = {},
): Providers {
  return new KnownProviders(components, init.rosterMax ?? ROSTER_MAX);
}

interface Signed {
  readonly until: number;
  readonly sig: Uint8Array;
}

class KnownProviders implements Providers {
  readonly #components: ProvidersComponents;
  readonly #rosterMax: number;
  readonly #questions: Buckets;
  #scope: Scope | undefined;
  readonly lacking: Lacking;
  /** Offers of this node, as they were signed last. */
  readonly #signed = new Map<string, Signed>();
  /** Who waits for the offer of a peer, by peer and kind. */
  readonly #waiting = new Map<string, (offer: Signed | undefined) => void>();

  constructor(components: ProvidersComponents, rosterMax: number) {
    this.#components = components;
    this.#rosterMax = rosterMax;
    this.#questions = createBuckets(components.clock, QUESTIONS);
    this.lacking = createLacking(components.clock);
  }

  async start(): Promise<void> {
    if (this.#scope !== undefined) return;
    const { clock, logger, network, random } = this.#components;
    const scope = createScope(clock, (error) =>
      logger.error({ error: messageOf(error) }, 'a task of the directory failed'),
    );
    this.#scope = scope;
    scope.add(network.onFrame(KIND, (bytes, from) => this.#heard(bytes, from)));
    scope.after(RENEW_MS * random() * 0.1, () =>
      unawaited(this.#announce(scope), logger, 'the DHT was not told what is offered here'),
    );
    scope.every(RENEW_MS, () => this.#announce(scope));
  }

  async stop(): Promise<void> {
    this.#scope?.close();
    this.#scope = undefined;
  }

  async find(
    capability: string,
    { signal }: { readonly signal: AbortSignal },
  ): Promise<readonly Provider[]> {
    if (!OFFER_KIND.test(capability)) {
      throw new StarlingError('STARLING_USAGE', `'${capability}' is no kind of capability`, {
        hint: 'a kind has small letters, digits and . _ : / - only, at most 64 of them',
      });
    }
    signal.throwIfAborted();
    const known = this.#byRoster(capability);
    const isBeyond = this.#components.membership.peers().length > this.#rosterMax;
    const far = isBeyond ? await this.#byDht(capability, known, signal) : [];
    return this.#ranked(
      [...known.map((peer) => ({ peer, by: 'roster' as const })), ...far],
      capability,
    );
  }

  #byRoster(capability: string): readonly PeerId[] {
    return this.#components.membership
      .peers()
      .filter(({ state, presence }) => isHere(state) && presence?.offers?.includes(capability))
      .map(({ peerId }) => peerId);
  }

  async #byDht(
    capability: string,
    known: readonly PeerId[],
    signal: AbortSignal,
  ): Promise<readonly Provider[]> {
    const asked = await this.#claimants(capability, new Set(known), signal);
    const offers = await Promise.all(asked.map((peer) => this.#offerOf(peer, capability, signal)));
    return asked.flatMap((peer, at) => {
      const offer = offers[at];
      if (offer !== undefined) return [{ peer, by: 'dht' as const, until: offer.until }];
      this.lacking.lacks(peer, capability);
      return [];
    });
  }

  /** Who says in the DHT that it offers it, as far as they were found in time. @throws the reason of `signal` */
  async #claimants(
    capability: string,
    known: ReadonlySet<PeerId>,
    signal: AbortSignal,
  ): Promise<readonly PeerId[]> {
    const { clock, isMember, logger, network } = this.#components;
    const found = new Set<PeerId>();
    const take = (peer: PeerId): void => {
      if (found.size >= ASKED_MAX || known.has(peer) || !isMember(peer)) return;
      if (this.lacking.standing(peer, capability) !== 'passed over') found.add(peer);
    };
    try {
      await withDeadline(
        clock,
        SEARCH_MS,
        (limit) => network.findProviders(capability, take, { signal: limit }),
        signal,
      );
    } catch (error) {
      signal.throwIfAborted();
      logger.debug({ capability, error: messageOf(error) }, 'a search in the DHT ended early');
    }
    return [...found];
  }

  /** The offer of `peer` by its own word; undefined when there is none in time. Never rejects. */
  async #offerOf(
    peer: PeerId,
    capability: string,
    signal: AbortSignal,
  ): Promise<Signed | undefined> {
    const { clock, logger, network } = this.#components;
    const key = keyOf(peer, capability);
    const offered = new Promise<Signed | undefined>((resolve) => this.#waiting.set(key, resolve));
    try {
      return await withDeadline(
        clock,
        ANSWER_MS,
        async (limit) => {
          const giveUp = (): void => this.#waiting.get(key)?.(undefined);
          limit.addEventListener('abort', giveUp, { once: true });
          if (!network.isConnected(peer)) await network.dial(peer, { signal: limit });
          await network.sendFrame(peer, KIND, encode({ kind: capability }));
          return offered;
        },
        signal,
      );
    } catch (error) {
      logger.debug({ peer, capability, error: messageOf(error) }, 'a provider was not reached');
      return undefined;
    } finally {
      this.#waiting.delete(key);
    }
  }

  #heard(bytes: Uint8Array, from: PeerId): void {
    const { kind, until, sig } = messageFields(bytes);
    if (!isText(kind, 64) || !OFFER_KIND.test(kind)) {
      this.#components.network.report(from, 'malformed');
    } else if (until === undefined) this.#asked(kind, from);
    else this.#answered(kind, { until, sig }, from);
  }

  #asked(kind: string, from: PeerId): void {
    const { logger, network, offers } = this.#components;
    if (!this.#questions.take(from)) {
      network.report(from, 'control');
      return;
    }
    const offer = offers().includes(kind) ? this.#sign(kind) : { until: 0 };
    const told = network.sendFrame(from, KIND, encode({ kind, ...offer }));
    unawaited(told, logger, 'a peer was not told what is offered here', { peer: from });
  }

  #answered(
    kind: string,
    { until, sig }: { readonly until: unknown; readonly sig: unknown },
    from: PeerId,
  ): void {
    const now = this.#components.clock.now();
    const isSound =
      isCount(until) && until > now && sig instanceof Uint8Array && sig.length === SIGNATURE_BYTES;
    const isOwn = isSound && verifySignature(didFromPeerId(from), signedText(kind, until), sig);
    this.#waiting.get(keyOf(from, kind))?.(isOwn ? { until, sig } : undefined);
  }

  /** Signed anew once a third of its time is over. */
  #sign(kind: string): Signed {
    const { clock, identity } = this.#components;
    const now = Math.trunc(clock.now());
    const known = this.#signed.get(kind);
    if (
      known !== undefined &&
      known.until - now > (2 * OFFER_MS) / 3 &&
      known.until - now <= OFFER_MS
    )
      return known;
    const until = now + OFFER_MS;
    const signed = { until, sig: identity.sign(signedText(kind, until)) };
    if (this.#signed.size >= OFFERS_MAX) this.#signed.clear();
    this.#signed.set(kind, signed);
    return signed;
  }

  /** Where the roster has everybody, the DHT has nothing to tell. */
  async #announce(scope: Scope): Promise<void> {
    const { clock, logger, membership, network, offers } = this.#components;
    if (membership.peers().length <= this.#rosterMax) return;
    for (const kind of offers().slice(0, OFFERS_MAX)) {
      if (scope.closed) return;
      try {
        await withDeadline(
          clock,
          RENEW_MS / 10,
          (signal) => network.provide(kind, { signal }),
          scope.signal,
        );
      } catch (error) {
        logger.debug({ kind, error: messageOf(error) }, 'the DHT was not told of an offer');
      }
    }
  }

  #ranked(providers: readonly Provider[], capability: string): readonly Provider[] {
    const { membership } = this.#components;
    const marked = providers.flatMap((provider) => {
      const standing = this.lacking.standing(provider.peer, capability);
      if (standing === 'passed over') return [];
      const { presence, rttMs = Infinity } =
        membership.peer(provider.peer) ?? ({} as Partial<PeerView>);
      const marks = [Number(standing === 'last'), presence?.load ?? 0, rttMs];
      return [{ provider, marks }];
    });
    return marked.toSorted((a, b) => compare(a.marks, b.marks)).map(({ provider }) => provider);
  }
}

function keyOf(peer: PeerId, kind: string): string {
  return `${peer} ${kind}`;
}

function isHere(state: PeerView['state']): boolean {
  return state === 'alive' || state === 'suspect';
}

function signedText(kind: string, until: number): Uint8Array {
  return Buffer.from(`${DOMAIN}\n${kind}\n${until}`, 'utf8');
}

function compare(a: readonly number[], b: readonly number[]): number {
  for (const [at, mark] of a.entries()) {
    const other = b[at] ?? 0;
    if (mark !== other) return mark < other ? -1 : 1;
  }
  return 0;
}
