/**
 * One board's Yjs document: a Y.Map of entries, V2 encoding everywhere. Knows no disk and no network:
 * updates come in and go out as bytes. Updates from peers pass `inspect-update.ts` first, and still every
 * entry is checked again when it is read.
 */
import { createHash, randomInt } from 'node:crypto';
import * as Y from 'yjs';
import type { Did, Json } from '../core/index.ts';
import { createDrafter } from './draft.ts';
import type { Drafter } from './draft.ts';
import { MAP_NAME, inspectUpdate } from './inspect-update.ts';
import { PEER_SLACK, isKey } from './limits.ts';
import type { BoardLimits } from './limits.ts';
import type { BoardChange, BoardEntry } from './types.ts';

/**
 * What became of an update from a peer. `full`: it would bring the document over a bound, and was
 * dropped.
 */
export type ApplyResult = 'applied' | 'malformed' | 'full';

/** Hears an update that changed the document, and what it changed. */
export type UpdateListener = (
  update: Uint8Array,
  origin: 'local' | 'remote',
  changes: readonly BoardChange[],
) => void;

/** A change of one key; without `entry` the key is deleted. */
export interface EntryChange {
  readonly key: string;
  readonly entry?: BoardEntry;
}

/** A board's document. */
export interface BoardDocument {
  get(key: string): BoardEntry | undefined;
  /** Entries whose key starts with `prefix`, by key. */
  entries(prefix: string): readonly BoardEntry[];
  has(key: string): boolean;
  /** Keys that are set. */
  readonly size: number;
  /** Pieces of history, see {@link BoardLimits.structs}. */
  readonly structs: number;
  /** Nothing was ever written. */
  readonly isBlank: boolean;
  /** Updates given at the start that could not be read. */
  readonly unreadable: number;
  /**
   * Changes of this node's own as an update, which is not applied: {@link commit} does that once the update
   * is on disk. One at a time. Undefined when nothing would change.
   */
  draft(changes: readonly EntryChange[]): Uint8Array | undefined;
  /** Applies what {@link draft} gave. */
  commit(update: Uint8Array): void;
  /** The last draft was given up: the next one is written under another client id. */
  renewWriter(): void;
  /** Applies an update from a peer. Never throws. */
  apply(update: Uint8Array): ApplyResult;
  /** An update refers to others that we have not seen. */
  readonly isWaiting: boolean;
  /** Forgets the updates that wait for others. */
  dropWaiting(): void;
  vector(): Uint8Array;
  /** What is missing at whoever has `vector`; undefined when the vector is malformed. */
  diff(vector: Uint8Array): Uint8Array | undefined;
  /** The whole document, without what waits. */
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

const DIGEST_DIGITS = 32;
const OWN = Symbol('own');
/** Client ids of Yjs have 32 bits. */
const CLIENT_IDS = 2 ** 32;
/** Bounds of what waits for updates that may never come. */
const WAITING_BYTES_MAX = 1024 * 1024;
const WAITING_STRUCTS_MAX = 100_000;

/** Makes a document from the updates of an earlier one. */
export function createDocument(
  init: { readonly limits: BoardLimits },
  updates: readonly Uint8Array[] = [],
): BoardDocument {
  return new YjsDocument(init.limits, updates);
}

/** Updates of one document as one. */
export function mergeUpdates(updates: readonly Uint8Array[]): Uint8Array {
  const [first, ...others] = updates;
  return first !== undefined && others.length === 0 ? first : Y.mergeUpdatesV2([...updates]);
}

class YjsDocument implements BoardDocument {
  readonly unreadable: number;
  readonly #limits: BoardLimits;
  readonly #doc = new Y.Doc();
  readonly #map = this.#doc.getMap<Value>(MAP_NAME);
  readonly #listeners: UpdateListener[] = [];
  #changes: BoardChange[] = [];
  #digest: string | undefined;
  #waitingStructs = 0;
  /** Counted along, because Y.Map counts its keys anew each time. */
  #size: number;
  /** The client id that own changes are written under. The document's own id writes nothing. */
  #writer: number;
  #drafter: Drafter<Value> | undefined;

  constructor(limits: BoardLimits, updates: readonly Uint8Array[]) {
    this.#limits = limits;
    this.unreadable = this.#load(updates);
    this.#writer = this.#freshClientId();
    this.#doc.clientID = this.#freshClientId();
    this.#size = this.#map.size;
    this.#map.observe((event) => this.#observe(event));
    this.#doc.on('updateV2', (update: Uint8Array, origin: unknown) => {
      this.#digest = undefined;
      const changes = this.#changes;
      this.#changes = [];
      const from = origin === OWN ? 'local' : 'remote';
      for (const listener of this.#listeners) listener(update, from, changes);
    });
  }

  get size(): number {
    return this.#size;
  }

  get structs(): number {
    let count = 0;
    for (const structs of this.#doc.store.clients.values()) count += structs.length;
    return count;
  }

  get isBlank(): boolean {
    return this.#doc.store.clients.size === 0;
  }

  get isWaiting(): boolean {
    const { pendingStructs, pendingDs } = this.#doc.store;
    return pendingStructs !== null || pendingDs !== null;
  }

  dropWaiting(): void {
    this.#doc.store.pendingStructs = null;
    this.#doc.store.pendingDs = null;
    this.#waitingStructs = 0;
  }

  has(key: string): boolean {
    return this.#map.has(key);
  }

  get(key: string): BoardEntry | undefined {
    return this.#read(key, this.#map.get(key));
  }

  entries(prefix: string): readonly BoardEntry[] {
    const found: BoardEntry[] = [];
    for (const [key, value] of this.#map.entries()) {
      const entry = key.startsWith(prefix) ? this.#read(key, value) : undefined;
      if (entry !== undefined) found.push(entry);
    }
    return found.sort((a, b) => (a.key < b.key ? -1 : 1));
  }

  draft(changes: readonly EntryChange[]): Uint8Array | undefined {
    const real = changes.filter(({ key, entry }) => entry !== undefined || this.#map.has(key));
    if (real.length === 0) return undefined;
    const wanted = real.map(({ key, entry }) =>
      entry === undefined ? { key } : { key, value: valueOf(entry) },
    );
    this.#drafter ??= createDrafter<Value>(this.#doc, MAP_NAME);
    return this.#drafter.draft(this.#writer, wanted);
  }

  commit(update: Uint8Array): void {
    Y.applyUpdateV2(this.#doc, update, OWN);
  }

  renewWriter(): void {
    this.#writer = this.#freshClientId();
  }

  apply(update: Uint8Array): ApplyResult {
    const structsMax = this.#limits.structs * PEER_SLACK;
    const facts = inspectUpdate(update, this.#limits, structsMax);
    if (facts === undefined || this.#isInOurName(facts.clocks)) return 'malformed';
    let newKeys = 0;
    for (const key of facts.keys) if (!this.#map.has(key)) newKeys += 1;
    if (newKeys > 0 && this.size + newKeys > this.#limits.keys * PEER_SLACK) return 'full';
    if (facts.structs > 0 && this.structs + facts.structs > structsMax) return 'full';
    try {
      // A copy for the same reason as in `inspect-update.ts`.
      Y.applyUpdateV2(this.#doc, new Uint8Array(update));
    } catch {
      // Not expected after the inspection: Yjs refuses what the inspection has let through.
      return 'malformed';
    }
    this.#boundWaiting(facts.structs);
    return 'applied';
  }

  vector(): Uint8Array {
    return Y.encodeStateVector(this.#doc);
  }

  diff(vector: Uint8Array): Uint8Array | undefined {
    try {
      return this.#encode(vector);
    } catch {
      // A malformed vector, from a peer.
      return undefined;
    }
  }

  snapshot(): Uint8Array {
    return this.#encode();
  }

  digest(): string {
    this.#digest ??= createHash('sha256')
      .update(Y.encodeSnapshotV2(Y.snapshot(this.#doc)))
      .digest('hex')
      .slice(0, DIGEST_DIGITS);
    return this.#digest;
  }

  onUpdate(listener: UpdateListener): void {
    this.#listeners.push(listener);
  }

  destroy(): void {
    this.#doc.destroy();
  }

  /** Nobody else may write in our name; Yjs would change its client id and say so on the console. */
  #isInOurName(clocks: ReadonlyMap<number, number>): boolean {
    return [this.#writer, this.#doc.clientID].some(
      (own) => (clocks.get(own) ?? 0) > Y.getState(this.#doc.store, own),
    );
  }

  /** Two writers with one client id corrupt a document: never one that was used before. */
  #freshClientId(): number {
    let id = randomInt(CLIENT_IDS);
    while (this.#doc.store.clients.has(id) || id === this.#writer) id = randomInt(CLIENT_IDS);
    return id;
  }

  #observe(event: Y.YMapEvent<Value>): void {
    this.#changes = [];
    for (const [key, { action }] of event.changes.keys) {
      if (action === 'add') this.#size += 1;
      else if (action === 'delete') this.#size -= 1;
      const entry = this.get(key);
      this.#changes.push(entry === undefined ? { key } : { key, entry });
    }
  }

  /** One transaction for all: merging thousands of small updates first is quadratic. */
  #load(updates: readonly Uint8Array[]): number {
    let unreadable = 0;
    this.#doc.transact(() => {
      for (const update of updates) {
        try {
          Y.applyUpdateV2(this.#doc, update);
        } catch {
          // A damaged row: the board stays readable without it, and peers send what it held.
          unreadable += 1;
        }
      }
    });
    return unreadable;
  }

  /** What waits stays out: it is passed on when it is complete, not before. */
  #encode(vector?: Uint8Array): Uint8Array {
    const { store } = this.#doc;
    const { pendingStructs, pendingDs } = store;
    store.pendingStructs = null;
    store.pendingDs = null;
    try {
      return Y.encodeStateAsUpdateV2(this.#doc, vector);
    } finally {
      store.pendingStructs = pendingStructs;
      store.pendingDs = pendingDs;
    }
  }

  #boundWaiting(structs: number): void {
    if (!this.isWaiting) {
      this.#waitingStructs = 0;
      return;
    }
    const { pendingStructs, pendingDs } = this.#doc.store;
    this.#waitingStructs += structs;
    const sizeBytes = (pendingStructs?.update.length ?? 0) + (pendingDs?.length ?? 0);
    if (sizeBytes > WAITING_BYTES_MAX || this.#waitingStructs > WAITING_STRUCTS_MAX) {
      this.dropWaiting();
    }
  }

  /** A well-formed entry, or nothing. */
  #read(key: string, value: unknown): BoardEntry | undefined {
    if (!isKey(key, this.#limits)) return undefined;
    if (typeof value !== 'object' || value === null) return undefined;
    const { v, by, at } = value as Partial<Record<keyof Value, unknown>>;
    if (v === undefined || typeof by !== 'string' || typeof at !== 'number') return undefined;
    return { key, value: v as Json, by: by as Did, at };
  }
}

function valueOf({ value, by, at }: BoardEntry): Value {
  return { v: value, by, at };
}
