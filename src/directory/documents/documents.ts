/** Catalog documents of one node: its own, which its heartbeats name, and those of others, which it keeps and passes on. */
import { createBuckets, createScope, messageOf } from '../../core/index.ts';
import type { Buckets, Health, PeerId, Scope, Startable } from '../../core/index.ts';
import type { Presence } from '../../membership/index.ts';
import type { KeptListing, ListedAgent, Listing } from '../types.ts';
import { DOCUMENT_BYTES_MAX } from './document.ts';
import { createDocumentExchange } from './document-exchange.ts';
import type { DocumentExchange, DocumentExchangeComponents } from './document-exchange.ts';
import { createOwnDocument } from './own-document.ts';
import type { OwnDocument, OwnDocumentComponents } from './own-document.ts';

/** Changes that come close together make one version. */
const DELAY_MS = 200;
/** How often there is another version: everybody fetches each. What changes again and again waits. */
const VERSIONS = { burst: 5, everyMs: 5000 } as const;
/** When the disk has refused the next version. */
const RETRY_MS = 30_000;
const CUT = 'listing-cut';
const UNKEPT = 'listing-unkept';

/** What the documents work with. */
export interface CatalogDocumentsComponents
  extends
    Omit<DocumentExchangeComponents, 'own'>,
    Pick<OwnDocumentComponents, 'identity' | 'table'> {
  /** What this node lists to all members; undefined while that is not known yet. */
  readonly listed: () => Listing | undefined;
  /** Another document is this node's own: heartbeats are to name it. */
  readonly announce: () => void;
  readonly health: Pick<Health, 'raise' | 'clear'>;
}

/** The documents, between start and stop. */
export interface CatalogDocuments extends Startable {
  /** What this node lists may be another. */
  changed(): void;
  /** What `owner` lists, or listed last where it is away; undefined where no document of it is here that may be shown. */
  kept(owner: PeerId): KeptListing | undefined;
  /** The agents of {@link CatalogDocuments.kept}; costs nothing when it is asked for again. */
  agentsOf(owner: PeerId): readonly ListedAgent[];
  /** What heartbeats say of it. */
  presence(): Pick<Presence, 'lists'>;
}

/** Nothing is listed before {@link CatalogDocuments.changed}. */
export function createCatalogDocuments(components: CatalogDocumentsComponents): CatalogDocuments {
  return new NodeDocuments(components);
}

class NodeDocuments implements CatalogDocuments {
  readonly #components: CatalogDocumentsComponents;
  readonly #own: OwnDocument;
  readonly #exchange: DocumentExchange;
  readonly #versions: Buckets;
  #scope: Scope | undefined;
  #isDue = false;
  /** A version that is being written; the next one waits for it. */
  #listing: Promise<void> = Promise.resolve();

  constructor(components: CatalogDocumentsComponents) {
    this.#components = components;
    this.#own = createOwnDocument({ ...components, self: components.network.self });
    this.#exchange = createDocumentExchange({ ...components, own: () => this.#own.current });
    this.#versions = createBuckets(components.clock, VERSIONS);
  }

  async start(): Promise<void> {
    if (this.#scope !== undefined) return;
    const scope = createScope(this.#components.clock);
    this.#scope = scope;
    await this.#exchange.load();
    // It may be stopped meanwhile.
    if (!scope.closed) this.#exchange.start();
  }

  async stop(): Promise<void> {
    this.#scope?.close();
    this.#scope = undefined;
    this.#isDue = false;
    this.#exchange.stop();
    await this.#listing;
    await this.#exchange.written();
  }

  presence(): Pick<Presence, 'lists'> {
    const document = this.#own.current;
    if (document === undefined) return {};
    return { lists: { version: document.version, hash: document.hash } };
  }

  kept(owner: PeerId): KeptListing | undefined {
    return this.#exchange.kept(owner);
  }

  agentsOf(owner: PeerId): readonly ListedAgent[] {
    return this.#exchange.agentsOf(owner);
  }

  changed(): void {
    this.#listIn(DELAY_MS);
  }

  #listIn(delayMs: number): void {
    if (this.#isDue || this.#scope === undefined) return;
    this.#isDue = true;
    this.#scope.after(Math.max(delayMs, this.#versions.waitMs('')), () => {
      this.#isDue = false;
      this.#listing = this.#listing.then(() => this.#list());
    });
  }

  /** Never rejects. */
  async #list(): Promise<void> {
    const { announce, health, listed, logger } = this.#components;
    try {
      const listing = listed();
      if (listing === undefined) return;
      const isOther = await this.#own.list(listing);
      health.clear(UNKEPT);
      if (!isOther) return;
    } catch (error) {
      logger.warn({ error: messageOf(error) }, 'what is listed can not be told');
      health.raise({
        code: UNKEPT,
        text: `what this node lists has changed, and the change can't be written down: ${messageOf(error)}`,
        hint: 'members see what was listed before; free space on the disk of the state folder',
      });
      this.#listIn(RETRY_MS);
      return;
    }
    this.#versions.charge('', 1);
    this.#tellCut();
    announce();
    this.#exchange.published();
  }

  #tellCut(): void {
    const { health } = this.#components;
    const { cut } = this.#own;
    if (cut === 0) health.clear(CUT);
    else {
      health.raise({
        code: CUT,
        text: `what this node lists is longer than ${DOCUMENT_BYTES_MAX / 1024} KiB: ${cut} of its agents, tools, resources or prompts are left out`,
        hint: 'list fewer servers (`listed` in mcpServers); who is granted what is left out sees it all the same',
      });
    }
  }
}
