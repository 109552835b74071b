/**
 * Carries catalog documents from hand to hand. Heartbeats, which the roster brings to everybody, say which document of
 * whom counts; who lacks one asks one of its links for it after the other, the owner first where it is linked. Who is
 * asked for what it has not got says so, and says once it has: so a document goes through the mesh as fast as its
 * heartbeat, each node gets it once, and nobody is connected to for it.
 *
 * Nothing that comes is believed: it has to be what the owner's own heartbeat names, and signed by the owner.
 */
import { createScope, messageOf, unawaited } from '../../core/index.ts';
import type { Clock, Logger, PeerId, Random, Scope } from '../../core/index.ts';
import type { Membership, PeerView } from '../../membership/index.ts';
import type { Network } from '../../network/index.ts';
import type { Table } from '../../store/index.ts';
import type { KeptListing, ListedAgent, Listing } from '../types.ts';
import { openDocument } from './document.ts';
import type { CatalogDocument, DocumentName } from './document.ts';
import { decodeDocumentMessage, encodeDocumentMessage } from './document-messages.ts';
import type { DocumentMessage } from './document-messages.ts';
import { DocumentFetching } from './document-fetching.ts';
import { DocumentServing } from './document-serving.ts';
import { createNamePace } from './name-pace.ts';
import type { NamePace } from './name-pace.ts';
import type { ShelfLimits } from './document-shelf.ts';
import { createKeptDocuments } from './kept-documents.ts';
import type { KeptDocuments } from './kept-documents.ts';

/** Of frames on control streams. */
const KIND = 'catalogs';

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
  readonly #serving: DocumentServing;
  readonly #fetching: DocumentFetching;
  /** By owner the hash of what is shown, and of what counts and is not fit to be. */
  readonly #shown = new Map<PeerId, string>();
  readonly #refused = new Map<PeerId, string>();
  /** Who names another one too often: the last view of each, which is looked at when its time has come. */
  readonly #held = new Map<PeerId, PeerView>();
  readonly #pace: NamePace;
  #scope: Scope | undefined;

  constructor(components: DocumentExchangeComponents, limits: ShelfLimits | undefined) {
    this.#components = components;
    this.#documents = createKeptDocuments(components, limits);
    this.#pace = createNamePace(components.clock);
    const send = this.#send.bind(this);
    this.#serving = new DocumentServing({ ...components, documents: this.#documents, send });
    this.#fetching = new DocumentFetching({
      ...components,
      send,
      fetched: (owner, name, given) => this.#fetched(owner, name, given),
    });
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
    this.#fetching.start(scope);
    const changed = (peer: PeerView): void => this.#look(peer);
    const connected = (peer: PeerId): void => this.#fetching.connected(peer);
    const disconnected = (peer: PeerId): void => {
      this.#serving.disconnected(peer);
      this.#fetching.disconnected(peer);
    };
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
    for (const owner of this.#shown.keys()) this.#components.show(owner, NOTHING);
    this.#shown.clear();
    this.#held.clear();
    this.#fetching.stop();
    this.#serving.stop();
  }

  published(): void {
    const document = this.#components.own();
    if (document !== undefined) this.#serving.tell(document);
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
    if (name !== undefined && this.#fetching.hashOf(peerId) === name.hash) return;
    this.#fetching.forget(peerId);
    if (name === undefined || this.#refused.get(peerId) === name.hash) return;
    if (this.#isHeld(view, name)) return;
    const kept = this.#documents.get(peerId);
    if (kept?.hash === name.hash && this.#take(peerId, name, kept.bytes)) return;
    // Nor as the last one after a restart, where the one of now does not come before its owner goes.
    this.#documents.delete(peerId);
    this.#fetching.want(peerId, name);
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

  #heard(payload: Uint8Array, from: PeerId): void {
    const message = decodeDocumentMessage(payload);
    if (message === undefined) this.#components.network.report(from, 'malformed');
    else if (message.t === 'want') {
      if (!this.#serving.serve(message, from)) this.#fetching.isAskedFor(message, from);
    } else if (message.t === 'part') this.#fetching.heardPart(message, from);
    else if (this.#fetching.heardOf(message, from)) {
      this.#serving.awaits(from, message.of, message.hash);
    }
  }

  /** A document of the hash that the heartbeat of its owner names. */
  #fetched(
    owner: PeerId,
    name: DocumentName,
    { bytes, from }: { readonly bytes: Uint8Array; readonly from: PeerId },
  ): boolean {
    this.#serving.hasIt(from, owner);
    if (this.#take(owner, name, bytes)) return true;
    // Its heartbeat names what is no document of its own: nobody else can have another one of that hash.
    this.#refused.set(owner, name.hash);
    this.#components.network.report(owner, 'malformed');
    return false;
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
    this.#serving.tell(opened.document);
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
