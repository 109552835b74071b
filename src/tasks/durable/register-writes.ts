/**
 * Writes registers that this node owns: one write of a register after the other, each on the version that is known. A
 * register that has changed meanwhile is read, and written no more where another node has it, or where it has ended.
 */
import { StarlingError } from '../../core/index.ts';
import type { Did, Json } from '../../core/index.ts';
import { endedElsewhere, movedTask } from '../life/task-errors.ts';
import { hasEnded } from '../life/machine.ts';
import type { TaskRow } from '../types.ts';
import type { DurableBoards, RegisterState } from './boards.ts';
import { readRegister, registerValue } from './format.ts';
import type { TaskRegister } from './format.ts';
import type { KnownRegister } from './known-registers.ts';

/** The boards, and who hears of what was found on them. */
export interface RegisterWritesComponents {
  readonly self: { readonly did: Did };
  readonly boards: Pick<DurableBoards, 'read' | 'write'>;
  /** False: the node is stopping. */
  isOn(this: void): boolean;
  /** What the submitter has answered at another node. */
  answered(this: void, id: string, answers: NonNullable<TaskRow['answers']>): void;
  /** Another one, or a later life of this node, has it. */
  changed(this: void, known: KnownRegister, value: Json | undefined): void;
  /** The register has an end already, which stays. */
  ended(this: void, known: KnownRegister, end: TaskRegister): void;
  /** It was deleted. */
  gone(this: void, id: string): void;
}

/** What is written besides the row. */
export interface RegisterWrite {
  readonly result?: Json;
  /** A task that had ended waits again. */
  readonly mayReopen?: boolean;
  /** The newest row that waits behind what is under way. */
  readonly isBehind?: boolean;
}

/** See the file. */
export class RegisterWrites {
  readonly #components: RegisterWritesComponents;

  constructor(components: RegisterWritesComponents) {
    this.#components = components;
  }

  /** @throws STARLING_TASK_ENDED, as what it has ended with stays; STARLING_NO_QUORUM, STARLING_OUTCOME_UNKNOWN */
  write(known: KnownRegister, row: TaskRow, how: RegisterWrite): Promise<void> {
    const work = async (): Promise<void> => {
      const newest = how.isBehind === true ? known.behind : row;
      if (how.isBehind === true) known.behind = undefined;
      if (newest === undefined) return;
      while (this.#components.isOn()) if (await this.#writeOnce(known, newest, how)) return;
      throw new StarlingError('STARLING_STOPPED', 'the node is stopping');
    };
    const done = known.last.then(work);
    known.last = done.catch(() => undefined);
    return done;
  }

  /** False where the register had changed: it is read next. */
  async #writeOnce(
    known: KnownRegister,
    row: TaskRow,
    { result, mayReopen }: RegisterWrite,
  ): Promise<boolean> {
    const { answered, boards, self } = this.#components;
    const { id, creator, epoch, input } = known;
    let newest = row;
    if (known.version === undefined) {
      const state = await boards.read(creator, id);
      const now = this.#checkOwner(known, state);
      known.version = state.version;
      known.hasEnded = hasEnded(now.row);
      // An answer was lost on its way: this very row is there.
      if (now.row.version === row.version && now.row.state === row.state) return true;
      // What was answered at another node stays.
      const { answers } = now.row;
      if (answers !== undefined) {
        newest = { ...row, answers: { ...answers, ...row.answers } };
        answered(id, answers);
      }
    }
    if (!known.isOwned) throw movedTask(id);
    if (known.hasEnded && mayReopen !== true) {
      const { value } = await boards.read(creator, id);
      const end = readRegister(value, known);
      if (end !== undefined && known.isOwned) this.#components.ended(known, end);
      throw endedElsewhere(id);
    }
    const kept = {
      ...(hasEnded(row) && row.state === 'done' ? {} : { input: input ?? null }),
      ...(result === undefined ? {} : { result }),
    };
    const value = registerValue({ owner: self.did, epoch, row: waiting(newest), ...kept });
    const { version } = known;
    known.version = undefined;
    known.version = await boards.write(creator, id, { version, value });
    if (known.version === undefined) return false;
    known.hasEnded = hasEnded(row);
    return true;
  }

  /** @throws STARLING_TASK_ENDED where another one, or a later life of this node, has the register */
  #checkOwner(known: KnownRegister, { value }: RegisterState): TaskRegister {
    const now = readRegister(value, known);
    if (now === undefined) {
      lose(known);
      this.#components.gone(known.id);
      throw movedTask(known.id);
    }
    if (now.owner === this.#components.self.did && now.epoch === known.epoch) return now;
    this.#components.changed(known, value);
    throw movedTask(known.id);
  }
}

/** From now on another one owns it. */
export function lose(known: KnownRegister): void {
  known.isOwned = false;
  known.version = undefined;
  known.behind = undefined;
}

/** As others are to see it: who has a task that has not ended is its owner's alone. */
export function waiting(row: TaskRow): TaskRow {
  return hasEnded(row) ? row : { ...row, state: 'bidding' };
}
