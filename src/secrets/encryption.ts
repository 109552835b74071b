/**
 * How secrets and logins are encrypted and decrypted: the bytes of each row in the node's database. All
 * sealing is done by a sealer of the node's key (`identity/seal.ts`); its context binds a row to its
 * name, so that no row can be passed off as another.
 */
import { isObject } from '../core/index.ts';
import type { Fields, JsonObject } from '../core/index.ts';
import type { SealedTable, Sealer } from '../identity/index.ts';

const VERSION = 1;

/** What may be told of a secret. */
export interface SecretInfo {
  readonly name: string;
  /** When it was set; ms since the epoch. */
  readonly setAt: number;
}

/** A secret as it lies on disk. */
export interface SecretRow extends SecretInfo {
  readonly sealed: Uint8Array;
}

/** The row of the secret `info.name`, with its `value` encrypted. */
export function encryptSecret(sealer: Sealer, info: SecretInfo, value: Uint8Array): Buffer {
  return secretRowBytes(info, sealer.seal(contextOf(info), value));
}

/** The value of a secret. @throws STARLING_STATE_UNUSABLE when another key sealed it, or it is damaged */
export function decryptSecret(sealer: Sealer, row: SecretRow): string {
  return Buffer.from(sealer.open(contextOf(row), row.sealed)).toString('utf8');
}

/** Reads what is in the clear of a secret's row; undefined when the row can't be read. */
export function readSecretRow(name: string, bytes: Uint8Array): SecretRow | undefined {
  const { version, setAt, sealed } = fieldsOf(Buffer.from(bytes).toString('utf8'));
  if (version !== VERSION || typeof setAt !== 'number' || typeof sealed !== 'string') {
    return undefined;
  }
  return { name, setAt, sealed: Buffer.from(sealed, 'base64') };
}

/** The row of the login at `server`, encrypted as a whole. */
export function encryptLogin(sealer: Sealer, server: string, login: JsonObject): Uint8Array {
  return sealer.seal(server, Buffer.from(JSON.stringify({ version: VERSION, login })));
}

/** The login in a row; undefined for one of another version. @throws as {@link decryptSecret} */
export function decryptLogin(
  sealer: Sealer,
  server: string,
  row: Uint8Array,
): JsonObject | undefined {
  const { version, login } = fieldsOf(Buffer.from(sealer.open(server, row)).toString('utf8'));
  return version === VERSION && isObject(login) ? (login as JsonObject) : undefined;
}

/** The table of secrets: the value in each row is encrypted, name and time are not. */
export const SECRETS_TABLE: SealedTable = {
  name: 'secrets',
  label: 'secrets',
  reseal(name, bytes, { before, after }) {
    const row = readSecretRow(name, bytes);
    if (row === undefined) return bytes;
    const context = contextOf(row);
    return secretRowBytes(row, after.seal(context, before.open(context, row.sealed)));
  },
};

/** The table of logins: each row is encrypted as a whole. */
export const LOGINS_TABLE: SealedTable = {
  name: 'logins',
  label: 'logins',
  reseal: (server, row, { before, after }) => after.seal(server, before.open(server, row)),
};

/** The table of conversations with their keys: each row is encrypted as a whole. */
export const CONTEXTS_TABLE: SealedTable = {
  name: 'contexts',
  label: 'contexts',
  reseal: (id, row, { before, after }) => after.seal(id, before.open(id, row)),
};

/** All tables that are encrypted: when the node's key changes, each row is encrypted anew. */
export const SEALED_TABLES: readonly SealedTable[] = [CONTEXTS_TABLE, LOGINS_TABLE, SECRETS_TABLE];

function secretRowBytes({ setAt }: SecretInfo, sealed: Uint8Array): Buffer {
  const text = Buffer.from(sealed).toString('base64');
  return Buffer.from(JSON.stringify({ version: VERSION, setAt, sealed: text }));
}

/** The time is part of the context, so that an old value can't be passed off as set later. */
function contextOf({ name, setAt }: SecretInfo): string {
  return `${name}\n${setAt}`;
}

/** The members of a JSON object; none where `text` is no such thing. */
function fieldsOf(text: string): Fields {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : {};
  } catch (error) {
    if (error instanceof SyntaxError) return {};
    throw error;
  }
}
