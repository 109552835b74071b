/**
 * Durable tasks that are given together count together, though each has a register of its own: a register of the batch says
 * whether they count. It is open while they are written, and kept by one change once all are. Whoever goes on with the work
 * of a node that is gone ends a batch that is open still, and then none of its tasks counts. Where there is no such register
 * any more the batch was kept: one that was ended stays as long as somebody may ask.
 */
import { StarlingError, messageOf, pause } from '../../core/index.ts';
import type { Clock, Did, Json, Logger, Random } from '../../core/index.ts';
import { labelOf } from '../../agents/index.ts';
import { countdown } from '../life/countdown.ts';
import {
  BATCHES_MAX,
  BATCH_ENDED_MS,
  SHARE_OF_ONE,
  SUBMIT_AGAIN_MS,
  SUBMIT_MS,
  TASKS_MAX,
} from '../limits.ts';
import { isForNow } from './boards.ts';
import type { DurableBoards } from './boards.ts';
import { batchValue, readBatch } from './format.ts';
import type { BatchRegister } from './format.ts';
import type { OwnedTask } from './takeovers.ts';

/** The boards, and who hears of what becomes of batches. */
export interface BatchesComponents {
  readonly self: { readonly did: Did };
  readonly boards: Pick<DurableBoards, 'read' | 'remove' | 'write'>;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** False: the node is stopping. */
  isOn(this: void): boolean;
  /** Somebody else, or a former life of this node, has it open. */
  watch(this: void, batch: OwnedTask): void;
  /** It is open no more. */
  forget(this: void, id: string): void;
  /** What becomes of these tasks is known now. */
  decided(this: void, creator: Did, tasks: readonly string[]): void;
}

/** What is known of one batch. */
interface Known {
  readonly creator: Did;
  /** Undefined: it is being asked. */
  counts: boolean | undefined;
  /** This life of the node is writing it. */
  isOurs: boolean;
  /** Of one of this node's that has ended: nobody asks any more what became of it then. */
  cancelEnd: (() => void) | undefined;
  /** Its tasks, until it is known whether they count. */
  readonly tasks: Set<string>;
}

/** See the file. */
export class Batches {
  readonly #components: BatchesComponents;
  readonly #known = new Map<string, Known>();
  /** Tasks that wait for what becomes of their batches. */
  #waiting = 0;

  constructor(components: BatchesComponents) {
    this.#components = components;
  }

  /** Begins one here; gives its id. @throws STARLING_NO_QUORUM, STARLING_OUTCOME_UNKNOWN */
  async open(): Promise<string> {
    const { boards, clock, random, self } = this.#components;
    const at = clock.now();
    const id = labelOf('batch', at, random);
    const made = this.#add(id, self.did);
    if (made === undefined) throw tooMany();
    made.isOurs = true;
    const value = batchValue({ owner: self.did, state: 'open', at });
    const left = countdown(clock, SUBMIT_MS);
    try {
      for (;;) {
        try {
          await boards.write(self.did, id, { version: 0, value });
          return id;
        } catch (error) {
          if (!isForNow(error) || left.isOver || !this.#components.isOn()) {
            this.giveUp(id);
            throw error;
          }
          await pause(clock, SUBMIT_AGAIN_MS);
        }
      }
    } finally {
      left.stop();
    }
  }

  /** From now on its tasks count. @throws STARLING_OUTCOME_UNKNOWN where another node has ended it meanwhile; STARLING_NO_QUORUM, … */
  async keep(id: string): Promise<void> {
    const { clock, self } = this.#components;
    const left = countdown(clock, SUBMIT_MS);
    try {
      for (;;) {
        try {
          if (!(await this.#turn(self.did, id, 'kept'))) throw endedMeanwhile();
          this.#decide(id, true);
          return this.#remove(id);
        } catch (error) {
          const isOver = left.isOver || !this.#components.isOn();
          if (isOver || !isForNow(error) || isEnded(error)) throw error;
          await pause(clock, SUBMIT_AGAIN_MS);
        }
      }
    } finally {
      left.stop();
    }
  }

  /** None of its tasks counts, whenever that can be written. Never rejects. */
  giveUp(id: string): void {
    const { clock, isOn, logger, self } = this.#components;
    const work = async (): Promise<void> => {
      while (isOn()) {
        try {
          return await this.end(self.did, id);
        } catch (error) {
          if (!isForNow(error)) throw error;
          await pause(clock, SUBMIT_AGAIN_MS);
        }
      }
    };
    work().catch((error: unknown) =>
      logger.warn({ batch: id, error: messageOf(error) }, 'a batch of tasks was not given up'),
    );
  }

  /** None of its tasks counts, unless all do already. @throws STARLING_NO_QUORUM, STARLING_OUTCOME_UNKNOWN */
  async end(creator: Did, id: string): Promise<void> {
    const isEnded = await this.#turn(creator, id, 'ended');
    this.#decide(id, !isEnded);
  }

  /** The batch with this id, where it is one that is known. */
  creatorOf(id: string): Did | undefined {
    return this.#known.get(id)?.creator;
  }

  /** Whether a task of a batch counts; where nobody knows yet, it is asked, and `decided` hears. */
  counts(creator: Did, id: string, task: string): boolean | undefined {
    const known = this.#known.get(id);
    if (known !== undefined && known.creator !== creator) return false;
    if (known?.counts !== undefined) return known.counts;
    if (this.#waiting >= TASKS_MAX * SHARE_OF_ONE) return false;
    const asked = known ?? this.#add(id, creator);
    if (asked === undefined) return false;
    if (!asked.tasks.has(task)) this.#waiting += 1;
    asked.tasks.add(task);
    if (known === undefined) this.#ask(creator, id);
    return undefined;
  }

  /** A register that is a batch's, or was: as the board says. False for anything else. */
  heard(creator: Did, id: string, value: Json | undefined): boolean {
    const known = this.#known.get(id);
    if (value === undefined) {
      if (known?.creator !== creator) return false;
      if (known.counts === undefined && !known.isOurs) this.#decide(id, true);
      return true;
    }
    const read = readBatch(value);
    if (read === undefined) return false;
    if (known !== undefined && known.creator !== creator) return true;
    const now = known ?? this.#add(id, creator);
    if (now !== undefined && !now.isOurs) this.#says(id, now, read);
    return true;
  }

  clear(): void {
    for (const { cancelEnd } of this.#known.values()) cancelEnd?.();
    this.#known.clear();
    this.#waiting = 0;
  }

  #says(id: string, known: Known, { owner, state }: BatchRegister): void {
    if (state !== 'open') return this.#decide(id, state === 'kept');
    if (known.counts === undefined) {
      this.#components.watch({ id, creator: known.creator, owner });
    }
  }

  /** Never rejects. */
  #ask(creator: Did, id: string): void {
    const { boards, clock, isOn, logger } = this.#components;
    const work = async (): Promise<void> => {
      while (isOn()) {
        try {
          const { value } = await boards.read(creator, id);
          const known = this.#known.get(id);
          const read = readBatch(value);
          if (known === undefined || known.counts !== undefined) return;
          if (read === undefined) return this.#decide(id, true);
          return this.#says(id, known, read);
        } catch (error) {
          if (!isForNow(error)) throw error;
          await pause(clock, SUBMIT_AGAIN_MS);
        }
      }
    };
    work().catch((error: unknown) =>
      logger.warn({ batch: id, error: messageOf(error) }, 'a batch of tasks could not be read'),
    );
  }

  /** Compares and sets what is open; whether it is as wanted then. */
  async #turn(creator: Did, id: string, state: 'kept' | 'ended'): Promise<boolean> {
    const { boards, isOn } = this.#components;
    while (isOn()) {
      const { value, version } = await boards.read(creator, id);
      const now = readBatch(value);
      if (now === undefined) return state === 'kept';
      if (now.state !== 'open') return now.state === state;
      const next = batchValue({ ...now, state });
      if ((await boards.write(creator, id, { version, value: next })) !== undefined) return true;
    }
    throw new StarlingError('STARLING_STOPPED', 'the node is stopping');
  }

  #decide(id: string, counts: boolean): void {
    const known = this.#known.get(id);
    if (known === undefined || known.counts !== undefined) return;
    known.counts = counts;
    known.isOurs = false;
    this.#components.forget(id);
    if (!counts && known.creator === this.#components.self.did) this.#endsLater(id, known);
    const tasks = [...known.tasks];
    known.tasks.clear();
    this.#waiting -= tasks.length;
    if (tasks.length > 0) this.#components.decided(known.creator, tasks);
  }

  #add(id: string, creator: Did): Known | undefined {
    if (this.#known.size >= BATCHES_MAX) {
      const old = [...this.#known].find(([, { counts, tasks }]) => counts === true && !tasks.size);
      if (old === undefined) return undefined;
      this.#known.delete(old[0]);
    }
    const made: Known = {
      creator,
      counts: undefined,
      isOurs: false,
      cancelEnd: undefined,
      tasks: new Set(),
    };
    this.#known.set(id, made);
    return made;
  }

  /** That there is no register any more says that it was kept. Never rejects. */
  #remove(id: string): void {
    const { boards, logger, self } = this.#components;
    boards.remove(self.did, id).catch((error: unknown) => {
      logger.debug({ batch: id, error: messageOf(error) }, 'a batch that was kept is there still');
    });
  }

  /** By a timer: a register that is gone says that its tasks count, and a clock that is set must not say so. */
  #endsLater(id: string, known: Known): void {
    known.cancelEnd = this.#components.clock.schedule(BATCH_ENDED_MS, () => {
      this.#known.delete(id);
      this.#remove(id);
    });
  }
}

function endedMeanwhile(): StarlingError {
  return new StarlingError(
    'STARLING_OUTCOME_UNKNOWN',
    'the tasks are not kept: another node took this one for gone while it wrote them',
    { hint: 'submit them again', data: { reason: 'ended' } },
  );
}

function isEnded(error: unknown): boolean {
  return error instanceof StarlingError && error.data['reason'] === 'ended';
}

function tooMany(): StarlingError {
  return new StarlingError(
    'STARLING_LIMIT_EXCEEDED',
    `${BATCHES_MAX} batches of durable tasks are being written, or were given up`,
    { hint: 'submit them again in a moment', data: { reason: 'full', limit: BATCHES_MAX } },
  );
}
