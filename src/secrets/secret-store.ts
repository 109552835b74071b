/**
 * Secrets of upstream servers by name. In the node's database each value is encrypted; names, and when
 * a secret was set, are not.
 */
import { SECRET_NAME_FORM, isSecretName } from '../config/index.ts';
import { Secret, StarlingError, messageOf, missingSecret } from '../core/index.ts';
import type { Clock, Logger } from '../core/index.ts';
import type { Sealer } from '../identity/index.ts';
import type { Table } from '../store/index.ts';
import { decryptSecret, encryptSecret, readSecretRow } from './encryption.ts';
import type { SecretInfo, SecretRow } from './encryption.ts';

const VALUE_BYTES_MAX = 64 * 1024;
const SECRETS_MAX = 1000;

/** Keeps secrets. */
export interface SecretStore {
  /** Decrypts all secrets, for {@link SecretStore.lookup}. The log tells of a secret that can't be decrypted. */
  load(): Promise<void>;
  /** All secrets, by name. */
  list(): Promise<readonly SecretInfo[]>;
  /**
   * Resolves once the secret is durable, and says whether there was one of this name.
   * @throws STARLING_SECRET_INVALID, STARLING_LIMIT_EXCEEDED
   */
  set(name: string, value: Secret): Promise<{ readonly replaced: boolean }>;
  /** False when there was no such secret. @throws STARLING_SECRET_INVALID */
  remove(name: string): Promise<boolean>;
  /** The value of a secret that was loaded or set. @throws STARLING_SECRET_MISSING */
  lookup(name: string): string;
}

/** Makes the store. The sealer is asked for when a secret is encrypted or decrypted. */
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
        this.#values.set(row.name, new Secret(decryptSecret(sealer, row)));
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
    await table.put(name, encryptSecret(sealer, info, bytes));
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

  async #rows(): Promise<readonly SecretRow[]> {
    const rows: SecretRow[] = [];
    for await (const [name, bytes] of this.#components.table.entries()) {
      const row = readSecretRow(name, bytes);
      if (row === undefined) {
        this.#components.logger.warn({ secret: name }, 'secret can not be read; set it anew');
      } else rows.push(row);
    }
    return rows;
  }
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
