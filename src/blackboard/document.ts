/**
 * One board's Yjs document: a Y.Map of entries, V2 encoding everywhere. Knows no disk and no network:
 * updates come in and go out as bytes. What is in the document may come from a hostile peer, so every
 * entry is checked when it is read.
 */
import { createHash } from 'node:crypto';
import * as Y from 'yjs';
import type { Did, Json } from '../core/index.ts';
import { LIMITS } from './limits.ts';
import type { BoardChange, BoardEntry } from './types.ts';

/** Hears an update that changed the document, and what it changed. */
export type UpdateListener = (
  update: Uint8Array,
  origin: 'local' | 'remote',
  changes: readonly BoardChange[],
) => void;

/** A board's document. */
export interface BoardDocument {
  get(key: string): BoardEntry | undefined;
  entries(prefix: string): readonly BoardEntry[];
  readonly size: number;
  set(entry: BoardEntry): void;
  delete(key: string): boolean;
  /** Applies an update from elsewhere; false when its bytes are no update. */
  apply(update: Uint8Array): boolean;
  /** True when an update refers to others that we have not seen. */
  readonly isWaiting: boolean;
  vector(): Uint8Array;
  /** What is missing at whoever has `vector`; undefined when the vector is malformed. */
  diff(vector: Uint8Array): Uint8Array | undefined;
  /** The whole document. */
  snapshot(): Uint8Array;
  /** Hash of state vector and delete set. */
  digest(): string;
  onUpdate(listener: UpdateListener): void;
  destroy(): void;
}

interface Value {
  readonly v: Json;
  readonly by: string;
  readonly at: number;
}

const MAP = 'entries';
const DIGEST_DIGITS = 32;
/** A transaction's changes are collected before its update is encoded. */
const REMOTE = Symbol('remote');

/** Makes a document from `snapshot` and later `updates`. */
export function createDocument(updates: readonly Uint8Array[] = []): BoardDocument {
  return new YjsDocument(updates);
}

class YjsDocument implements BoardDocument {
  readonly #doc = new Y.Doc();
  readonly #map = this.#doc.getMap<Value>(MAP);
  #changes: BoardChange[] = [];
  #digest: string | undefined;

  constructor(updates: readonly Uint8Array[]) {
    if (updates.length > 0) Y.applyUpdateV2(this.#doc, Y.mergeUpdatesV2([...updates]));
    this.#map.observe((event) => {
      this.#changes = [...event.keysChanged].map((key) => {
        const entry = this.get(key);
        return entry === undefined ? { key } : { key, entry };
      });
    });
    this.#doc.on('afterTransaction', () => {
      this.#digest = undefined;
    });
  }

  get size(): number {
    return this.#map.size;
  }

  get isWaiting(): boolean {
    return this.#doc.store.pendingStructs !== null;
  }

  get(key: string): BoardEntry | undefined {
    return readEntry(key, this.#map.get(key));
  }

  entries(prefix: string): readonly BoardEntry[] {
    const found: BoardEntry[] = [];
    for (const [key, value] of this.#map.entries()) {
      const entry = key.startsWith(prefix) ? readEntry(key, value) : undefined;
      if (entry !== undefined) found.push(entry);
    }
    return found.sort((a, b) => (a.key < b.key ? -1 : 1));
  }

  set(entry: BoardEntry): void {
    const { key, value, by, at } = entry;
    this.#doc.transact(() => this.#map.set(key, { v: value, by, at }));
  }

  delete(key: string): boolean {
    if (!this.#map.has(key)) return false;
    this.#doc.transact(() => this.#map.delete(key));
    return true;
  }

  apply(update: Uint8Array): boolean {
    try {
      // Decodes the whole update first, so that a damaged one is refused before it touches us.
      Y.decodeUpdateV2(update);
      Y.applyUpdateV2(this.#doc, update, REMOTE);
      return true;
    } catch {
      // Yjs has no error type of its own: whatever it throws here, the bytes were not an update.
      return false;
    }
  }

  vector(): Uint8Array {
    return Y.encodeStateVector(this.#doc);
  }

  diff(vector: Uint8Array): Uint8Array | undefined {
    try {
      return Y.encodeStateAsUpdateV2(this.#doc, vector);
    } catch {
      // A malformed vector, from a peer.
      return undefined;
    }
  }

  snapshot(): Uint8Array {
    return Y.encodeStateAsUpdateV2(this.#doc);
  }

  digest(): string {
    this.#digest ??= createHash('sha256')
      .update(Y.encodeSnapshotV2(Y.snapshot(this.#doc)))
      .digest('hex')
      .slice(0, DIGEST_DIGITS);
    return this.#digest;
  }

  onUpdate(listener: UpdateListener): void {
    this.#doc.on('updateV2', (update: Uint8Array, origin: unknown) => {
      const changes = this.#changes;
      this.#changes = [];
      listener(update, origin === REMOTE ? 'remote' : 'local', changes);
    });
  }

  destroy(): void {
    this.#doc.destroy();
  }
}

/** A well-formed entry, or nothing. */
function readEntry(key: string, value: unknown): BoardEntry | undefined {
  if (key === '' || Buffer.byteLength(key) > LIMITS.keyBytes) return undefined;
  if (typeof value !== 'object' || value === null || value instanceof Y.AbstractType)
    return undefined;
  const { v, by, at } = value as Partial<Record<keyof Value, unknown>>;
  if (v === undefined || typeof by !== 'string' || typeof at !== 'number') return undefined;
  return { key, value: v as Json, by: by as Did, at };
}
