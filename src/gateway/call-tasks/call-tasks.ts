/** The calls of a node that are tasks to their callers: kept on the disk, bounded, and found by their caller alone. */
import { randomBytes } from 'node:crypto';
import { StarlingError, messageOf, unawaited } from '../../core/index.ts';
import type { Clock, Logger, PeerId } from '../../core/index.ts';
import type { PeerView } from '../../membership/types.ts';
import type { Table } from '../../store/index.ts';
import type { ServerTarget } from '../channel-types.ts';
import { errorOf } from '../wire/frame.ts';
import { KeptCallTask, isOver } from './call-task.ts';
import type { CallTaskKeeper } from './call-task.ts';
import {
  CALL_RESULTS_BYTES_MAX,
  CALL_RESULTS_OF_ONE_BYTES_MAX,
  CALL_TASKS_MAX,
  CALL_TASKS_OF_ONE_MAX,
  TASK_TTL_MS,
  THEIR_ID_MAX,
} from './limits.ts';
import { createCallTaskRows } from './rows.ts';
import type { CallTaskRows } from './rows.ts';
import type {
  CallTask,
  CallTaskInit,
  CallTaskRow,
  CallTasks,
  CarriedTask,
  OpenCall,
  OpenTask,
} from './types.ts';

const RANDOM_BYTES = 15;
const ID = /^call_\d{13}_[0-9a-f]{30}$/;

/** By its form alone: the call may be one that is not there. */
export function isCallTask(id: unknown): id is string {
  return typeof id === 'string' && ID.test(id);
}

/** What calls that are tasks are kept with. */
export interface CallTasksComponents {
  readonly table: Table;
  peerOf(peer: PeerId): PeerView | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Makes the table of one node. */
export function createCallTasks(components: CallTasksComponents): CallTasks {
  return new NodeCallTasks(components);
}

class NodeCallTasks implements CallTasks {
  readonly #components: CallTasksComponents;
  readonly #rows: CallTaskRows;
  /** The oldest first. */
  readonly #tasks = new Map<string, KeptCallTask>();
  /** Ids of tasks of servers, by their owner and how their servers know them. */
  readonly #byTheirs = new Map<string, string>();
  readonly #keeper: CallTaskKeeper;
  /** What calls the end of each task's time off, by its id. */
  readonly #lives = new Map<string, () => void>();
  #isStopped = false;

  constructor(components: CallTasksComponents) {
    const { clock, logger, table } = components;
    this.#components = components;
    this.#rows = createCallTaskRows(table, logger);
    this.#keeper = {
      now: () => clock.now(),
      peerOf: (peer: PeerId) => components.peerOf(peer),
      keep: (task: KeptCallTask) => this.#keep(task),
      keepEnd: (task, row, end, kept) => {
        const written = this.#keepEnd(task, row, end).then(kept);
        unawaited(written, logger, 'the end of a call was not told', { task: row.id });
      },
      forget: (task: KeptCallTask) => this.#forget(task),
      endOf: (id: string) => this.#rows.end(id),
    };
  }

  async load(): Promise<void> {
    this.#isStopped = false;
    this.#tasks.clear();
    this.#byTheirs.clear();
    this.#endLives();
    const now = this.#components.clock.now();
    for (const row of await this.#rows.load()) {
      const task = new KeptCallTask(this.#keeper, row);
      // A clock that was set back gives no more time than there was.
      const leftMs = Math.min(row.expiresAt - now, TASK_TTL_MS);
      if (leftMs > 0) this.#add(task, leftMs);
      else this.#forget(task);
    }
    const cut = [...this.#tasks.values()].filter(({ isOwn, row }) => isOwn && !isOver(row));
    for (const { row } of cut) await this.#restore(row);
  }

  async open(init: CallTaskInit, call: OpenCall): Promise<OpenTask | undefined> {
    if (this.#isStopped || !this.#makeRoom(init.owner)) return undefined;
    const task = new KeptCallTask(this.#keeper, this.#rowOf(init), call);
    await this.#write(task);
    return task;
  }

  async carry(
    init: CallTaskInit,
    { era, target, task: said, theirs }: CarriedTask,
  ): Promise<CallTask> {
    const known = this.named(target, theirs, init.owner);
    if (known !== undefined) return known;
    if (theirs.length > THEIR_ID_MAX) throw tooLong(theirs.length);
    if (!this.#makeRoom(init.owner)) throw tooMany();
    const { peer, server } = target;
    const where = peer === undefined ? { server } : { server, peer: peer.peerId };
    const task = new KeptCallTask(this.#keeper, { ...this.#rowOf(init), theirs, era, ...where });
    task.heard(said);
    await this.#write(task);
    return task;
  }

  find(id: unknown, owner: string): CallTask | undefined {
    if (!isCallTask(id)) return undefined;
    const task = this.#tasks.get(id);
    return task?.row.owner === owner ? task : undefined;
  }

  named(target: ServerTarget, theirs: string, owner: string): CallTask | undefined {
    const key = theirKey({ owner, theirs, server: target.server, peer: target.peer?.peerId });
    return this.#tasks.get(this.#byTheirs.get(key) ?? '');
  }

  carriedOf(owner: string): readonly CallTask[] {
    return this.#of(owner)
      .filter(({ isOwn }) => !isOwn)
      .toReversed();
  }

  forgetAllOf(link: string): void {
    for (const task of this.#tasks.values()) {
      if (task.row.owner.split('\n', 1)[0] !== link) continue;
      task.cancel();
      this.#forget(task);
    }
  }

  recheck(): void {
    for (const { call } of this.#tasks.values()) call?.recheck();
  }

  stop(): void {
    this.#isStopped = true;
    this.#endLives();
    const error = new StarlingError(
      'STARLING_STOPPED',
      'the node stopped while the call was under way',
    );
    for (const { call } of this.#tasks.values()) call?.drop(error);
  }

  /** On the disk before anybody hears of it. */
  async #write(task: KeptCallTask): Promise<void> {
    // Its place is taken at once, so that no others get it meanwhile.
    this.#add(task, TASK_TTL_MS);
    try {
      await this.#rows.put(task.row);
    } catch (error) {
      this.#remove(task);
      throw error;
    }
  }

  /** Nobody knows what became of a call that was under way when the node ended. */
  async #restore(row: CallTaskRow): Promise<void> {
    const error = new StarlingError(
      'STARLING_STOPPED',
      'the node was started again while the call was under way: nobody knows whether it was done',
      { hint: 'look what the call has changed before you make it again' },
    );
    const end = JSON.stringify(errorOf(error));
    const { statusMessage: _, ...rest } = row;
    const failed: CallTaskRow = {
      ...rest,
      status: 'failed',
      bytes: Buffer.byteLength(end),
      updatedAt: this.#components.clock.now(),
    };
    await this.#rows.putEnd(failed, end);
    this.#tasks.set(row.id, new KeptCallTask(this.#keeper, failed));
  }

  #rowOf({ owner, wanted }: CallTaskInit): CallTaskRow {
    const now = this.#components.clock.now();
    const { ability, facts, resource } = wanted;
    return {
      id: `call_${String(now).padStart(13, '0')}_${randomBytes(RANDOM_BYTES).toString('hex')}`,
      owner,
      wanted: { ability, resource, ...(facts === undefined ? {} : { facts }) },
      createdAt: now,
      updatedAt: now,
      expiresAt: now + TASK_TTL_MS,
      status: 'working',
    };
  }

  #keep(task: KeptCallTask): void {
    if (this.#tasks.get(task.row.id) !== task) return;
    this.#note(task);
    const kept = this.#rows.put(task.row);
    unawaited(kept, this.#components.logger, 'a call that is a task was not written', {
      task: task.row.id,
    });
  }

  async #keepEnd(task: KeptCallTask, row: CallTaskRow, end: string): Promise<void> {
    // What was forgotten meanwhile does not come back.
    if (this.#tasks.get(row.id) !== task) return;
    try {
      await this.#rows.putEnd(row, end);
      task.written();
    } catch (error) {
      // What came of the call stays in memory, and is there for as long as the node runs.
      const { logger } = this.#components;
      logger.warn({ task: row.id, error: messageOf(error) }, 'the end of a call was not written');
    }
    this.#makeRoomForResults(row);
  }

  /** Its time is that of a timer: a clock that is set ends no task, and lengthens none. */
  #add(task: KeptCallTask, leftMs: number): void {
    const { id } = task.row;
    this.#tasks.set(id, task);
    this.#note(task);
    if (this.#isStopped) return;
    this.#lives.set(
      id,
      this.#components.clock.schedule(leftMs, () => this.#expired(id)),
    );
  }

  #expired(id: string): void {
    // Another one may stand for it since the start.
    const task = this.#tasks.get(id);
    if (task === undefined) return;
    task.cancel();
    this.#forget(task);
  }

  #endLives(): void {
    for (const cancel of this.#lives.values()) cancel();
    this.#lives.clear();
  }

  #note({ row }: KeptCallTask): void {
    const { theirs } = row;
    if (theirs !== undefined) this.#byTheirs.set(theirKey({ ...row, theirs }), row.id);
  }

  #remove({ row }: KeptCallTask): void {
    this.#tasks.delete(row.id);
    this.#lives.get(row.id)?.();
    this.#lives.delete(row.id);
    const { theirs } = row;
    if (theirs === undefined) return;
    const key = theirKey({ ...row, theirs });
    if (this.#byTheirs.get(key) === row.id) this.#byTheirs.delete(key);
  }

  #forget(task: KeptCallTask): void {
    this.#remove(task);
    const { logger } = this.#components;
    // It is there again after a start, and goes then.
    unawaited(this.#rows.drop(task.row.id), logger, 'a call that is a task was not forgotten', {
      task: task.row.id,
    });
  }

  #of(owner: string): readonly KeptCallTask[] {
    return [...this.#tasks.values()].filter(({ row }) => row.owner === owner);
  }

  /** What has ended longest ago goes first, then tasks of servers, which the servers know; never a call under way. */
  #makeRoom(owner: string): boolean {
    const own = this.#of(owner);
    const hasMany = own.length >= CALL_TASKS_OF_ONE_MAX;
    if (!hasMany && this.#tasks.size < CALL_TASKS_MAX) return true;
    const among = hasMany ? own : [...this.#tasks.values()];
    const going = among.find(({ row }) => isOver(row)) ?? among.find(({ isOwn }) => !isOwn);
    if (going === undefined) return false;
    this.#forget(going);
    return true;
  }

  /** For one that has come: of the others those go that ended longest ago. */
  #makeRoomForResults({ bytes: size = 0, id, owner }: CallTaskRow): void {
    const withResult = (all: Iterable<KeptCallTask>): readonly KeptCallTask[] =>
      [...all].filter(({ row }) => row.bytes !== undefined && row.id !== id);
    const drop = (all: readonly KeptCallTask[], max: number): void => {
      let bytes = all.reduce((sum, { row }) => sum + (row.bytes ?? 0), 0);
      for (const one of all) {
        if (bytes <= max) return;
        bytes -= one.row.bytes ?? 0;
        this.#forget(one);
      }
    };
    drop(withResult(this.#of(owner)), CALL_RESULTS_OF_ONE_BYTES_MAX - size);
    drop(withResult(this.#tasks.values()), CALL_RESULTS_BYTES_MAX - size);
  }
}

function theirKey(row: {
  readonly owner: string;
  readonly theirs: string;
  readonly server?: string | undefined;
  readonly peer?: PeerId | undefined;
}): string {
  const { owner, peer = '', server = '', theirs } = row;
  return JSON.stringify([owner, peer, server, theirs]);
}

function tooLong(length: number): StarlingError {
  return new StarlingError(
    'STARLING_UPSTREAM_INVALID',
    `the server made a task with an id of ${length} characters, of ${THEIR_ID_MAX} at most`,
  );
}

function tooMany(): StarlingError {
  return new StarlingError(
    'STARLING_LIMIT_EXCEEDED',
    `the caller has ${CALL_TASKS_OF_ONE_MAX} calls that are tasks already, and all are under way`,
    { hint: 'wait for some of them, or cancel some: tasks/cancel' },
  );
}
