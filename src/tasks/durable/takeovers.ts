/**
 * When a node goes on with the durable tasks of another one: when that one is gone, each task at the replica that comes
 * first for it by a hash, and at the next one where that does nothing. Two that try at once have one task all the same,
 * as its register is compared and set.
 */
import { createHash } from 'node:crypto';
import { backoffMs, createSemaphore, messageOf, unawaited } from '../../core/index.ts';
import type { Clock, Did, Logger, Random } from '../../core/index.ts';
import type { Membership, PeerAspect, PeerView } from '../../membership/index.ts';
import { TAKES_MAX, TAKE_RANK_MS, TAKE_START_MS } from '../limits.ts';

/** What decides who takes what. */
export interface TakeoversComponents {
  readonly membership: Pick<Membership, 'events' | 'find'>;
  readonly self: { readonly did: Did };
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Who keeps the board of a node. */
  readonly replicas: (creator: Did) => readonly Did[];
  /** Goes on with a task here, where nobody else has meanwhile. */
  readonly take: (id: string) => Promise<void>;
}

/** A task that has not ended, and its owner. */
export interface OwnedTask {
  readonly id: string;
  readonly creator: Did;
  readonly owner: Did;
}

/** Tasks of other owners that may have to be gone on with here. */
export interface Takeovers {
  start(): void;
  stop(): void;
  /** Somebody, or a former life of this node, owns it. */
  watch(task: OwnedTask): void;
  /** It has ended, or is owned here. */
  forget(id: string): void;
}

interface Watched extends OwnedTask {
  cancel: (() => void) | undefined;
  failures: number;
}

const RETRY = { baseMs: 1000, capMs: 30_000 };

/** Makes the takeovers of one node. */
export function createTakeovers(components: TakeoversComponents): Takeovers {
  return new NodeTakeovers(components);
}

class NodeTakeovers implements Takeovers {
  readonly #components: TakeoversComponents;
  readonly #tasks = new Map<string, Watched>();
  /** So that a thousand tasks of one that has died do not ask all at once. */
  readonly #permits = createSemaphore(TAKES_MAX);
  #isStarted = false;
  readonly #peerChanged = (
    peer: PeerView,
    _: PeerView | undefined,
    what: ReadonlySet<PeerAspect>,
  ): void => {
    if (!what.has('state')) return;
    for (const task of this.#tasks.values()) {
      if (task.owner === peer.did) this.#consider(task, 0);
    }
  };

  constructor(components: TakeoversComponents) {
    this.#components = components;
  }

  start(): void {
    this.#isStarted = true;
    this.#components.membership.events.on('change', this.#peerChanged);
  }

  stop(): void {
    this.#isStarted = false;
    this.#components.membership.events.off('change', this.#peerChanged);
    for (const { cancel } of this.#tasks.values()) cancel?.();
    this.#tasks.clear();
  }

  watch(task: OwnedTask): void {
    const known = this.#tasks.get(task.id);
    if (known?.owner === task.owner) return;
    known?.cancel?.();
    const watched: Watched = { ...task, cancel: undefined, failures: 0 };
    this.#tasks.set(task.id, watched);
    // A node that has just started does not know yet who is there.
    this.#consider(watched, task.owner === this.#components.self.did ? 0 : TAKE_START_MS);
  }

  forget(id: string): void {
    this.#tasks.get(id)?.cancel?.();
    this.#tasks.delete(id);
  }

  #consider(task: Watched, afterMs: number): void {
    task.cancel?.();
    task.cancel = undefined;
    const rank = this.#rankFor(task);
    if (!this.#isStarted || rank === undefined) return;
    task.cancel = this.#components.clock.schedule(afterMs + rank * TAKE_RANK_MS, () => {
      task.cancel = undefined;
      const { logger } = this.#components;
      unawaited(this.#take(task), logger, 'a task was not taken over', { task: task.id });
    });
  }

  /** How many come before this node; undefined where it is not to take the task. */
  #rankFor({ id, creator, owner }: OwnedTask): number | undefined {
    const { self } = this.#components;
    if (owner === self.did) return 0;
    if (this.#isThere(owner)) return undefined;
    const able = this.#components
      .replicas(creator)
      .filter((did) => did === self.did || this.#isThere(did))
      .map((did) => ({ did, weight: weightOf(id, did) }))
      .toSorted((one, other) => (one.weight < other.weight ? -1 : 1));
    const rank = able.findIndex(({ did }) => did === self.did);
    return rank === -1 ? undefined : rank;
  }

  /** One that is suspected may be there. */
  #isThere(did: Did): boolean {
    const state = this.#components.membership.find(did)?.state;
    return state === 'alive' || state === 'suspect';
  }

  /** Never rejects. */
  async #take(task: Watched): Promise<void> {
    await this.#permits.take();
    try {
      const isCurrent = this.#isStarted && this.#tasks.get(task.id) === task;
      if (!isCurrent || this.#rankFor(task) === undefined) return;
      await this.#components.take(task.id);
    } catch (error) {
      const { logger, random } = this.#components;
      logger.debug({ task: task.id, error: messageOf(error) }, 'a task could not be taken over');
      if (this.#tasks.get(task.id) !== task) return;
      this.#consider(task, backoffMs(task.failures, RETRY, random) + RETRY.baseMs);
      task.failures += 1;
    } finally {
      this.#permits.give();
    }
  }
}

function weightOf(id: string, did: Did): string {
  return createHash('sha256').update(`${id} ${did}`).digest('hex');
}
