/**
 * One LevelDB with namespaces. LevelDB's own lock on the folder keeps a second node out, and ends with
 * the process, however it ends. After a write that failed, LevelDB can't be trusted with another: its log
 * may end in half a record, behind which later writes are lost, and after a failed compaction it refuses
 * all. So the store refuses writes from then on, and opens the database anew when the disk has room.
 */
import {
  StarlingError,
  createScope,
  messageOf,
  pause,
  settledWithin,
  systemClock,
} from '../core/index.ts';
import type { Clock, Health, Logger, Scope } from '../core/index.ts';
import { createGroupedWrites } from './grouped-writes.ts';
import type { GroupedWrites } from './grouped-writes.ts';
import { isLocked, openFailed, openLevel, readFailed, writeFailed } from './open-level.ts';
import type { Level, LevelIterator, LevelWrite, OpenLevel } from './open-level.ts';
import { isOwnerGone, noteOwner } from './owner-file.ts';
import {
  hasRoomToReopen,
  readRefused,
  removeRefused,
  writeRefused,
} from './refused-writes-file.ts';
import type { BatchOptions, Store, Table, Write } from './types.ts';

/** Health warning while the database can't be written. */
const UNWRITABLE = 'state-unwritable';
/** How long until the disk is tried again. */
const RETRY_MS = 1000;
/** A lock whose owner is gone is tried again so often, and so many times: a second in all. */
const LOCK_RETRY_MS = 50;
const LOCK_RETRIES = 20;
/** How long reads under way hold up the opening anew. */
const READS_TIMEOUT_MS = 5000;
const TABLE_NAME = /^[A-Za-z0-9-]{1,64}$/;
/** U+0000 ends a table's name; a lone surrogate has no UTF-8, so that two such keys would be one. */
const UNFIT_KEY = /\0|\p{Surrogate}/u;

/** What the store works with. */
export interface StoreComponents {
  readonly logger: Logger;
  /** Default: the machine's. */
  readonly clock?: Clock;
  /** Hears while the database can't be written. */
  readonly health?: Pick<Health, 'raise' | 'clear'>;
  /** Default: LevelDB. */
  readonly open?: OpenLevel;
}

/** Makes the store of the folder `dir`; nothing is opened before `start`. */
export function createStore(components: StoreComponents, init: { readonly dir: string }): Store {
  return new LevelStore(components, init.dir);
}

class LevelStore implements Store {
  readonly #components: StoreComponents;
  readonly #clock: Clock;
  readonly #dir: string;
  readonly #writes: GroupedWrites;
  /** From start to stop. */
  #scope: Scope | undefined;
  /** Undefined besides while it is being opened anew, as often as that takes. */
  #level: Level | undefined;
  /** What writes are refused with, while they are. */
  #failure: StarlingError | undefined;
  /** Writes that were refused, and which LevelDB may have in its log. */
  #refused: readonly LevelWrite[] = [];
  /** Ends when the database is open anew, or is not; never rejects. */
  #reopening: Promise<void> | undefined;
  #reads = 0;
  /** Hears when no read is under way. */
  #readsOver: (() => void) | undefined;
  /** Ends when the last start or stop has. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(components: StoreComponents, dir: string) {
    this.#components = components;
    this.#clock = components.clock ?? systemClock;
    this.#dir = dir;
    this.#writes = createGroupedWrites((group) => this.#writeGroup(group), { dir });
  }

  start(): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#scope !== undefined) return;
      this.#level = await this.#openLevel();
      this.#scope = createScope(this.#clock);
      this.#components.logger.debug({ dir: this.#dir }, 'store opened');
    });
  }

  stop(): Promise<void> {
    return this.#inTurn(async () => {
      const scope = this.#scope;
      if (scope === undefined) return;
      this.#scope = undefined;
      await this.#writes.idle();
      scope.close();
      await this.#reopening;
      const level = this.#level;
      this.#level = undefined;
      try {
        // What LevelDB still holds of a refused write, it writes when it is closed.
        if (level !== undefined && this.#refused.length > 0) await this.#keepRefused(level);
      } catch (error) {
        this.#components.logger.error({ error: messageOf(error) }, 'refused writes not noted');
      }
      this.#recovered();
      await level?.close();
      this.#components.logger.debug({ dir: this.#dir }, 'store closed');
    });
  }

  healthy(): boolean {
    return this.#scope !== undefined && this.#failure === undefined;
  }

  table(name: string): Table {
    if (!TABLE_NAME.test(name)) throw new TypeError(`'${name}' is no name of a table`);
    const full = (key: string): string => `${name}\0${checkedKey(key)}`;
    // Bytes are copied, because they are written later and may be the caller's own buffer.
    const write = async (writes: readonly Write[], options?: BatchOptions): Promise<void> =>
      this.#write(
        writes.map(({ key, value }) =>
          value === undefined
            ? { type: 'del', key: full(key) }
            : { type: 'put', key: full(key), value: new Uint8Array(value) },
        ),
        options,
      );
    return {
      get: async (key) => this.#get(full(key)),
      put: (key, value) => write([{ key, value }]),
      delete: (key) => write([{ key }]),
      batch: write,
      entries: (prefix = '') => this.#entries(full(prefix), name.length + 1),
    };
  }

  async #get(key: string): Promise<Uint8Array | undefined> {
    const level = await this.#beginRead();
    try {
      return await level.get(key);
    } catch (error) {
      throw this.#readFailed(error);
    } finally {
      this.#endRead();
    }
  }

  async *#entries(
    start: string,
    skip: number,
  ): AsyncGenerator<readonly [key: string, value: Uint8Array]> {
    const level = await this.#beginRead();
    const iterator = level.iterator({ gte: start });
    try {
      for (;;) {
        const entry = await this.#next(iterator);
        if (entry === undefined || !entry[0].startsWith(start)) return;
        yield [entry[0].slice(skip), entry[1]];
      }
    } finally {
      this.#endRead();
      await iterator.close();
    }
  }

  async #next(iterator: LevelIterator): Promise<[string, Uint8Array] | undefined> {
    try {
      return await iterator.next();
    } catch (error) {
      throw this.#readFailed(error);
    }
  }

  async #beginRead(): Promise<Level> {
    this.#requireStarted();
    while (this.#level === undefined && this.#reopening !== undefined) await this.#reopening;
    this.#requireStarted();
    const level = this.#level;
    if (level === undefined) throw this.#failure ?? this.#stopped();
    this.#reads += 1;
    return level;
  }

  #endRead(): void {
    this.#reads -= 1;
    if (this.#reads === 0) this.#readsOver?.();
  }

  async #write(writes: readonly LevelWrite[], options?: BatchOptions): Promise<void> {
    this.#requireStarted();
    if (writes.length === 0) return;
    if (this.#failure !== undefined) throw this.#failure;
    await this.#writes.add(writes, options);
  }

  async #writeGroup(group: LevelWrite[]): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#level === undefined) throw this.#stopped();
    try {
      await this.#level.batch(group, { sync: true });
    } catch (error) {
      this.#refused = group;
      throw this.#fail(writeFailed(error, this.#dir));
    }
  }

  /** From now on writes are refused with `failure`, until the database is open anew. */
  #fail(failure: StarlingError): StarlingError {
    const { health, logger } = this.#components;
    if (this.#failure === undefined) logger.error({ error: failure.message }, 'store fails');
    this.#failure = failure;
    health?.raise({
      code: UNWRITABLE,
      text: `${failure.message}; what would change it is refused`,
      hint: `${failure.hint ?? ''}; the node goes on by itself then`,
    });
    this.#scope?.after(RETRY_MS, () => this.#tryAgain());
    return failure;
  }

  #tryAgain(): void {
    if (this.#failure === undefined || this.#reopening !== undefined) return;
    this.#reopening = this.#reopen()
      .then(
        () => this.#recovered(),
        (error: unknown) => {
          const failure = error instanceof StarlingError ? error : writeFailed(error, this.#dir);
          this.#fail(failure);
        },
      )
      .finally(() => {
        this.#reopening = undefined;
      });
  }

  /** @throws why it can't be done yet */
  async #reopen(): Promise<void> {
    if (!(await hasRoomToReopen(this.#dir))) {
      throw this.#failure ?? this.#stopped();
    }
    const level = this.#level;
    if (level !== undefined) {
      // This is the first write after the failure, and shows whether the disk takes any.
      await this.#keepRefused(level);
      await this.#readsEnd();
      this.#level = undefined;
      await level.close();
    }
    this.#level = await this.#openLevel();
    this.#components.logger.info({ dir: this.#dir }, 'store opened anew; writes go on');
  }

  #recovered(): void {
    this.#failure = undefined;
    this.#refused = [];
    this.#components.health?.clear(UNWRITABLE);
  }

  /** Notes what the keys of refused writes hold, as `level` does not know of these writes. */
  async #keepRefused(level: Level): Promise<void> {
    const before: LevelWrite[] = [];
    for (const key of new Set(this.#refused.map((one) => one.key))) {
      const value = await level.get(key);
      before.push(value === undefined ? { type: 'del', key } : { type: 'put', key, value });
    }
    await writeRefused(this.#dir, before);
  }

  async #readsEnd(): Promise<void> {
    if (this.#reads === 0) return;
    const over = new Promise<void>((resolve) => {
      this.#readsOver = resolve;
    });
    await settledWithin(READS_TIMEOUT_MS, over, this.#clock);
    this.#readsOver = undefined;
  }

  /** Open; a lock that the machine still holds for a process that has ended is waited for. */
  async #unlocked(): Promise<Level> {
    const open = this.#components.open ?? openLevel;
    for (let retries = LOCK_RETRIES; ; retries -= 1) {
      try {
        return await open(this.#dir);
      } catch (error) {
        if (retries === 0 || !isLocked(error) || !(await isOwnerGone(this.#dir))) throw error;
        await pause(this.#clock, LOCK_RETRY_MS);
      }
    }
  }

  /** Opens the database, without what was refused before. */
  async #openLevel(): Promise<Level> {
    let level: Level;
    try {
      level = await this.#unlocked();
    } catch (error) {
      throw openFailed(error, this.#dir);
    }
    // Only a note for who comes next.
    await noteOwner(this.#dir).catch((error: unknown) =>
      this.#components.logger.debug({ error: messageOf(error) }, 'owner not noted'),
    );
    try {
      const before = await readRefused(this.#dir);
      if (before.length > 0) {
        await level.batch([...before], { sync: true });
        await removeRefused(this.#dir);
      }
      return level;
    } catch (error) {
      await level.close();
      throw error instanceof StarlingError ? error : writeFailed(error, this.#dir);
    }
  }

  #requireStarted(): void {
    if (this.#scope === undefined) throw this.#stopped();
  }

  #stopped(cause?: unknown): StarlingError {
    return new StarlingError(
      'STARLING_STOPPED',
      `the database in ${this.#dir} is not open`,
      cause === undefined ? {} : { cause },
    );
  }

  #readFailed(error: unknown): StarlingError {
    if (this.#scope === undefined) return this.#stopped(error);
    return this.#failure ?? readFailed(error, this.#dir);
  }

  /** Starts and stops run one after the other, in the order in which they were asked for. */
  #inTurn(task: () => Promise<void>): Promise<void> {
    const done = this.#turn.then(task);
    // Whoever asked for this turn hears of its failure; the next one only waits for its end.
    this.#turn = done.catch((error: unknown) => error);
    return done;
  }
}

function checkedKey(key: string): string {
  if (UNFIT_KEY.test(key)) throw new TypeError('a key holds no U+0000 and no half of a character');
  return key;
}
