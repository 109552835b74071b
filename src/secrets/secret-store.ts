/**
 * Secrets of upstream servers by name, sealed in the node's database one by one; what is kept of them
 * in the clear is their names and when they were set.
 */
import { SECRET_NAME_FORM, isSecretName } from '../config/index.ts';
import { Secret, StarlingError, messageOf, missingSecret } from '../core/index.ts';
import type { Clock, Logger } from '../core/index.ts';
import type { SealedTable, Sealer } from '../identity/index.ts';
import type { Table } from '../store/index.ts';

const VERSION = 1;
const VALUE_BYTES_MAX = 64 * 1024;
const SECRETS_MAX = 1000;

/** What may be told of a secret. */
export interface SecretInfo {
  readonly name: string;
  /** When it was set; ms since the epoch. */
  readonly setAt: number;
}

/** Keeps secrets. */
export interface SecretStore {
  /** Opens all that are kept, for {@link SecretStore.lookup}. One that can't be opened is told. */
  load(): Promise<void>;
  /** All, by name. */
  list(): Promise<readonly SecretInfo[]>;
  /**
   * Resolves once it is durable; says whether there was one of this name.
   * @throws STARLING_SECRET_INVALID, STARLING_LIMIT_EXCEEDED
   */
  set(name: string, value: Secret): Promise<{ readonly replaced: boolean }>;
  /** True when there was one. @throws STARLING_SECRET_INVALID */
  remove(name: string): Promise<boolean>;
  /** The value of one of those loaded or set. @throws STARLING_SECRET_MISSING */
  lookup(name: string): string;
}

interface Row extends SecretInfo {
  readonly sealed: Uint8Array;
}

/** The store's table: the value in each row is sealed. */
export const SECRETS_TABLE: SealedTable = {
  name: 'secrets',
  label: 'secrets',
  reseal(name, bytes, { before, after }) {
    const row = readRow(name, bytes);
    if (row === undefined) return bytes;
    const context = contextOf(row);
    return rowBytes(row.setAt, after.seal(context, before.open(context, row.sealed)));
  },
};

/** Makes the store. The sealer is asked for when something is sealed or opened. */
export function createSecretStore(components: {
  readonly table: Table;
  readonly sealer: () => Sealer | Promise<Sealer>;
  readonly clock: Clock;
  readonly logger: Logger;
}): SecretStore {
  return new Store(components);
}

class Store implements SecretStore {
  readonly #components: Parameters<typeof createSecretStore>[0];
  readonly #values = new Map<string, Secret>();

  constructor(components: Parameters<typeof createSecretStore>[0]) {
    this.#components = components;
  }

  async load(): Promise<void> {
    for (const row of await this.#rows()) {
      try {
        const sealer = await this.#components.sealer();
        const bytes = sealer.open(contextOf(row), row.sealed);
        this.#values.set(row.name, new Secret(Buffer.from(bytes).toString('utf8')));
      } catch (error) {
        if (!(error instanceof StarlingError)) throw error;
        const fields = { secret: row.name, error: messageOf(error) };
        this.#components.logger.warn(fields, 'secret can not be opened; set it anew');
      }
    }
  }

  async list(): Promise<readonly SecretInfo[]> {
    return (await this.#rows()).map(({ name, setAt }) => ({ name, setAt }));
  }

  async set(name: string, value: Secret): Promise<{ readonly replaced: boolean }> {
    checkName(name);
    const bytes = Buffer.from(value.reveal(), 'utf8');
    checkValue(name, bytes);
    const { table, clock } = this.#components;
    const names = (await this.#rows()).map((row) => row.name);
    const replaced = names.includes(name);
    if (!replaced && names.length >= SECRETS_MAX) {
      throw new StarlingError(
        'STARLING_LIMIT_EXCEEDED',
        `${SECRETS_MAX} secrets are kept already`,
        {
          hint: 'remove one: starling secret list, starling secret remove <name>',
        },
      );
    }
    const info = { name, setAt: clock.now() };
    const sealer = await this.#components.sealer();
    await table.put(name, rowBytes(info.setAt, sealer.seal(contextOf(info), bytes)));
    this.#values.set(name, value);
    return { replaced };
  }

  async remove(name: string): Promise<boolean> {
    checkName(name);
    const had = (await this.#components.table.get(name)) !== undefined;
    if (had) await this.#components.table.delete(name);
    this.#values.delete(name);
    return had;
  }

  lookup(name: string): string {
    return this.#values.get(name)?.reveal() ?? missingSecret(name);
  }

  async #rows(): Promise<readonly Row[]> {
    const rows: Row[] = [];
    for await (const [name, bytes] of this.#components.table.entries()) {
      const row = readRow(name, bytes);
      if (row === undefined) {
        this.#components.logger.warn({ secret: name }, 'secret can not be read; set it anew');
      } else rows.push(row);
    }
    return rows;
  }
}

function rowBytes(setAt: number, sealed: Uint8Array): Buffer {
  const text = Buffer.from(sealed).toString('base64');
  return Buffer.from(JSON.stringify({ version: VERSION, setAt, sealed: text }));
}

function readRow(name: string, bytes: Uint8Array): Row | undefined {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(bytes).toString('utf8'));
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
  const { version, setAt, sealed } = value as Readonly<Record<string, unknown>>;
  if (version !== VERSION || typeof setAt !== 'number' || typeof sealed !== 'string') {
    return undefined;
  }
  return { name, setAt, sealed: Buffer.from(sealed, 'base64') };
}

/** Its time is part of it, so that an old value can't be passed off as set later. */
function contextOf({ name, setAt }: SecretInfo): string {
  return `${name}\n${setAt}`;
}

function checkName(name: string): void {
  if (isSecretName(name)) return;
  throw new StarlingError('STARLING_SECRET_INVALID', 'no secret can have this name', {
    hint: `take ${SECRET_NAME_FORM}, like GITHUB_TOKEN`,
  });
}

function checkValue(name: string, bytes: Buffer): void {
  const wrong = (why: string): StarlingError =>
    new StarlingError('STARLING_SECRET_INVALID', `the value of the secret ${name} ${why}`, {
      hint: `it may have 1 to ${VALUE_BYTES_MAX} bytes of text`,
    });
  if (bytes.length === 0) throw wrong('is empty');
  if (bytes.length > VALUE_BYTES_MAX) throw wrong(`has ${bytes.length} bytes`);
  if (bytes.includes(0)) throw wrong('holds the character U+0000');
}
