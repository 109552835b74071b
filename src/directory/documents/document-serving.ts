/**
 * What this node gives of catalog documents: parts of those that it has, to whoever asks for them. Who asks for one that is
 * not here is told so, and is told again once the document has come.
 */
import { createBuckets } from '../../core/index.ts';
import type { Buckets, Clock, PeerId } from '../../core/index.ts';
import type { Network } from '../../network/index.ts';
import type { CatalogDocument } from './document.ts';
import { PART_BYTES } from './document-messages.ts';
import type { DocumentMessage, SendDocumentMessage } from './document-messages.ts';
import type { KeptDocuments } from './kept-documents.ts';

/**
 * What one peer is sent: each answer costs one, and one more for each KiB. 4 MiB at once, then 250 KiB a second, which is
 * what is read of a control stream.
 */
const SERVED = { burst: 4096, everyMs: 4 } as const;
/** Documents of which one peer is told once they are here. */
const AWAITED_MAX = 512;

/** What serving works with. */
export interface DocumentServingComponents {
  readonly network: Pick<Network, 'report' | 'self'>;
  /** This node's own document; undefined while it lists nothing. */
  readonly own: () => CatalogDocument | undefined;
  readonly documents: Pick<KeptDocuments, 'get'>;
  readonly send: SendDocumentMessage;
  readonly clock: Clock;
}

/** See the file. */
export class DocumentServing {
  readonly #components: DocumentServingComponents;
  /** Whom to tell once a document is here: by peer the hashes by owner. */
  readonly #awaited = new Map<PeerId, Map<PeerId, string>>();
  readonly #served: Buckets;

  constructor(components: DocumentServingComponents) {
    this.#components = components;
    this.#served = createBuckets(components.clock, SERVED);
  }

  /** Gives the part that `to` wants. False where the document is not here; a peer that asks too much is given nothing. */
  serve({ of, hash, at }: Extract<DocumentMessage, { t: 'want' }>, to: PeerId): boolean {
    const { documents, network, own, send } = this.#components;
    if (this.#served.waitMs(to) > 0) {
      network.report(to, 'catalogs');
      return true;
    }
    const document = of === network.self ? own() : documents.get(of);
    if (document?.hash !== hash || at >= document.bytes.length) {
      this.#served.charge(to, 1);
      this.awaits(to, of, hash);
      send(to, { t: 'none', of, hash });
      return false;
    }
    const bytes = document.bytes.subarray(at, at + PART_BYTES);
    this.#served.charge(to, 1 + bytes.length / 1024);
    send(to, { t: 'part', of, hash, at, size: document.bytes.length, bytes });
    return true;
  }

  /** Who has not what is not here either is told once it is; of a document that nobody makes, never. */
  awaits(peer: PeerId, owner: PeerId, hash: string): void {
    const awaited = this.#awaited.get(peer) ?? new Map<PeerId, string>();
    if (awaited.size >= AWAITED_MAX && !awaited.has(owner)) return;
    this.#awaited.set(peer, awaited.set(owner, hash));
  }

  /** `peer` has the document of `owner` that counts: it need not be told of it. */
  hasIt(peer: PeerId, owner: PeerId): void {
    this.#awaited.get(peer)?.delete(owner);
  }

  /** The document is here now. */
  tell({ owner, hash }: CatalogDocument): void {
    for (const [peer, awaited] of this.#awaited) {
      if (awaited.get(owner) !== hash) continue;
      awaited.delete(owner);
      this.#components.send(peer, { t: 'have', of: owner, hash });
    }
  }

  disconnected(peer: PeerId): void {
    this.#awaited.delete(peer);
  }

  stop(): void {
    this.#awaited.clear();
  }
}
