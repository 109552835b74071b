/**
 * The documents of others that this node keeps, also on disk: who comes back, or is here when this node does, with the same
 * list has nobody fetch it, and of who is away is known what it listed last. Each proves itself by its owner's signature,
 * which is checked when it is opened: what stands on the disk is not believed either.
 */
import { messageOf } from '../../core/index.ts';
import type { Logger, PeerId } from '../../core/index.ts';
import { parsePeerId } from '../../identity/index.ts';
import type { Table } from '../../store/index.ts';
import type { ListedAgent, Listing } from '../types.ts';
import { hashOf, labelOf, openDocument } from './document.ts';
import type { CatalogDocument } from './document.ts';
import { createDocumentShelf } from './document-shelf.ts';
import type { DocumentShelf, ShelfLimits } from './document-shelf.ts';

/** Key of a row: the PeerId of the owner behind it. */
const ROW = 'of/';

/** Where they are kept. */
export interface KeptDocumentsComponents {
  readonly table: Table;
  readonly logger: Logger;
}

/** One document of each owner, as far as there is room. */
export interface KeptDocuments {
  /** Takes what stands on the disk; damaged rows are logged and go. @throws what the table throws */
  load(): Promise<void>;
  get(owner: PeerId): CatalogDocument | undefined;
  /** Keeps it in place of the one before; gives the owners whose documents had to go, this one's perhaps. */
  put(document: CatalogDocument, agents: readonly ListedAgent[]): readonly PeerId[];
  delete(owner: PeerId): void;
  /** What it lists; undefined where none is kept, or the one that is was never signed by its owner. */
  open(owner: PeerId): Listing | undefined;
  /** The agents in it, which are not read again. */
  agentsOf(owner: PeerId): readonly ListedAgent[];
  /** Resolves once all is on disk that was put here so far, or could not be. Never rejects. */
  written(): Promise<void>;
}

/** Nothing is kept before `load`. */
export function createKeptDocuments(
  components: KeptDocumentsComponents,
  limits?: ShelfLimits,
): KeptDocuments {
  return new Kept(components, createDocumentShelf(limits));
}

class Kept implements KeptDocuments {
  readonly #components: KeptDocumentsComponents;
  readonly #shelf: DocumentShelf;
  /** Of documents that were opened. */
  readonly #agents = new Map<PeerId, readonly ListedAgent[]>();
  /** What the disk has not taken yet, by key: the last of each counts, so that a slow disk has no more to wait for than it holds. */
  readonly #unwritten = new Map<string, Uint8Array | undefined>();
  #writing: Promise<void> | undefined;

  constructor(components: KeptDocumentsComponents, shelf: DocumentShelf) {
    this.#components = components;
    this.#shelf = shelf;
  }

  async load(): Promise<void> {
    const { logger, table } = this.#components;
    for await (const [key, bytes] of table.entries(ROW)) {
      const document = documentIn(key.slice(ROW.length), bytes);
      if (document === undefined) {
        logger.warn({ key }, 'a stored catalog of a peer is damaged, left out');
        this.#write(key, undefined);
      } else if (this.#shelf.get(document.owner) === undefined) {
        for (const gone of this.#shelf.put(document)) this.#write(ROW + gone, undefined);
      }
    }
  }

  get(owner: PeerId): CatalogDocument | undefined {
    return this.#shelf.get(owner);
  }

  put(document: CatalogDocument, agents: readonly ListedAgent[]): readonly PeerId[] {
    const { bytes, hash, owner } = document;
    this.#agents.set(owner, agents);
    if (this.#shelf.get(owner)?.hash === hash) return [];
    this.#write(ROW + owner, bytes);
    const gone = this.#shelf.put(document);
    for (const one of gone) {
      this.#agents.delete(one);
      this.#write(ROW + one, undefined);
    }
    return gone;
  }

  delete(owner: PeerId): void {
    this.#agents.delete(owner);
    if (this.#shelf.get(owner) === undefined) return;
    this.#shelf.delete(owner);
    this.#write(ROW + owner, undefined);
  }

  open(owner: PeerId): Listing | undefined {
    const document = this.#shelf.get(owner);
    if (document === undefined) return undefined;
    const listing = openDocument(document.bytes, document);
    if (listing === undefined) this.delete(owner);
    else this.#agents.set(owner, listing.agents);
    return listing;
  }

  agentsOf(owner: PeerId): readonly ListedAgent[] {
    return this.#agents.get(owner) ?? this.open(owner)?.agents ?? [];
  }

  async written(): Promise<void> {
    await this.#writing;
  }

  #write(key: string, bytes: Uint8Array | undefined): void {
    this.#unwritten.set(key, bytes);
    this.#writing ??= this.#writeAll();
  }

  /** One after the other; what the disk refuses is fetched again after a restart. Never rejects. */
  async #writeAll(): Promise<void> {
    const { logger, table } = this.#components;
    // Not before `#writing` is known.
    await Promise.resolve();
    for (const [key, bytes] of this.#unwritten) {
      this.#unwritten.delete(key);
      try {
        await (bytes === undefined ? table.delete(key) : table.put(key, bytes));
      } catch (error) {
        logger.warn({ key, error: messageOf(error) }, 'a catalog of a peer is not kept on disk');
      }
    }
    this.#writing = undefined;
  }
}

function documentIn(owner: string, bytes: Uint8Array): CatalogDocument | undefined {
  const label = labelOf(bytes);
  if (label?.owner !== owner) return undefined;
  try {
    return { owner: parsePeerId(owner), version: label.version, hash: hashOf(bytes), bytes };
  } catch {
    return undefined;
  }
}
