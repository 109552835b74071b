/**
 * Carries catalog documents from hand to hand. Heartbeats, which the roster brings to everybody, say which document of
 * whom counts; who lacks one asks one of its links for it after the other, the owner first where it is linked. Who is
 * asked for what it has not got says so, and says once it has: so a document goes through the mesh as fast as its
 * heartbeat, each node gets it once, and nobody is connected to for it.
 *
 * Nothing that comes is believed: it has to be what the owner's own heartbeat names, and signed by the owner.
 */
import { createBuckets, createScope, messageOf, unawaited } from '../../core/index.ts';
import type { Buckets, Clock, Logger, PeerId, Random, Scope } from '../../core/index.ts';
import type { Membership, PeerView } from '../../membership/index.ts';
import type { Network } from '../../network/index.ts';
import type { Table } from '../../store/index.ts';
import type { KeptListing, ListedAgent, Listing } from '../types.ts';
import { DOCUMENT_BYTES_MAX, hashOf, openDocument } from './document.ts';
import type { CatalogDocument, DocumentName } from './document.ts';
import { PART_BYTES, decodeDocumentMessage, encodeDocumentMessage } from './document-messages.ts';
import type { DocumentMessage } from './document-messages.ts';
import { createNamePace } from './name-pace.ts';
import type { NamePace } from './name-pace.ts';
import type { ShelfLimits } from './document-shelf.ts';
import { createKeptDocuments } from './kept-documents.ts';
import type { KeptDocuments } from './kept-documents.ts';

/** Of frames on control streams. */
const KIND = 'catalogs';
/** How long who is asked may take for one part. More = slow links are waited for; less = who keeps silent costs less. */
const ANSWER_MS = 5000;
/** Documents that are fetched at the same time, and of one link. */
const FETCHES_MAX = 8;
const FETCHES_PER_LINK = 2;
/** When all links were asked in vain they are asked again after so long, and ever less often while nothing comes. */
const RETRY_MS = 10_000;
const RETRY_MAX_MS = 300_000;
/**
 * What one peer is sent: each answer costs one, and one more for each KiB. 4 MiB at once, then 250 KiB a second, which is
 * what is read of a control stream.
 */
const SERVED = { burst: 4096, everyMs: 4 } as const;
/** What this node asks of one peer: less than others give. */
const ASKED = { burst: 1024, everyMs: 5 } as const;
/** Parts that came too late, or that nobody asked for. */
const UNASKED = { burst: 32, everyMs: 1000 } as const;
/** Documents of which one peer is told once they are here. */
const AWAITED_MAX = 512;

/** What the exchange works with. */
export interface DocumentExchangeComponents {
  readonly network: Pick<
    Network,
    'connected' | 'events' | 'isConnected' | 'onFrame' | 'report' | 'self' | 'sendFrame'
  >;
  readonly membership: Pick<Membership, 'events' | 'peer' | 'peers'>;
  /** Where documents of others are kept, below `of/`. */
  readonly table: Table;
  /** This node's own document; undefined while it lists nothing. */
  readonly own: () => CatalogDocument | undefined;
  /** What `owner` lists by the document that counts; nothing while that is not here. */
  readonly show: (owner: PeerId, listing: Listing) => void;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** The exchange, between start and stop. */
export interface DocumentExchange {
  /** Takes what was kept on disk; before `start`. Never rejects: what can't be read is fetched again. */
  load(): Promise<void>;
  start(): void;
  stop(): void;
  /** Resolves once what was kept is on disk. Never rejects. */
  written(): Promise<void>;
  /** What `owner` lists now, or listed last where it is away; an older list is never given. */
  kept(owner: PeerId): KeptListing | undefined;
  /** The agents of {@link DocumentExchange.kept}. */
  agentsOf(owner: PeerId): readonly ListedAgent[];
  /** This node's own document is another: who has asked for it is told. */
  published(): void;
}

/** A document that is on its way. */
interface Fetch {
  readonly from: PeerId;
  readonly parts: Uint8Array[];
  at: number;
  size: number | undefined;
  cancel: () => void;
}

/** A document that counts and is not here. */
interface Wanted {
  readonly name: DocumentName;
  /** Links that were asked in vain, and those that have said that they have it. */
  readonly tried: Set<PeerId>;
  readonly offered: Set<PeerId>;
  fetch: Fetch | undefined;
}

const NOTHING: Listing = { servers: [], agents: [] };

function isHere({ state }: PeerView): boolean {
  return state === 'alive' || state === 'suspect';
}

/** Nothing is asked for before `start`. */
export function createDocumentExchange(
  components: DocumentExchangeComponents,
  limits?: ShelfLimits,
): DocumentExchange {
  return new Exchange(components, limits);
}

class Exchange implements DocumentExchange {
  readonly #components: DocumentExchangeComponents;
  readonly #documents: KeptDocuments;
  readonly #wanted = new Map<PeerId, Wanted>();
  /** By owner the hash of what is shown, and of what counts and is not fit to be. */
  readonly #shown = new Map<PeerId, string>();
  readonly #refused = new Map<PeerId, string>();
  /** Who names another one too often: the last view of each, which is looked at when its time has come. */
  readonly #held = new Map<PeerId, PeerView>();
  readonly #pace: NamePace;
  /** Whom to tell once a document is here: by peer the hashes by owner. */
  readonly #awaited = new Map<PeerId, Map<PeerId, string>>();
  readonly #fetches = new Map<PeerId, number>();
  readonly #served: Buckets;
  readonly #asked: Buckets;
  readonly #unasked: Buckets;
  #retryMs = RETRY_MS;
  #isRetryDue = false;
  #scope: Scope | undefined;

  constructor(components: DocumentExchangeComponents, limits: ShelfLimits | undefined) {
    this.#components = components;
    this.#documents = createKeptDocuments(components, limits);
    this.#pace = createNamePace(components.clock);
    this.#served = createBuckets(components.clock, SERVED);
    this.#asked = createBuckets(components.clock, ASKED);
    this.#unasked = createBuckets(components.clock, UNASKED);
  }

  async load(): Promise<void> {
    try {
      await this.#documents.load();
    } catch (error) {
      const { logger } = this.#components;
      logger.warn({ error: messageOf(error) }, 'catalogs of peers that were kept can not be read');
    }
  }

  written(): Promise<void> {
    return this.#documents.written();
  }

  kept(owner: PeerId): KeptListing | undefined {
    const document = this.#documents.get(owner);
    if (document === undefined || !this.#isLast(document)) return undefined;
    const listing = this.#documents.open(owner);
    if (listing === undefined) return undefined;
    const { agents, servers } = listing;
    const isCurrent = this.#shown.get(owner) === document.hash;
    return { version: document.version, servers, agents, isCurrent };
  }

  agentsOf(owner: PeerId): readonly ListedAgent[] {
    const document = this.#documents.get(owner);
    return document !== undefined && this.#isLast(document) ? this.#documents.agentsOf(owner) : [];
  }

  /** What counts now, or counted when its owner was heard last. */
  #isLast({ owner, hash }: CatalogDocument): boolean {
    if (this.#shown.get(owner) === hash) return true;
    const peer = this.#components.membership.peer(owner);
    if (peer === undefined || peer.ended !== undefined || isHere(peer)) return false;
    return peer.presence === undefined || peer.presence.lists?.hash === hash;
  }

  start(): void {
    if (this.#scope !== undefined) return;
    const { clock, logger, membership, network } = this.#components;
    const scope = createScope(clock, (error) =>
      logger.error({ error: messageOf(error) }, 'catalogs of others were not asked for'),
    );
    this.#scope = scope;
    const changed = (peer: PeerView): void => this.#look(peer);
    const connected = (peer: PeerId): void => this.#connected(peer);
    const disconnected = (peer: PeerId): void => this.#disconnected(peer);
    membership.events.on('change', changed);
    network.events.on('peer:connect', connected);
    network.events.on('peer:disconnect', disconnected);
    scope.add(() => membership.events.off('change', changed));
    scope.add(() => network.events.off('peer:connect', connected));
    scope.add(() => network.events.off('peer:disconnect', disconnected));
    scope.add(network.onFrame(KIND, (payload, from) => this.#heard(payload, from)));
    for (const peer of membership.peers()) this.#look(peer);
  }

  stop(): void {
    this.#scope?.close();
    this.#scope = undefined;
    this.#isRetryDue = false;
    for (const owner of this.#shown.keys()) this.#components.show(owner, NOTHING);
    this.#shown.clear();
    this.#wanted.clear();
    this.#held.clear();
    this.#fetches.clear();
    this.#awaited.clear();
  }

  published(): void {
    const document = this.#components.own();
    if (document !== undefined) this.#tell(document);
  }

  /** What counts of a peer may be another document now, or none. */
  #look(view: PeerView): void {
    const { ended, peerId, presence } = view;
    const isListing = ended === undefined && isHere(view);
    const name = isListing ? presence?.lists : undefined;
    // Who says that it lists nothing, and then goes, has listed nothing last.
    if (ended !== undefined || (isListing && presence !== undefined && name === undefined)) {
      this.#documents.delete(peerId);
    }
    if (ended !== undefined) this.#pace.forget(peerId);
    if (name === undefined) {
      this.#refused.delete(peerId);
      this.#held.delete(peerId);
    }
    if (name !== undefined && name.hash === this.#shown.get(peerId)) return;
    // What does not count any more goes at once: an older list is never shown as the one of now.
    this.#hide(peerId);
    const wanted = this.#wanted.get(peerId);
    if (name !== undefined && wanted?.name.hash === name.hash) return;
    if (wanted !== undefined) this.#forget(peerId, wanted);
    if (name === undefined || this.#refused.get(peerId) === name.hash) return;
    if (this.#isHeld(view, name)) return;
    const kept = this.#documents.get(peerId);
    if (kept?.hash === name.hash && this.#take(peerId, name, kept.bytes)) return;
    // Nor as the last one after a restart, where the one of now does not come before its owner goes.
    this.#documents.delete(peerId);
    this.#wanted.set(peerId, {
      name,
      tried: new Set(),
      offered: new Set(),
      fetch: undefined,
    });
    this.#fetchSome();
  }

  /** Who names another document too often is looked at again once it may, and told of; the last name counts then. */
  #isHeld(view: PeerView, { hash }: DocumentName): boolean {
    const { peerId } = view;
    const before = this.#held.get(peerId);
    if (before !== undefined) {
      this.#held.set(peerId, view);
      if (before.presence?.lists?.hash !== hash)
        this.#components.network.report(peerId, 'catalogs');
      return true;
    }
    const waitMs = this.#pace.take(peerId, hash);
    if (waitMs === 0) return false;
    this.#components.network.report(peerId, 'catalogs');
    this.#held.set(peerId, view);
    this.#scope?.after(waitMs, () => {
      const last = this.#held.get(peerId);
      this.#held.delete(peerId);
      if (last !== undefined) this.#look(last);
    });
    return true;
  }

  #hide(owner: PeerId): void {
    if (this.#shown.delete(owner)) this.#components.show(owner, NOTHING);
  }

  #connected(peer: PeerId): void {
    for (const { tried } of this.#wanted.values()) tried.delete(peer);
    this.#fetchSome();
  }

  #disconnected(peer: PeerId): void {
    this.#awaited.delete(peer);
    for (const wanted of this.#wanted.values()) {
      wanted.offered.delete(peer);
      if (wanted.fetch?.from === peer) this.#inVain(wanted);
    }
    this.#fetchSome();
  }

  #fetchSome(): void {
    if (this.#scope === undefined) return;
    let count = 0;
    for (const { fetch } of this.#wanted.values()) if (fetch !== undefined) count += 1;
    for (const [owner, wanted] of this.#wanted) {
      if (count >= FETCHES_MAX) break;
      if (wanted.fetch !== undefined) continue;
      const from = this.#whomToAsk(owner, wanted);
      if (from === undefined) continue;
      count += 1;
      this.#fetches.set(from, (this.#fetches.get(from) ?? 0) + 1);
      wanted.fetch = { from, parts: [], at: 0, size: undefined, cancel: () => undefined };
      this.#ask(owner, wanted, wanted.fetch);
    }
    if (this.#wanted.size > 0) this.#retryLater(this.#scope);
  }

  /** The owner, else who says that it has the document, else any link that was not asked yet. */
  #whomToAsk(owner: PeerId, { tried, offered }: Wanted): PeerId | undefined {
    const { network, random } = this.#components;
    const free = network
      .connected()
      .filter((peer) => !tried.has(peer) && (this.#fetches.get(peer) ?? 0) < FETCHES_PER_LINK);
    if (free.includes(owner)) return owner;
    return free.find((peer) => offered.has(peer)) ?? free[Math.floor(random() * free.length)];
  }

  /** Asks for the next part, as soon as the pace allows. */
  #ask(owner: PeerId, wanted: Wanted, fetch: Fetch): void {
    const scope = this.#scope;
    if (scope === undefined) return;
    const waitMs = this.#asked.waitMs(fetch.from);
    if (waitMs > 0) {
      fetch.cancel = scope.after(waitMs, () => this.#ask(owner, wanted, fetch));
      return;
    }
    this.#asked.charge(fetch.from, 1);
    const failed = (): void => {
      if (wanted.fetch !== fetch) return;
      this.#inVain(wanted);
      this.#fetchSome();
    };
    fetch.cancel = scope.after(ANSWER_MS, failed);
    const { hash } = wanted.name;
    this.#send(fetch.from, { t: 'want', of: owner, hash, at: fetch.at }, failed);
  }

  /** Who was asked for a document gives none: somebody else is asked. */
  #inVain(wanted: Wanted): void {
    const from = this.#endFetch(wanted);
    if (from === undefined) return;
    wanted.tried.add(from);
    wanted.offered.delete(from);
  }

  #endFetch(wanted: Wanted): PeerId | undefined {
    const { fetch } = wanted;
    if (fetch === undefined) return undefined;
    fetch.cancel();
    wanted.fetch = undefined;
    const left = (this.#fetches.get(fetch.from) ?? 1) - 1;
    if (left > 0) this.#fetches.set(fetch.from, left);
    else this.#fetches.delete(fetch.from);
    return fetch.from;
  }

  #forget(owner: PeerId, wanted: Wanted): void {
    this.#endFetch(wanted);
    this.#wanted.delete(owner);
  }

  #retryLater(scope: Scope): void {
    if (this.#isRetryDue) return;
    this.#isRetryDue = true;
    scope.after(this.#retryMs, () => {
      this.#isRetryDue = false;
      this.#retryMs = Math.min(2 * this.#retryMs, RETRY_MAX_MS);
      for (const { tried } of this.#wanted.values()) tried.clear();
      this.#fetchSome();
    });
  }

  #heard(payload: Uint8Array, from: PeerId): void {
    const message = decodeDocumentMessage(payload);
    if (message === undefined) this.#components.network.report(from, 'malformed');
    else if (message.t === 'want') this.#serve(message, from);
    else if (message.t === 'part') this.#heardPart(message, from);
    else this.#heardOf(message, from);
  }

  #serve({ of, hash, at }: Extract<DocumentMessage, { t: 'want' }>, to: PeerId): void {
    const { network, own } = this.#components;
    if (this.#served.waitMs(to) > 0) {
      network.report(to, 'catalogs');
      return;
    }
    const document = of === network.self ? own() : this.#documents.get(of);
    if (document?.hash !== hash || at >= document.bytes.length) {
      this.#served.charge(to, 1);
      this.#await(to, of, hash);
      // Who asks has it not.
      const wanted = this.#wanted.get(of);
      if (wanted?.name.hash === hash && wanted.fetch?.from !== to) wanted.tried.add(to);
      this.#send(to, { t: 'none', of, hash });
      return;
    }
    const bytes = document.bytes.subarray(at, at + PART_BYTES);
    this.#served.charge(to, 1 + bytes.length / 1024);
    this.#send(to, { t: 'part', of, hash, at, size: document.bytes.length, bytes });
  }

  /** Who has not what is not here either is told once it is; of a document that nobody makes, never. */
  #await(peer: PeerId, owner: PeerId, hash: string): void {
    const awaited = this.#awaited.get(peer) ?? new Map<PeerId, string>();
    if (awaited.size >= AWAITED_MAX && !awaited.has(owner)) return;
    this.#awaited.set(peer, awaited.set(owner, hash));
  }

  #tell({ owner, hash }: CatalogDocument): void {
    for (const [peer, awaited] of this.#awaited) {
      if (awaited.get(owner) !== hash) continue;
      awaited.delete(owner);
      this.#send(peer, { t: 'have', of: owner, hash });
    }
  }

  #heardOf({ t, of, hash }: Extract<DocumentMessage, { t: 'none' | 'have' }>, from: PeerId): void {
    const wanted = this.#wanted.get(of);
    if (wanted?.name.hash !== hash) return;
    if (t === 'none' && wanted.fetch?.from === from) {
      this.#inVain(wanted);
      this.#await(from, of, hash);
    }
    if (t === 'have') {
      wanted.tried.delete(from);
      wanted.offered.add(from);
    }
    this.#fetchSome();
  }

  #heardPart(part: Extract<DocumentMessage, { t: 'part' }>, from: PeerId): void {
    const { network } = this.#components;
    const wanted = this.#wanted.get(part.of);
    const fetch = wanted?.fetch;
    const isAsked = fetch?.from === from && fetch.at === part.at;
    if (wanted?.name.hash !== part.hash || fetch === undefined || !isAsked) {
      if (!this.#unasked.take(from)) network.report(from, 'catalogs');
      return;
    }
    this.#asked.charge(from, part.bytes.length / 1024);
    fetch.size ??= part.size;
    const isSound =
      part.size === fetch.size &&
      part.size <= DOCUMENT_BYTES_MAX &&
      part.bytes.length === Math.min(PART_BYTES, part.size - part.at) &&
      part.bytes.length > 0;
    if (!isSound) {
      network.report(from, 'malformed');
      this.#inVain(wanted);
      this.#fetchSome();
      return;
    }
    fetch.cancel();
    fetch.parts.push(part.bytes);
    fetch.at += part.bytes.length;
    if (fetch.at < fetch.size) this.#ask(part.of, wanted, fetch);
    else this.#fetched(part.of, wanted, fetch);
  }

  #fetched(owner: PeerId, wanted: Wanted, { from, parts }: Fetch): void {
    const { network } = this.#components;
    const bytes = Buffer.concat(parts);
    const isNamed = hashOf(bytes) === wanted.name.hash;
    if (isNamed) {
      this.#forget(owner, wanted);
      this.#awaited.get(from)?.delete(owner);
      if (this.#take(owner, wanted.name, bytes)) this.#retryMs = RETRY_MS;
      else {
        // Its heartbeat names what is no document of its own: nobody else can have another one of that hash.
        this.#refused.set(owner, wanted.name.hash);
        network.report(owner, 'malformed');
      }
    } else {
      network.report(from, 'forgeries');
      this.#inVain(wanted);
    }
    this.#fetchSome();
  }

  /** Keeps and shows a document; false when it is none of that owner. */
  #take(owner: PeerId, name: DocumentName, bytes: Uint8Array): boolean {
    const { logger, show } = this.#components;
    const opened = openDocument(bytes, { owner, ...name });
    if (opened === undefined) return false;
    this.#shown.set(owner, name.hash);
    show(owner, opened);
    for (const gone of this.#documents.put(opened.document, opened.agents)) {
      logger.warn({ peer: gone }, 'too many or too long catalogs: one is not kept');
      this.#refused.set(gone, this.#shown.get(gone) ?? '');
      this.#hide(gone);
    }
    this.#tell(opened.document);
    return true;
  }

  /** `failed` is called where there is no way to the peer. */
  #send(peer: PeerId, message: DocumentMessage, failed?: () => void): void {
    const { logger, network } = this.#components;
    const sent = network.sendFrame(peer, KIND, encodeDocumentMessage(message)).then((isSent) => {
      if (!isSent) failed?.();
    });
    unawaited(sent, logger, 'a peer was not told of a document', { peer });
  }
}
