/**
 * Writes in groups: what arrives while one group is being written goes into the next, so that durability
 * costs one disk sync a group, not one a write.
 */
import { StarlingError } from '../core/index.ts';
import type { LevelWrite } from './open-level.ts';

/** Bytes that may wait for the disk; more means that it can't keep up. */
const PENDING_BYTES_MAX = 64 * 1024 * 1024;
/** What a waiting write costs besides its value, about. */
const WRITE_BYTES = 128;

interface Pending {
  readonly writes: readonly LevelWrite[];
  resolve(): void;
  reject(error: unknown): void;
}

/** The writes of one database. */
export interface GroupedWrites {
  /**
   * Resolves once the writes are durable, all or none. With `isGathered` nothing is written later than at the end of this turn, unless a
   * group is under way. @throws STARLING_LIMIT_EXCEEDED
   */
  add(writes: readonly LevelWrite[], options?: { readonly isGathered?: boolean }): Promise<void>;
  /** Resolves when nothing is being written; never rejects. */
  idle(): Promise<void>;
}

/** Makes the groups over `write`, which must write all or nothing, and is asked once at a time. */
export function createGroupedWrites(
  write: (group: LevelWrite[]) => Promise<void>,
  init: { readonly dir: string },
): GroupedWrites {
  return new Groups(write, init.dir);
}

class Groups implements GroupedWrites {
  readonly #write: (group: LevelWrite[]) => Promise<void>;
  readonly #dir: string;
  #pending: Pending[] = [];
  #pendingBytes = 0;
  #writing: Promise<void> | undefined;
  /** Ends the wait for the next turn. */
  #begin: (() => void) | undefined;

  constructor(write: (group: LevelWrite[]) => Promise<void>, dir: string) {
    this.#write = write;
    this.#dir = dir;
  }

  add(writes: readonly LevelWrite[], { isGathered = false } = {}): Promise<void> {
    const sizeBytes = writes.reduce(
      (sum, one) => sum + WRITE_BYTES + (one.type === 'put' ? one.value.length : 0),
      0,
    );
    if (this.#pendingBytes > 0 && this.#pendingBytes + sizeBytes > PENDING_BYTES_MAX) {
      throw new StarlingError(
        'STARLING_LIMIT_EXCEEDED',
        `over ${PENDING_BYTES_MAX} bytes wait to be written to ${this.#dir}`,
        { hint: 'the disk does not keep up: see what else uses it' },
      );
    }
    this.#pendingBytes += sizeBytes;
    return new Promise((resolve, reject) => {
      this.#pending.push({ writes, resolve, reject });
      this.#writing ??= this.#drain();
      if (isGathered) this.#begin?.();
    });
  }

  async idle(): Promise<void> {
    while (this.#writing !== undefined) await this.#writing;
  }

  async #drain(): Promise<void> {
    // One turn of the event loop, so that writes of the same moment share a sync; whoever has waited for others already waits no more.
    await new Promise<void>((resolve) => {
      const turn = setImmediate(resolve);
      this.#begin = () => {
        clearImmediate(turn);
        resolve();
      };
    });
    this.#begin = undefined;
    while (this.#pending.length > 0) {
      const group = this.#pending;
      this.#pending = [];
      this.#pendingBytes = 0;
      try {
        await this.#write(group.flatMap((one) => one.writes));
        for (const one of group) one.resolve();
      } catch (error) {
        for (const one of group) one.reject(error);
      }
    }
    this.#writing = undefined;
  }
}
