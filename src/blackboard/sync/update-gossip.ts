/**
 * Sends this node's updates of boards by gossip, or to those who may have them, no faster than others take
 * them: what comes faster is merged and goes as one. What is too long for a message is left to a sync.
 */
import { createBuckets, messageOf } from '../../core/index.ts';
import type { Clock, Did, Logger, Scope } from '../../core/index.ts';
import { encodeUpdate, joinParts } from '../lanes/update.ts';
import type { LanePart } from '../lanes/update.ts';

/** How many updates others take of a node: each costs every member about 5 ms. */
export const UPDATE_ALLOWANCE = { burst: 40, everyMs: 50 } as const;
/** How many this node sends: less than others take. */
const OWN_PACE = { burst: 25, everyMs: 60 } as const;
/** A longer update goes by sync only: a gossip message carries 64 KiB, its envelope included. */
const GOSSIP_BYTES_MAX = 48 * 1024;

/** Tells all members of a write at once, as far as a message of gossip carries it. */
export interface UpdateGossip {
  /** Sends what was written, now or with what follows. */
  send(board: string, part: LanePart): void;
}

/** Makes it; `tooLong` hears of boards whose updates must go by sync. */
export function createUpdateGossip(
  components: {
    /** The message that carries an update. */
    encode(board: string, update: Uint8Array): Uint8Array;
    publish(board: string, message: Uint8Array): Promise<void>;
    /** Who writes here. */
    readonly self: Did;
    readonly scope: Scope;
    readonly clock: Clock;
    readonly logger: Logger;
  },
  tooLong: (board: string) => void,
): UpdateGossip {
  return new PacedGossip(components, tooLong);
}

interface Pending {
  readonly parts: LanePart[];
  sizeBytes: number;
}

class PacedGossip implements UpdateGossip {
  readonly #components: Parameters<typeof createUpdateGossip>[0];
  readonly #tooLong: (board: string) => void;
  readonly #pace: ReturnType<typeof createBuckets>;
  readonly #pending = new Map<string, Pending>();

  constructor(
    components: Parameters<typeof createUpdateGossip>[0],
    tooLong: (board: string) => void,
  ) {
    this.#components = components;
    this.#tooLong = tooLong;
    this.#pace = createBuckets(components.clock, OWN_PACE);
  }

  send(board: string, part: LanePart): void {
    if (this.#pending.size === 0 && this.#pace.take('own')) {
      this.#publish(board, [part]);
      return;
    }
    const pending = this.#pending.get(board) ?? { parts: [], sizeBytes: 0 };
    // Over the bound the board is synced, whatever is in it.
    if (pending.sizeBytes <= GOSSIP_BYTES_MAX) pending.parts.push(part);
    pending.sizeBytes += part.update?.length ?? 0;
    this.#pending.set(board, pending);
    if (this.#pending.size === 1 && pending.parts.length === 1) this.#flushLater();
  }

  #flushLater(): void {
    const waitMs = Math.max(1, this.#pace.waitMs('own'));
    this.#components.scope.after(waitMs, () => this.#flush());
  }

  #flush(): void {
    for (const [board, { parts, sizeBytes }] of this.#pending) {
      if (!this.#pace.take('own')) break;
      this.#pending.delete(board);
      if (sizeBytes > GOSSIP_BYTES_MAX) this.#tooLong(board);
      else this.#publish(board, joinParts(parts));
    }
    if (this.#pending.size > 0) this.#flushLater();
  }

  #publish(board: string, parts: readonly LanePart[]): void {
    const { logger, self } = this.#components;
    const update = encodeUpdate({ isWhole: false, parts }, self);
    const message = this.#components.encode(board, update);
    if (message.length > GOSSIP_BYTES_MAX) {
      this.#tooLong(board);
      return;
    }
    this.#components.publish(board, message).catch((error: unknown) =>
      // The update is not lost: the digests in heartbeats show that boards differ.
      logger.debug({ board, error: messageOf(error) }, 'update not gossiped'),
    );
  }
}
