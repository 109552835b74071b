/**
 * The documents of others that this node keeps, one of each owner. When there is no room, the longest goes first, so that
 * whoever lists much takes nothing from those that list little.
 */
import type { PeerId } from '../../core/index.ts';
import type { CatalogDocument } from './document.ts';

/** Bounds of a shelf. */
export interface ShelfLimits {
  readonly documents: number;
  readonly bytes: number;
}

/** Default: everybody's in a mesh of 2,000 that lists some dozens of tools each. */
const LIMITS: ShelfLimits = { documents: 4096, bytes: 64 * 1024 * 1024 };

/** Documents by owner. */
export interface DocumentShelf {
  get(owner: PeerId): CatalogDocument | undefined;
  /** Keeps it in place of the one before; gives the owners whose documents had to go, this one's perhaps. */
  put(document: CatalogDocument): readonly PeerId[];
  delete(owner: PeerId): void;
  /** Of all documents together. */
  readonly sizeBytes: number;
}

/** Makes an empty shelf. */
export function createDocumentShelf(limits: ShelfLimits = LIMITS): DocumentShelf {
  const documents = new Map<PeerId, CatalogDocument>();
  let sizeBytes = 0;
  const remove = (owner: PeerId): void => {
    sizeBytes -= documents.get(owner)?.bytes.length ?? 0;
    documents.delete(owner);
  };
  const longest = (): PeerId | undefined => {
    let found: CatalogDocument | undefined;
    for (const one of documents.values()) {
      if (found === undefined || one.bytes.length > found.bytes.length) found = one;
    }
    return found?.owner;
  };
  return {
    get: (owner) => documents.get(owner),
    put(document) {
      remove(document.owner);
      documents.set(document.owner, document);
      sizeBytes += document.bytes.length;
      const gone: PeerId[] = [];
      while (documents.size > limits.documents || sizeBytes > limits.bytes) {
        const owner = longest();
        if (owner === undefined) break;
        remove(owner);
        gone.push(owner);
      }
      return gone;
    },
    delete: remove,
    get sizeBytes() {
      return sizeBytes;
    },
  };
}
