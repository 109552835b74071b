/** One open board: its document, its log, and those who watch it. */
import type { Clock, Did, Json, Logger } from '../core/index.ts';
import { messageOf } from '../core/index.ts';
import type { BoardDocument } from './document.ts';
import { LIMITS, checkKey, checkValue, invalid } from './limits.ts';
import type { BoardLog } from './log.ts';
import type { Board, BoardChange, BoardEntry } from './types.ts';

/** A board as the blackboard holds it. */
export interface HeldBoard extends Board {
  readonly document: BoardDocument;
  /** Applies an update from a peer and keeps it; false when it is none. */
  take(update: Uint8Array): boolean;
  /** Resolves once everything so far is durable. */
  flushed(): Promise<void>;
  close(): void;
}

/** What a board works with. */
export interface BoardComponents {
  readonly document: BoardDocument;
  readonly log: BoardLog;
  /** Who writes here. */
  readonly self: Did;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Hears our own updates, to be told to others, once they are durable. */
  publish(update: Uint8Array): void;
}

/** Opens a board. */
export function createBoard(name: string, components: BoardComponents): HeldBoard {
  return new DurableBoard(name, components);
}

class DurableBoard implements HeldBoard {
  readonly name: string;
  readonly document: BoardDocument;
  readonly #components: BoardComponents;
  readonly #watchers = new Set<(changes: readonly BoardChange[]) => void>();
  #writing: Promise<void> = Promise.resolve();

  constructor(name: string, components: BoardComponents) {
    this.name = name;
    this.document = components.document;
    this.#components = components;
    this.document.onUpdate((update, origin, changes) => {
      const durable = this.#append(update);
      if (origin === 'local') {
        durable.then(
          () => components.publish(update),
          () => undefined,
        );
      }
      if (changes.length > 0) for (const watcher of this.#watchers) watcher(changes);
    });
  }

  get(key: string): BoardEntry | undefined {
    return this.document.get(key);
  }

  async set(key: string, value: Json): Promise<BoardEntry> {
    checkKey(key);
    checkValue(value);
    if (this.document.size >= LIMITS.keys && this.document.get(key) === undefined) {
      throw invalid(
        `board '${this.name}' holds ${LIMITS.keys} keys, which is the limit`,
        'delete some first',
      );
    }
    const entry = { key, value, by: this.#components.self, at: this.#components.clock.now() };
    this.document.set(entry);
    await this.#writing;
    return entry;
  }

  async delete(key: string): Promise<boolean> {
    checkKey(key);
    const deleted = this.document.delete(key);
    await this.#writing;
    return deleted;
  }

  entries(prefix = ''): readonly BoardEntry[] {
    return this.document.entries(prefix);
  }

  digest(): string {
    return this.document.digest();
  }

  watch(listener: (changes: readonly BoardChange[]) => void): () => void {
    this.#watchers.add(listener);
    return () => this.#watchers.delete(listener);
  }

  take(update: Uint8Array): boolean {
    return this.document.apply(update);
  }

  flushed(): Promise<void> {
    return this.#writing;
  }

  close(): void {
    this.#watchers.clear();
    this.document.destroy();
  }

  /** Appends in order; `#writing` is the durability of everything so far. */
  #append(update: Uint8Array): Promise<void> {
    const { log, logger } = this.#components;
    const appended = log.append(update);
    const folded = log.isLong ? log.fold(this.document.snapshot()) : Promise.resolve();
    const durable = Promise.all([this.#writing, appended, folded]).then(() => undefined);
    this.#writing = durable;
    durable.catch((error: unknown) =>
      logger.error({ board: this.name, error: messageOf(error) }, 'board not written to disk'),
    );
    return durable;
  }
}
