/**
 * One LevelDB with namespaces. Writes are grouped: what arrives while one synced batch is being
 * written goes into the next, so that durability costs one disk sync a group, not one a write.
 * LevelDB's own lock on the folder keeps a second node out, and ends with the process, however it ends.
 */
import { ClassicLevel } from 'classic-level';
import { StarlingError, messageOf } from '../core/index.ts';
import type { Logger } from '../core/index.ts';
import type { Store, Table, Write } from './types.ts';

/** Bytes that may wait for the disk; more means that it can't keep up. */
const PENDING_BYTES_MAX = 64 * 1024 * 1024;
/** What a waiting write costs besides its value, about. */
const WRITE_BYTES = 128;
const TABLE_NAME = /^[A-Za-z0-9-]{1,64}$/;
/** U+0000 ends a table's name; a lone surrogate has no UTF-8, so that two such keys would be one. */
const UNFIT_KEY = /\0|\p{Surrogate}/u;

interface Pending {
  readonly writes: readonly Write[];
  resolve(): void;
  reject(error: unknown): void;
}

type Database = ClassicLevel<string, Uint8Array>;

/** Makes the store of the folder `dir`; nothing is opened before `start`. */
export function createStore(
  components: { readonly logger: Logger },
  init: { readonly dir: string },
): Store {
  return new LevelStore(components.logger, init.dir);
}

class LevelStore implements Store {
  readonly #logger: Logger;
  readonly #dir: string;
  #database: Database | undefined;
  #pending: Pending[] = [];
  #pendingBytes = 0;
  #writing: Promise<void> | undefined;
  /** Ends when the last start or stop has. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(logger: Logger, dir: string) {
    this.#logger = logger;
    this.#dir = dir;
  }

  start(): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#database !== undefined) return;
      const database: Database = new ClassicLevel(this.#dir, {
        keyEncoding: 'utf8',
        valueEncoding: 'view',
      });
      try {
        await database.open();
      } catch (error) {
        throw openFailed(error, this.#dir);
      }
      this.#database = database;
      this.#logger.debug({ dir: this.#dir }, 'store opened');
    });
  }

  stop(): Promise<void> {
    return this.#inTurn(async () => {
      const database = this.#database;
      if (database === undefined) return;
      this.#database = undefined;
      while (this.#writing !== undefined) await this.#writing;
      await database.close();
      this.#logger.debug({ dir: this.#dir }, 'store closed');
    });
  }

  table(name: string): Table {
    if (!TABLE_NAME.test(name)) throw new TypeError(`'${name}' is no name of a table`);
    const full = (key: string): string => `${name}\0${checkedKey(key)}`;
    // Bytes are copied, because they are written later and may be the caller's own buffer.
    const write = async (writes: readonly Write[]): Promise<void> =>
      this.#write(
        writes.map(({ key, value }) =>
          value === undefined
            ? { key: full(key) }
            : { key: full(key), value: new Uint8Array(value) },
        ),
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
    const database = this.#open();
    try {
      return await database.get(key);
    } catch (error) {
      throw this.#readFailed(error, database);
    }
  }

  async *#entries(
    start: string,
    skip: number,
  ): AsyncGenerator<readonly [key: string, value: Uint8Array]> {
    const database = this.#open();
    const iterator = database.iterator({ gte: start });
    try {
      for (;;) {
        const entry = await this.#next(iterator, database);
        if (entry === undefined || !entry[0].startsWith(start)) return;
        yield [entry[0].slice(skip), entry[1]];
      }
    } finally {
      await iterator.close();
    }
  }

  async #next(
    iterator: { next(): Promise<[string, Uint8Array] | undefined> },
    database: Database,
  ): Promise<[string, Uint8Array] | undefined> {
    try {
      return await iterator.next();
    } catch (error) {
      throw this.#readFailed(error, database);
    }
  }

  #write(writes: readonly Write[]): Promise<void> {
    this.#open();
    if (writes.length === 0) return Promise.resolve();
    const sizeBytes = writes.reduce((sum, one) => sum + WRITE_BYTES + (one.value?.length ?? 0), 0);
    if (this.#pendingBytes > 0 && this.#pendingBytes + sizeBytes > PENDING_BYTES_MAX) {
      throw new StarlingError(
        'STARLING_LIMIT_EXCEEDED',
        `over ${PENDING_BYTES_MAX} bytes wait to be written to ${this.#dir}`,
        { hint: 'the disk does not keep up: see what else uses it, or move the state folder' },
      );
    }
    this.#pendingBytes += sizeBytes;
    return new Promise((resolve, reject) => {
      this.#pending.push({ writes, resolve, reject });
      this.#writing ??= this.#drain();
    });
  }

  async #drain(): Promise<void> {
    const database = this.#open();
    // One turn of the event loop, so that writes of the same moment share a sync.
    await new Promise((resolve) => setImmediate(resolve));
    while (this.#pending.length > 0) {
      const group = this.#pending;
      this.#pending = [];
      this.#pendingBytes = 0;
      try {
        await database.batch(
          group.flatMap((one) =>
            one.writes.map(({ key, value }) =>
              value === undefined
                ? { type: 'del' as const, key }
                : { type: 'put' as const, key, value },
            ),
          ),
          { sync: true },
        );
        for (const one of group) one.resolve();
      } catch (error) {
        const failed = new StarlingError(
          'STARLING_STATE_UNUSABLE',
          `the database in ${this.#dir} can't be written: ${messageOf(error)}`,
          { hint: 'check the free space and the permissions of the state folder', cause: error },
        );
        for (const one of group) one.reject(failed);
      }
    }
    this.#writing = undefined;
  }

  #open(): Database {
    if (this.#database === undefined) throw this.#stopped();
    return this.#database;
  }

  #stopped(cause?: unknown): StarlingError {
    return new StarlingError(
      'STARLING_STOPPED',
      `the database in ${this.#dir} is not open`,
      cause === undefined ? {} : { cause },
    );
  }

  #readFailed(error: unknown, database: Database): StarlingError {
    if (this.#database !== database) return this.#stopped(error);
    return new StarlingError(
      'STARLING_STATE_UNUSABLE',
      `the database in ${this.#dir} can't be read: ${messageOf(error)}`,
      { hint: 'restore the folder from a backup, or move it away to start anew', cause: error },
    );
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

function openFailed(error: unknown, dir: string): StarlingError {
  const cause = error instanceof Error ? error.cause : undefined;
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
  if (code === 'LEVEL_LOCKED') {
    return new StarlingError('STARLING_STATE_LOCKED', `another node uses ${dir}`, {
      hint: 'see it with `starling status`, or give this one its own folder with --state',
      cause: error,
    });
  }
  return new StarlingError(
    'STARLING_STATE_UNUSABLE',
    `the database in ${dir} can't be opened: ${messageOf(cause ?? error)}`,
    { hint: 'restore the folder from a backup, or move it away to start anew', cause: error },
  );
}
