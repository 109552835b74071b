/**
 * One LevelDB with namespaces. Writes are grouped: what arrives while one synced batch is being
 * written goes into the next, so that durability costs one disk sync a group, not one a write.
 * LevelDB's own lock on the folder keeps a second node out, and ends with the process, however it ends.
 */
import { ClassicLevel } from 'classic-level';
import { StarlingError, messageOf } from '../core/index.ts';
import type { Logger } from '../core/index.ts';
import type { Store, Table, Write } from './types.ts';

/** Writes that may wait for the disk; more is a defect of the caller. */
const PENDING_MAX = 100_000;
const TABLE_NAME = /^[A-Za-z0-9-]{1,64}$/;

interface Pending {
  readonly writes: readonly (Write & { readonly table: string })[];
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
  #writing: Promise<void> | undefined;

  constructor(logger: Logger, dir: string) {
    this.#logger = logger;
    this.#dir = dir;
  }

  async start(): Promise<void> {
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
  }

  async stop(): Promise<void> {
    const database = this.#database;
    if (database === undefined) return;
    this.#database = undefined;
    while (this.#writing !== undefined) await this.#writing;
    await database.close();
  }

  table(name: string): Table {
    if (!TABLE_NAME.test(name)) throw new TypeError(`'${name}' is no name of a table`);
    const full = (key: string): string => `${name}\0${checkedKey(key)}`;
    const write = (writes: readonly Write[]): Promise<void> =>
      this.#write(writes.map((one) => ({ ...one, key: full(one.key), table: name })));
    return {
      get: (key) => this.#open().get(full(key)),
      put: (key, value) => write([{ key, value }]),
      delete: (key) => write([{ key }]),
      batch: write,
      entries: (prefix = '') => this.#entries(name, prefix),
    };
  }

  async *#entries(
    name: string,
    prefix: string,
  ): AsyncGenerator<readonly [key: string, value: Uint8Array]> {
    const start = `${name}\0${checkedKey(prefix)}`;
    const skip = name.length + 1;
    for await (const [key, value] of this.#open().iterator({ gte: start })) {
      if (!key.startsWith(start)) return;
      yield [key.slice(skip), value];
    }
  }

  #write(writes: Pending['writes']): Promise<void> {
    this.#open();
    if (writes.length === 0) return Promise.resolve();
    if (this.#pending.length >= PENDING_MAX) {
      return Promise.reject(
        new StarlingError(
          'STARLING_LIMIT_EXCEEDED',
          `over ${PENDING_MAX} writes wait for the disk`,
        ),
      );
    }
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
    if (this.#database === undefined) {
      throw new StarlingError('STARLING_STOPPED', `the database in ${this.#dir} is not open`);
    }
    return this.#database;
  }
}

function checkedKey(key: string): string {
  if (key.includes('\0')) throw new TypeError('a key holds no U+0000');
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
