/**
 * Durable tasks: each is a register on a strong board, written when it is submitted and when it ends. Whoever is written
 * there as its owner gives it to agents; another replica goes on with it when that one is gone, by compare and set, and
 * with an epoch that makes its fencing tokens higher than any before. Whoever was owner until then can change nothing
 * any more: what it writes, it writes on a version that has passed.
 */
import { StarlingError, messageOf, pause } from '../../core/index.ts';
import type { Clock, Did, Json, Logger, Random } from '../../core/index.ts';
import { countdown } from '../life/countdown.ts';
import { Batches } from './batches.ts';
import { createDurableBoards, isForNow } from './boards.ts';
import type { DurableBoards, DurableBoardsComponents } from './boards.ts';
import { readRegister, registerValue } from './format.ts';
import type { TaskRegister } from './format.ts';
import { KnownRegisters } from './known-registers.ts';
import type { KnownRegister } from './known-registers.ts';
import { endedElsewhere, movedTask } from '../life/task-errors.ts';
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
import { RegisterWrites, lose, waiting } from './register-writes.ts';
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

/** Makes the durable tasks of one node. */
export function createDurable(components: DurableComponents): Durable {
  return new NodeDurable(components);
}

class NodeDurable implements Durable {
  readonly #components: DurableComponents;
  readonly #boards: DurableBoards;
  readonly #takeovers: Takeovers;
  readonly #known = new KnownRegisters();
  readonly #writes: RegisterWrites;
  readonly #batches: Batches;
  #isStarted = false;

  constructor(components: DurableComponents) {
    this.#components = components;
    this.#boards = createDurableBoards({
      ...components,
      heard: (creator, id, value) => this.#heard(creator, id, value),
    });
    this.#writes = new RegisterWrites({
      self: components.self,
      boards: this.#boards,
      isOn: () => this.#isStarted,
      answered: (id, answers) => components.answered(id, answers),
      changed: ({ creator, id }, value) => this.#heard(creator, id, value),
      ended: (register, end) => this.#show(register, end),
      gone: (id) => components.gone(id),
    });
    this.#takeovers = createTakeovers({
      ...components,
      replicas: (creator) => this.#boards.replicas(creator),
      take: (id) => this.#goOn(id),
    });
    this.#batches = new Batches({
      ...components,
      boards: this.#boards,
      isOn: () => this.#isStarted,
      watch: (batch) => this.#takeovers.watch(batch),
      forget: (id) => this.#takeovers.forget(id),
      decided: (creator, tasks) => {
        for (const id of tasks) this.#heard(creator, id, this.#boards.known(creator, id));
      },
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
    this.#known.clear();
    this.#batches.clear();
  }

  add(row: TaskRow, input: Json): Promise<void> {
    return this.#add(row, input);
  }

  async #add(row: TaskRow, input: Json, batch?: string): Promise<void> {
    const { clock, self } = this.#components;
    const { id } = row.order;
    await this.#boards.open();
    this.#checkRoom(row.order.inputBytes);
    const left = countdown(clock, SUBMIT_MS);
    const register = this.#known.add(id, self.did, { isOwned: true, epoch: 0, version: 0, input });
    this.#known.size(register, ROW_BYTES + row.order.inputBytes);
    const given = batch === undefined ? {} : { batch };
    const owned = { owner: self.did, epoch: 0, row: waiting(row), input, ...given };
    const value = registerValue(owned);
    for (;;) {
      try {
        const version = await this.#boards.write(self.did, id, { version: 0, value });
        // A try that nobody has heard of was done.
        register.version = version;
        left.stop();
        return;
      } catch (error) {
        const isOver = left.isOver || !this.#isStarted;
        if (!isOver && isForNow(error)) await pause(clock, SUBMIT_AGAIN_MS);
        else {
          left.stop();
          this.#letGo(register);
          this.#takeBack(id);
          throw error;
        }
      }
    }
  }

  async addAll(all: readonly AddedTask[]): Promise<void> {
    const [first, ...others] = all;
    if (first === undefined) return;
    if (others.length === 0) return this.#add(first.row, first.input);
    await this.#boards.open();
    const batch = await this.#batches.open();
    try {
      const adding = all.map(({ row, input }) => this.#add(row, input, batch));
      const written = await Promise.allSettled(adding);
      const failed = written.find((one) => one.status === 'rejected');
      if (failed !== undefined) throw failed.reason;
      await this.#batches.keep(batch);
    } catch (error) {
      this.#batches.giveUp(batch);
      for (const { row } of all) {
        const register = this.#known.get(row.order.id);
        if (register === undefined) continue;
        this.#letGo(register);
        this.#takeBack(register.id);
      }
      throw error;
    }
  }

  async put(row: TaskRow): Promise<void> {
    const register = this.#owned(row.order.id);
    if (hasEnded(row)) return this.#writes.write(register, row, {});
    const answers = Object.keys(row.answers ?? {}).length;
    if (answers > register.answers) {
      // It is acknowledged: the next owner has it, too, and nobody is asked again.
      await this.#writes.write(register, row, {});
      register.answers = answers;
      return;
    }
    const asked = openQuestion(row)?.key;
    const isNew = asked !== undefined && asked !== register.asked;
    if (isNew) register.asked = asked;
    // Who has it nobody else needs to know; how often it has failed, and what it asks, the next owner knows.
    if ((row.state !== 'bidding' && !isNew) || register.behind !== undefined) {
      if (register.behind !== undefined) register.behind = row;
      return;
    }
    register.behind = row;
    this.#writes.write(register, row, { isBehind: true }).catch((error: unknown) => {
      const { logger } = this.#components;
      logger.debug({ task: register.id, error: messageOf(error) }, 'a register was not written');
    });
  }

  async putResult(row: TaskRow, result: Json): Promise<void> {
    const register = this.#owned(row.order.id);
    this.#known.size(register, ROW_BYTES + Buffer.byteLength(JSON.stringify(result)));
    this.#makeRoom(register.creator, 0);
    return this.#writes.write(register, row, { result });
  }

  async reopen(row: TaskRow): Promise<void> {
    return this.#writes.write(this.#owned(row.order.id), row, { mayReopen: true });
  }

  async drop(id: string): Promise<void> {
    const register = this.#known.get(id);
    if (register === undefined) return;
    this.#letGo(register);
    await this.#boards.remove(register.creator, id);
  }

  async input(id: string): Promise<Json> {
    return this.#known.get(id)?.input ?? null;
  }

  async result(id: string): Promise<Json | undefined> {
    const register = this.#known.get(id);
    if (register === undefined) return undefined;
    const known = readRegister(this.#boards.known(register.creator, id), register);
    if (known?.row.state === 'done') return known.result;
    const { value } = await this.#boards.read(register.creator, id);
    return readRegister(value, register)?.result;
  }

  take(id: string): Promise<void> {
    return this.#take(id, true);
  }

  async refresh(id: string): Promise<void> {
    const register = this.#known.get(id);
    // What is done stays so: nobody needs to be asked again.
    if (register === undefined || register.isOwned || register.isDone) return;
    try {
      const { value } = await this.#boards.read(register.creator, id);
      this.#heard(register.creator, id, value);
    } catch (error) {
      const { logger } = this.#components;
      logger.debug({ task: id, error: messageOf(error) }, 'a register could not be read');
    }
  }

  async answer(id: string, key: string, answer: Json): Promise<boolean> {
    while (this.#isStarted) {
      const register = this.#known.get(id);
      if (register === undefined) throw movedTask(id);
      const { creator } = register;
      const { value, version } = await this.#boards.read(creator, id);
      const now = readRegister(value, register);
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
    const register = this.#known.get(id);
    return register === undefined ? undefined : this.#boards.replicas(register.creator).length;
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

  #letGo(register: KnownRegister): void {
    this.#known.forget(register);
    this.#takeovers.forget(register.id);
  }

  /** @throws STARLING_TASK_ENDED where another node owns the task */
  #owned(id: string): KnownRegister {
    const register = this.#known.get(id);
    if (register?.isOwned === true) return register;
    throw movedTask(id);
  }

  /** What a register holds, by the board or by a question to its replicas. */
  #heard(creator: Did, id: string, value: Json | undefined): void {
    if (!this.#isStarted) return;
    const known = this.#known.get(id);
    if (known !== undefined && known.creator !== creator) return;
    if (known === undefined && this.#batches.heard(creator, id, value)) return;
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
    const isPart = known === undefined && now.batch !== undefined;
    if (isPart && !this.#counts(creator, id, now.batch ?? '')) return;
    const isOwn = known?.isOwned === true && now.owner === this.#components.self.did;
    if (isOwn && now.epoch === known.epoch && now.row.answers !== undefined) {
      known.answers = Math.max(known.answers, Object.keys(now.row.answers).length);
      this.#components.answered(id, now.row.answers);
    }
    // What was heard of later is here already.
    if (known !== undefined && isOld(now, known)) return;
    const isMuch = this.#known.countOf(creator) >= TASKS_MAX * SHARE_OF_ONE;
    if (known === undefined && isMuch && creator !== this.#components.self.did) {
      const { logger } = this.#components;
      return logger.debug(
        { creator, id },
        'one node has more durable tasks than are kept, left out',
      );
    }
    const register =
      known ?? this.#known.add(id, creator, { isOwned: false, epoch: 0, version: 0, input: null });
    this.#show(register, now);
  }

  #show(register: KnownRegister, { owner, epoch, row, input, result }: TaskRegister): void {
    const { self, shown } = this.#components;
    lose(register);
    register.epoch = epoch;
    register.rowVersion = row.version;
    register.input = input;
    this.#known.size(register, ROW_BYTES + sizeOf(row, result));
    register.hasEnded = hasEnded(row);
    register.isDone = row.state === 'done';
    // What has ended here is kept, and forgotten, by this node.
    register.isOwned = register.hasEnded && owner === self.did;
    shown(openQuestion(row) === undefined ? row : { ...row, state: 'input_required' }, owner);
    if (register.hasEnded) this.#takeovers.forget(register.id);
    else this.#takeovers.watch({ id: register.id, creator: register.creator, owner });
  }

  /** A task, or what another one had not finished giving. */
  #goOn(id: string): Promise<void> {
    const creator = this.#batches.creatorOf(id);
    return creator === undefined ? this.#take(id, false) : this.#batches.end(creator, id);
  }

  /** False where a task was given with others and does not count, or nobody knows yet whether it does. */
  #counts(creator: Did, id: string, batch: string): boolean {
    const counts = this.#batches.counts(creator, batch, id);
    // Its own board is cleared by the node that has given it.
    if (counts === false && creator === this.#components.self.did) this.#takeBack(id);
    return counts === true;
  }

  /** Compares and sets the owner. */
  async #take(id: string, alsoEnded: boolean): Promise<void> {
    const { self, taken } = this.#components;
    while (this.#isStarted) {
      const register = this.#known.get(id);
      if (register === undefined || register.isOwned) return;
      const { creator } = register;
      const { value, version } = await this.#boards.read(creator, id);
      const now = readRegister(value, register);
      if (now === undefined) return this.#heard(creator, id, undefined);
      if (hasEnded(now.row) && !alsoEnded) return this.#heard(creator, id, value);
      this.#components.checkRoom(now.row.order);
      const epoch = now.epoch + 1;
      const token = Math.max(now.row.token, epoch * TOKENS_OF_EPOCH);
      const { batch: _, ...rest } = now;
      const next = { ...rest, owner: self.did, epoch, row: { ...now.row, token } };
      const written = await this.#boards.write(creator, id, {
        version,
        value: registerValue(next),
      });
      if (written === undefined) continue;
      this.#takeovers.forget(id);
      register.epoch = epoch;
      register.version = written;
      register.input = now.input;
      register.hasEnded = hasEnded(now.row);
      register.isOwned = true;
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
    const { going, isEnough } = this.#known.roomFor(creator, bytes);
    for (const id of going) {
      this.drop(id).catch(() => undefined);
      this.#components.gone(id);
    }
    return isEnough;
  }
}

/** A row without its input and its result, about. */
const ROW_BYTES = 1024;

function sizeOf(row: TaskRow, result: Json | undefined): number {
  return hasEnded(row) ? Buffer.byteLength(JSON.stringify(result ?? null)) : row.order.inputBytes;
}

/** Where the task stands, as its owner has written it. */
function asIs({ question, state }: TaskRow): Pick<TaskRow, 'question' | 'state'> {
  return { state, ...(question === undefined ? {} : { question }) };
}

/** Whether something later is known already, or is being written here. */
function isOld({ epoch, row }: TaskRegister, known: KnownRegister): boolean {
  if (epoch !== known.epoch) return epoch < known.epoch;
  return known.isOwned || row.version <= known.rowVersion;
}
