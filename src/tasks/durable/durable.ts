/**
 * Durable tasks: each is a register on a strong board, written when it is submitted and when it ends. Whoever is written
 * there as its owner gives it to agents; another replica goes on with it when that one is gone, by compare and set, and
 * with an epoch that makes its fencing tokens higher than any before. Whoever was owner until then can change nothing
 * any more: what it writes, it writes on a version that has passed.
 */
import { StarlingError, messageOf, pause } from '../../core/index.ts';
import type { Clock, Did, Json, Logger, Random } from '../../core/index.ts';
import { createDurableBoards } from './boards.ts';
import type { DurableBoards, DurableBoardsComponents, RegisterState } from './boards.ts';
import { readRegister, registerValue } from './format.ts';
import type { TaskRegister } from './format.ts';
import { endedElsewhere, movedTask } from '../life/faults.ts';
import {
  DURABLE_BYTES_MAX,
  SHARE_OF_ONE,
  SUBMIT_AGAIN_MS,
  SUBMIT_MS,
  TASKS_MAX,
  TOKENS_OF_EPOCH,
} from '../limits.ts';
import { hasEnded, nextRow } from '../life/machine.ts';
import { openQuestion } from '../life/questions.ts';
import type { AddedTask, DurableRows } from '../rows.ts';
import { createTakeovers } from './takeovers.ts';
import type { Takeovers, TakeoversComponents } from './takeovers.ts';
import type { TaskOrder, TaskRow } from '../types.ts';

/** The rooms below, and who hears of the tasks. */
export interface DurableComponents
  extends
    Omit<DurableBoardsComponents, 'heard'>,
    Omit<TakeoversComponents, 'membership' | 'replicas' | 'take'> {
  readonly membership: DurableBoardsComponents['membership'] & TakeoversComponents['membership'];
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** A task that another node owns; or that this node owned and has lost, or owned when it had ended. */
  readonly shown: (row: TaskRow, owner: Did) => void;
  /** Whether there is room for one more. @throws STARLING_LIMIT_EXCEEDED */
  readonly checkRoom: (order: TaskOrder) => void;
  /** A task that this node owns from now on. */
  readonly taken: (row: TaskRow) => void;
  /** What the submitter of a task that this node owns has answered, here or at another node. */
  readonly answered: (id: string, answers: NonNullable<TaskRow['answers']>) => void;
  /** Its register was deleted. */
  readonly gone: (id: string) => void;
}

/** Durable tasks of this node, and of those whose boards it keeps. */
export interface Durable extends DurableRows {
  start(): Promise<void>;
  stop(): void;
  /**
   * Has this node own the task, also one that has ended, where nobody else takes it at this moment.
   * @throws STARLING_NO_QUORUM, STARLING_OUTCOME_UNKNOWN
   */
  take(id: string): Promise<void>;
  /** Reads the register of a task that another node owns; where too few replicas answer, what is known stays. */
  refresh(id: string): Promise<void>;
  /**
   * Answers what the agent of a task asks that another node owns: its owner hears of it by the register. False where it asks
   * that no more. @throws STARLING_TASK_ENDED; STARLING_NO_QUORUM, STARLING_OUTCOME_UNKNOWN
   */
  answer(id: string, key: string, answer: Json): Promise<boolean>;
}

/** What is known of a register. */
interface Held {
  readonly id: string;
  readonly creator: Did;
  isOwned: boolean;
  epoch: number;
  /** Undefined: it is read before it is written. */
  version: number | undefined;
  hasEnded: boolean;
  /** Its result counts, and nothing changes that. */
  isDone: boolean;
  /** What it takes of the board, about. */
  bytes: number;
  /** Of the newest row that is known of this epoch. */
  rowVersion: number;
  input: Json | undefined;
  /** How many answers of its submitter are written. */
  answers: number;
  /** The key of what it has asked last, as it is written. */
  asked: string | undefined;
  /** One write after the other. */
  last: Promise<void>;
  /** The newest row that waits to be written behind what is under way. */
  behind: TaskRow | undefined;
}

/** Makes the durable tasks of one node. */
export function createDurable(components: DurableComponents): Durable {
  return new NodeDurable(components);
}

class NodeDurable implements Durable {
  readonly #components: DurableComponents;
  readonly #boards: DurableBoards;
  readonly #takeovers: Takeovers;
  readonly #held = new Map<string, Held>();
  /** What the registers of each board take, about. */
  readonly #bytes = new Map<Did, number>();
  /** How many registers of each board are known. */
  readonly #counts = new Map<Did, number>();
  #isStarted = false;

  constructor(components: DurableComponents) {
    this.#components = components;
    this.#boards = createDurableBoards({
      ...components,
      heard: (creator, id, value) => this.#heard(creator, id, value),
    });
    this.#takeovers = createTakeovers({
      ...components,
      replicas: (creator) => this.#boards.replicas(creator),
      take: (id) => this.#take(id, false),
    });
  }

  async start(): Promise<void> {
    this.#isStarted = true;
    this.#takeovers.start();
    await this.#boards.start();
  }

  stop(): void {
    this.#isStarted = false;
    this.#takeovers.stop();
    this.#boards.stop();
    this.#held.clear();
    this.#bytes.clear();
    this.#counts.clear();
  }

  async add(row: TaskRow, input: Json): Promise<void> {
    const { clock, self } = this.#components;
    const { id } = row.order;
    const until = clock.now() + SUBMIT_MS;
    await this.#boards.open();
    this.#checkRoom(row.order.inputBytes);
    const held = this.#hold(id, self.did, { isOwned: true, epoch: 0, version: 0, input });
    this.#size(held, ROW_BYTES + row.order.inputBytes);
    const value = registerValue({ owner: self.did, epoch: 0, row: waiting(row), input });
    for (;;) {
      try {
        const version = await this.#boards.write(self.did, id, { version: 0, value });
        // A try that nobody has heard of was done.
        held.version = version;
        return;
      } catch (error) {
        const isOver = clock.now() >= until || !this.#isStarted;
        if (!isOver && isForNow(error)) await pause(clock, SUBMIT_AGAIN_MS);
        else {
          this.#letGo(held);
          this.#takeBack(id);
          throw error;
        }
      }
    }
  }

  async addAll(all: readonly AddedTask[]): Promise<void> {
    const written = await Promise.allSettled(all.map(({ row, input }) => this.add(row, input)));
    const failed = written.find((one) => one.status === 'rejected');
    if (failed === undefined) return;
    for (const { row } of all) {
      const held = this.#held.get(row.order.id);
      if (held === undefined) continue;
      this.#letGo(held);
      this.#takeBack(held.id);
    }
    throw failed.reason;
  }

  async put(row: TaskRow): Promise<void> {
    const held = this.#owned(row.order.id);
    if (hasEnded(row)) return this.#write(held, row, {});
    const answers = Object.keys(row.answers ?? {}).length;
    if (answers > held.answers) {
      // It is acknowledged: the next owner has it, too, and nobody is asked again.
      await this.#write(held, row, {});
      held.answers = answers;
      return;
    }
    const asked = openQuestion(row)?.key;
    const isNew = asked !== undefined && asked !== held.asked;
    if (isNew) held.asked = asked;
    // Who has it nobody else needs to know; how often it has failed, and what it asks, the next owner knows.
    if ((row.state !== 'bidding' && !isNew) || held.behind !== undefined) {
      if (held.behind !== undefined) held.behind = row;
      return;
    }
    held.behind = row;
    this.#write(held, row, { isBehind: true }).catch((error: unknown) => {
      const { logger } = this.#components;
      logger.debug({ task: held.id, error: messageOf(error) }, 'a register was not written');
    });
  }

  async putResult(row: TaskRow, result: Json): Promise<void> {
    const held = this.#owned(row.order.id);
    this.#size(held, ROW_BYTES + Buffer.byteLength(JSON.stringify(result)));
    this.#makeRoom(held.creator, 0);
    return this.#write(held, row, { result });
  }

  async reopen(row: TaskRow): Promise<void> {
    return this.#write(this.#owned(row.order.id), row, { mayReopen: true });
  }

  async drop(id: string): Promise<void> {
    const held = this.#held.get(id);
    if (held === undefined) return;
    this.#letGo(held);
    await this.#boards.remove(held.creator, id);
  }

  async input(id: string): Promise<Json> {
    return this.#held.get(id)?.input ?? null;
  }

  async result(id: string): Promise<Json | undefined> {
    const held = this.#held.get(id);
    if (held === undefined) return undefined;
    const known = readRegister(this.#boards.known(held.creator, id), held);
    if (known?.row.state === 'done') return known.result;
    const { value } = await this.#boards.read(held.creator, id);
    return readRegister(value, held)?.result;
  }

  take(id: string): Promise<void> {
    return this.#take(id, true);
  }

  async refresh(id: string): Promise<void> {
    const held = this.#held.get(id);
    // What is done stays so: nobody needs to be asked again.
    if (held === undefined || held.isOwned || held.isDone) return;
    try {
      const { value } = await this.#boards.read(held.creator, id);
      this.#heard(held.creator, id, value);
    } catch (error) {
      const { logger } = this.#components;
      logger.debug({ task: id, error: messageOf(error) }, 'a register could not be read');
    }
  }

  async answer(id: string, key: string, answer: Json): Promise<boolean> {
    while (this.#isStarted) {
      const held = this.#held.get(id);
      if (held === undefined) throw movedTask(id);
      const { creator } = held;
      const { value, version } = await this.#boards.read(creator, id);
      const now = readRegister(value, held);
      if (now === undefined || hasEnded(now.row)) {
        this.#heard(creator, id, value);
        throw endedElsewhere(id);
      }
      const row = nextRow(now.row, { type: 'answered', key, answer });
      if (row === undefined) return false;
      const next = registerValue({ ...now, row: { ...row, ...asIs(now.row) } });
      if ((await this.#boards.write(creator, id, { version, value: next })) === undefined) continue;
      this.#heard(creator, id, next);
      return true;
    }
    throw new StarlingError('STARLING_STOPPED', 'the node is stopping');
  }

  copies(id: string): number | undefined {
    const held = this.#held.get(id);
    return held === undefined ? undefined : this.#boards.replicas(held.creator).length;
  }

  #hold(
    id: string,
    creator: Did,
    init: Pick<Held, 'isOwned' | 'epoch' | 'version' | 'input'>,
  ): Held {
    const held: Held = {
      id,
      creator,
      ...init,
      hasEnded: false,
      isDone: false,
      rowVersion: 0,
      bytes: 0,
      answers: 0,
      asked: undefined,
      last: Promise.resolve(),
      behind: undefined,
    };
    this.#held.set(id, held);
    this.#counts.set(creator, (this.#counts.get(creator) ?? 0) + 1);
    return held;
  }

  /** What somebody was told is not kept is not kept, also where its replicas had it and could not say so. Never rejects. */
  #takeBack(id: string): void {
    const { clock, logger, self } = this.#components;
    const work = async (): Promise<void> => {
      while (this.#isStarted) {
        try {
          return await this.#boards.remove(self.did, id);
        } catch (error) {
          if (!isForNow(error)) throw error;
          await pause(clock, SUBMIT_AGAIN_MS);
        }
      }
    };
    work().catch((error: unknown) =>
      logger.warn({ task: id, error: messageOf(error) }, 'a task was not taken back'),
    );
  }

  /** Counts what a register takes of its board. */
  #size(held: Held, bytes: number): void {
    this.#bytes.set(held.creator, (this.#bytes.get(held.creator) ?? 0) + bytes - held.bytes);
    held.bytes = bytes;
  }

  #letGo(held: Held): void {
    this.#size(held, 0);
    this.#counts.set(held.creator, (this.#counts.get(held.creator) ?? 1) - 1);
    this.#held.delete(held.id);
    this.#takeovers.forget(held.id);
  }

  /** @throws STARLING_TASK_ENDED where another node owns the task */
  #owned(id: string): Held {
    const held = this.#held.get(id);
    if (held?.isOwned === true) return held;
    throw movedTask(id);
  }

  /** @throws STARLING_TASK_ENDED, as what it has ended with stays; STARLING_NO_QUORUM, STARLING_OUTCOME_UNKNOWN */
  #write(
    held: Held,
    row: TaskRow,
    how: { readonly result?: Json; readonly mayReopen?: boolean; readonly isBehind?: boolean },
  ): Promise<void> {
    const work = async (): Promise<void> => {
      const newest = how.isBehind === true ? held.behind : row;
      if (how.isBehind === true) held.behind = undefined;
      if (newest === undefined) return;
      while (this.#isStarted) if (await this.#writeOnce(held, newest, how)) return;
      throw new StarlingError('STARLING_STOPPED', 'the node is stopping');
    };
    const done = held.last.then(work);
    held.last = done.catch(() => undefined);
    return done;
  }

  /** False where the register had changed: it is read next. */
  async #writeOnce(
    held: Held,
    row: TaskRow,
    { result, mayReopen }: { readonly result?: Json; readonly mayReopen?: boolean },
  ): Promise<boolean> {
    const { answered, self } = this.#components;
    const { id, creator, epoch, input } = held;
    let newest = row;
    if (held.version === undefined) {
      const state = await this.#boards.read(creator, id);
      const now = this.#checkOwner(held, state);
      held.version = state.version;
      held.hasEnded = hasEnded(now.row);
      // An answer was lost on its way: this very row is there.
      if (now.row.version === row.version && now.row.state === row.state) return true;
      // What was answered at another node stays.
      const { answers } = now.row;
      if (answers !== undefined) {
        newest = { ...row, answers: { ...answers, ...row.answers } };
        answered(id, answers);
      }
    }
    if (!held.isOwned) throw movedTask(id);
    if (held.hasEnded && mayReopen !== true) {
      const { value } = await this.#boards.read(creator, id);
      const end = readRegister(value, held);
      if (end !== undefined && held.isOwned) this.#show(held, end);
      throw endedElsewhere(id);
    }
    const kept = {
      ...(hasEnded(row) && row.state === 'done' ? {} : { input: input ?? null }),
      ...(result === undefined ? {} : { result }),
    };
    const value = registerValue({ owner: self.did, epoch, row: waiting(newest), ...kept });
    const { version } = held;
    held.version = undefined;
    held.version = await this.#boards.write(creator, id, { version, value });
    if (held.version === undefined) return false;
    held.hasEnded = hasEnded(row);
    return true;
  }

  /** @throws STARLING_TASK_ENDED where another one, or a later life of this node, has the register */
  #checkOwner(held: Held, { value }: RegisterState): TaskRegister {
    const now = readRegister(value, held);
    if (now === undefined) {
      this.#lose(held);
      this.#components.gone(held.id);
      throw movedTask(held.id);
    }
    if (now.owner === this.#components.self.did && now.epoch === held.epoch) return now;
    this.#heard(held.creator, held.id, value);
    throw movedTask(held.id);
  }

  #lose(held: Held): void {
    held.isOwned = false;
    held.version = undefined;
    held.behind = undefined;
  }

  /** What a register holds, by the board or by a question to its replicas. */
  #heard(creator: Did, id: string, value: Json | undefined): void {
    if (!this.#isStarted) return;
    const known = this.#held.get(id);
    if (known !== undefined && known.creator !== creator) return;
    if (value === undefined) {
      if (known === undefined || known.isOwned) return;
      this.#letGo(known);
      return this.#components.gone(id);
    }
    const now = readRegister(value, { id, creator });
    if (now === undefined) {
      const { logger } = this.#components;
      return logger.debug({ creator, id }, 'a register holds no task, left out');
    }
    const isOwn = known?.isOwned === true && now.owner === this.#components.self.did;
    if (isOwn && now.epoch === known.epoch && now.row.answers !== undefined) {
      known.answers = Math.max(known.answers, Object.keys(now.row.answers).length);
      this.#components.answered(id, now.row.answers);
    }
    // What was heard of later is here already.
    if (known !== undefined && isOld(now, known)) return;
    const isMuch = (this.#counts.get(creator) ?? 0) >= TASKS_MAX * SHARE_OF_ONE;
    if (known === undefined && isMuch && creator !== this.#components.self.did) {
      const { logger } = this.#components;
      return logger.debug(
        { creator, id },
        'one node has more durable tasks than are kept, left out',
      );
    }
    const held =
      known ?? this.#hold(id, creator, { isOwned: false, epoch: 0, version: 0, input: null });
    this.#show(held, now);
  }

  #show(held: Held, { owner, epoch, row, input, result }: TaskRegister): void {
    const { self, shown } = this.#components;
    this.#lose(held);
    held.epoch = epoch;
    held.rowVersion = row.version;
    held.input = input;
    this.#size(held, ROW_BYTES + sizeOf(row, result));
    held.hasEnded = hasEnded(row);
    held.isDone = row.state === 'done';
    // What has ended here is kept, and forgotten, by this node.
    held.isOwned = held.hasEnded && owner === self.did;
    shown(openQuestion(row) === undefined ? row : { ...row, state: 'input_required' }, owner);
    if (held.hasEnded) this.#takeovers.forget(held.id);
    else this.#takeovers.watch({ id: held.id, creator: held.creator, owner });
  }

  /** Compares and sets the owner. */
  async #take(id: string, alsoEnded: boolean): Promise<void> {
    const { self, taken } = this.#components;
    while (this.#isStarted) {
      const held = this.#held.get(id);
      if (held === undefined || held.isOwned) return;
      const { creator } = held;
      const { value, version } = await this.#boards.read(creator, id);
      const now = readRegister(value, held);
      if (now === undefined) return this.#heard(creator, id, undefined);
      if (hasEnded(now.row) && !alsoEnded) return this.#heard(creator, id, value);
      this.#components.checkRoom(now.row.order);
      const epoch = now.epoch + 1;
      const token = Math.max(now.row.token, epoch * TOKENS_OF_EPOCH);
      const next = { ...now, owner: self.did, epoch, row: { ...now.row, token } };
      const written = await this.#boards.write(creator, id, {
        version,
        value: registerValue(next),
      });
      if (written === undefined) continue;
      this.#takeovers.forget(id);
      held.epoch = epoch;
      held.version = written;
      held.input = now.input;
      held.hasEnded = hasEnded(now.row);
      held.isOwned = true;
      taken(next.row);
      return;
    }
  }

  /** @throws STARLING_LIMIT_EXCEEDED */
  #checkRoom(inputBytes: number): void {
    const { self } = this.#components;
    if (this.#makeRoom(self.did, inputBytes)) return;
    throw new StarlingError(
      'STARLING_LIMIT_EXCEEDED',
      `as many durable tasks wait as a board keeps: ${DURABLE_BYTES_MAX} bytes`,
      {
        hint: 'submit again when some have ended: starling task list; or without durable',
        data: { reason: 'full', limit: DURABLE_BYTES_MAX },
      },
    );
  }

  /** Deletes what has ended longest ago until `bytes` more may come; false where that is not enough. */
  #makeRoom(creator: Did, bytes: number): boolean {
    const overBytes = (this.#bytes.get(creator) ?? 0) + bytes - DURABLE_BYTES_MAX;
    if (overBytes <= 0) return true;
    const all = [...this.#held.values()].filter((one) => one.creator === creator);
    let freed = 0;
    for (const { id, bytes: own } of all.filter((one) => one.hasEnded && one.isOwned)) {
      if (freed >= overBytes) break;
      freed += own;
      this.drop(id).catch(() => undefined);
      this.#components.gone(id);
    }
    return freed >= overBytes;
  }
}

/** A row without its input and its result, about. */
const ROW_BYTES = 1024;

function sizeOf(row: TaskRow, result: Json | undefined): number {
  return hasEnded(row) ? Buffer.byteLength(JSON.stringify(result ?? null)) : row.order.inputBytes;
}

/** As others are to see it: who has a task that has not ended is its owner's alone. */
function waiting(row: TaskRow): TaskRow {
  return hasEnded(row) ? row : { ...row, state: 'bidding' };
}

/** Where the task stands, as its owner has written it. */
function asIs({ question, state }: TaskRow): Pick<TaskRow, 'question' | 'state'> {
  return { state, ...(question === undefined ? {} : { question }) };
}

/** Whether something later is known already, or is being written here. */
function isOld({ epoch, row }: TaskRegister, known: Held): boolean {
  if (epoch !== known.epoch) return epoch < known.epoch;
  return known.isOwned || row.version <= known.rowVersion;
}

/** Too few replicas answer now, or have the board yet. */
function isForNow(error: unknown): boolean {
  return (
    error instanceof StarlingError &&
    (error.code === 'STARLING_NO_QUORUM' || error.code === 'STARLING_OUTCOME_UNKNOWN')
  );
}
