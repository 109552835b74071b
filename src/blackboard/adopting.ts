/**
 * Whose lanes this node adopts, and when: those of writers who are away, on boards that this node administers, once nothing
 * was written to them for long and most of what they hold is dead. Each adoption is on record.
 */
import { messageOf } from '../core/index.ts';
import type { Clock, Did, Logger, PeerId } from '../core/index.ts';
import type { OpenBoard } from './board/board.ts';
import type { MemberAround } from './peers-around.ts';

/** What is asked and told about adoptions. */
export interface AdoptingComponents {
  readonly self: Did;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly boards: ReadonlyMap<string, OpenBoard>;
  /** Dead items of lanes that are left alone; see `limits.ts`. */
  readonly dead: number;
  readonly members?: () => readonly MemberAround[];
  didOf(peer: PeerId): Did;
  /** Puts it on record that lanes of `owner` on a board were adopted here. */
  adopted?(board: string, owner: Did): void;
}

/** How long a writer must have written nothing. Lower: one that was away for long finds its entries carried by others. */
export const ABSENT_MS = 30 * 24 * 3_600_000;
/** How often it is looked for such lanes. */
const LOOK_MS = 3_600_000;

/** The adoptions of this node. */
export class Adopting {
  readonly #components: AdoptingComponents;
  #lookedAt: number | undefined;

  constructor(components: AdoptingComponents) {
    this.#components = components;
  }

  /** Looks for lanes to adopt, if that was not done lately; called as often as one likes. */
  look(): void {
    const { clock, boards, logger } = this.#components;
    const now = clock.now();
    if (this.#lookedAt !== undefined && Math.abs(now - this.#lookedAt) < LOOK_MS) return;
    this.#lookedAt = now;
    for (const board of boards.values()) {
      const owners = this.#absentOn(board, now);
      if (owners.length === 0) continue;
      this.#adopt(board, owners).catch((error: unknown) =>
        // Not lost: it is looked again.
        logger.warn({ board: board.name, error: messageOf(error) }, 'lanes not adopted'),
      );
    }
  }

  #absentOn({ access, document }: OpenBoard, now: number): readonly Did[] {
    const { self, dead } = this.#components;
    if (access === undefined || access.replicas !== undefined || !access.mayAdminister(self)) {
      return [];
    }
    const absent = document.absentSince({ writtenBefore: now - ABSENT_MS, dead });
    if (absent.length === 0) return [];
    const members = this.#components.members?.() ?? [];
    const here = new Set(members.map(({ peerId }) => this.#components.didOf(peerId)));
    return absent.filter((did) => did !== self && !here.has(did));
  }

  async #adopt(board: OpenBoard, owners: readonly Did[]): Promise<void> {
    if (!(await board.adopt(new Set(owners)))) return;
    for (const owner of owners) {
      this.#components.logger.info(
        { board: board.name, writer: owner },
        'lanes of a writer who is away are adopted',
      );
      this.#components.adopted?.(board.name, owner);
    }
  }
}
