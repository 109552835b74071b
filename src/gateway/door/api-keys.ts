/**
 * Named API keys, each with scopes of its own. A key is `starling_<id>_<secret>` with a secret of 256
 * random bits; only its SHA-256 is stored. Whoever reads the store can neither use nor rebuild a key.
 */
import { EventEmitter } from 'node:events';
import { randomBytes, timingSafeEqual } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import {
  Secret,
  StarlingError,
  meantById,
  messageOf,
  noSuchId,
  printable,
} from '../../core/index.ts';
import type { Clock, Logger } from '../../core/index.ts';
import { CLIENT_NAME_WORDS, isFreeClientName } from '../../config/index.ts';
import { ATTACHED_SCOPES, attachedClient, isScope } from '../../guard/index.ts';
import type { Principal } from '../../guard/index.ts';
import type { Table } from '../../store/index.ts';
import { digestOf } from './bearer.ts';
import type { Credential } from './types.ts';

const ID_BYTES = 6;
const SECRET_BYTES = 32;
const KEY = /^starling_([0-9a-f]{12})_[\w-]{43}$/;
const KEYS_MAX = 1000;
const SCOPES_MAX = 64;
/** The time of last use is stored at most this often: a request must not wait for the disk. */
const USED_EVERY_MS = 60_000;

/** One key as people see it. */
export interface ApiKey {
  readonly id: string;
  readonly name: string;
  /** Resource patterns, or `*`. */
  readonly scopes: readonly string[];
  /** ms since the epoch, as all times here. */
  readonly createdAt: number;
  readonly expiresAt?: number;
  /** To a minute. */
  readonly lastUsedAt?: number;
  /** The program into whose file `starling connect` wrote the key: its owner sits before it. */
  readonly program?: string;
}

/** What a new key is to be. */
export interface ApiKeyInit {
  /** 1 to 32 of a-z, 0-9 and `-`. */
  readonly name: string;
  readonly scopes: readonly string[];
  readonly expiresAt?: number;
  /** See {@link ApiKey.program}. */
  readonly program?: string;
}

/** A key as it is shown once. */
export interface NewKey {
  readonly key: Secret;
  readonly info: ApiKey;
}

/** Heard by the gateway, which ends what a key has open, and by the audit log. */
export interface ApiKeysEvents {
  /** A key was revoked: whatever its holder has open must end. Carries the credential's id. */
  revoked: [credential: string];
  /** A key was made, or ended. */
  change: [key: ApiKey, what: 'created' | 'revoked'];
}

/** What the keys work with. */
export interface ApiKeysComponents {
  readonly table: Table;
  /** Who goes by a name without a key, in words. */
  readonly holderOf?: (name: string) => string | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** The keys of a node. */
export interface ApiKeys {
  readonly events: EventEmitter<ApiKeysEvents>;
  /** Reads what is stored: before anything else. @throws STARLING_STATE_UNUSABLE */
  load(): Promise<void>;
  /** Whose key `token` is; `digest` is its SHA-256. Undefined when it is none, or has expired. */
  check(token: string, digest: Uint8Array): Credential | undefined;
  /** Makes a key, which is shown this once. @throws STARLING_USAGE, STARLING_LIMIT_EXCEEDED */
  create(init: ApiKeyInit): Promise<NewKey>;
  /**
   * Makes a key of a client of this node, whose name that is, and ends the one that it has: both or neither.
   * @throws STARLING_USAGE, STARLING_LIMIT_EXCEEDED; STARLING_STATE_UNUSABLE when the disk fails
   */
  replace(before: ApiKey | undefined, init: ApiKeyInit): Promise<NewKey>;
  /** Newest first, expired ones too. */
  list(): readonly ApiKey[];
  /**
   * Ends a key, by its name, its id or the beginning of that, once that is stored. @throws STARLING_USAGE when there is none;
   * STARLING_STATE_UNUSABLE when the disk fails: then the key goes on
   */
  revoke(reference: string): Promise<ApiKey>;
}

interface StoredKey {
  info: ApiKey;
  readonly digest: Uint8Array;
  readonly credential: Credential;
  usedStoredAt: number;
}

/** Makes the keys of a node. */
export function createApiKeys(components: ApiKeysComponents): ApiKeys {
  return new StoredKeys(components);
}

class StoredKeys implements ApiKeys {
  readonly events = new EventEmitter<ApiKeysEvents>();
  readonly #components: ApiKeysComponents;
  readonly #keys = new Map<string, StoredKey>();
  /** Those that are taken off the disk just now: what would be written of them would bring them back. */
  readonly #ending = new Set<StoredKey>();

  constructor(components: ApiKeysComponents) {
    this.#components = components;
  }

  async load(): Promise<void> {
    for await (const [id, bytes] of this.#components.table.entries()) {
      const stored = readRow(id, bytes);
      if (stored === undefined) {
        // One damaged row must not keep the node from starting; it lets nobody in.
        this.#components.logger.warn({ key: id }, 'stored API key is damaged and left out');
      } else this.#keys.set(id, stored);
    }
  }

  check(token: string, digest: Uint8Array): Credential | undefined {
    const id = KEY.exec(token)?.[1];
    const stored = id === undefined ? undefined : this.#keys.get(id);
    if (stored === undefined || !timingSafeEqual(stored.digest, digest)) return undefined;
    const now = this.#components.clock.now();
    if (hasExpired(stored.info, now)) return undefined;
    const isDue = now - stored.usedStoredAt >= USED_EVERY_MS;
    if (isDue && !this.#ending.has(stored)) this.#used(stored, now);
    return stored.credential;
  }

  async create(init: ApiKeyInit): Promise<NewKey> {
    const holder = this.#components.holderOf?.(init.name);
    if (holder !== undefined) {
      throw wrong(
        `the name '${init.name}' belongs to ${holder}, and one name is one client`,
        'choose another name',
      );
    }
    return this.replace(undefined, init);
  }

  async replace(before: ApiKey | undefined, init: ApiKeyInit): Promise<NewKey> {
    this.#checkInit(init, before);
    const id = randomBytes(ID_BYTES).toString('hex');
    const key = `starling_${id}_${randomBytes(SECRET_BYTES).toString('base64url')}`;
    const info: ApiKey = {
      id,
      name: init.name,
      scopes: [...init.scopes],
      createdAt: this.#components.clock.now(),
      ...(init.expiresAt === undefined ? {} : { expiresAt: init.expiresAt }),
      ...(init.program === undefined ? {} : { program: init.program }),
    };
    const stored = storedKeyOf(info, digestOf(key));
    // Taken before it is durable, so that two at once can't have one name.
    this.#keys.set(id, stored);
    const old = before === undefined ? undefined : this.#keys.get(before.id);
    const row = writeRow(stored);
    try {
      if (old === undefined) await this.#components.table.put(id, row);
      else await this.#end(old, (table, key) => table.batch([{ key: id, value: row }, { key }]));
    } catch (error) {
      this.#keys.delete(id);
      throw error;
    }
    this.events.emit('change', info, 'created');
    return { key: new Secret(key), info };
  }

  list(): readonly ApiKey[] {
    return [...this.#keys.values()]
      .map(({ info }) => info)
      .sort((a, b) => b.createdAt - a.createdAt || a.name.localeCompare(b.name));
  }

  async revoke(reference: string): Promise<ApiKey> {
    const stored = this.#find(reference);
    await this.#end(stored, (table, id) => table.delete(id));
    return stored.info;
  }

  /** Ends a key once `takeOff` has taken its row off the disk. */
  async #end(
    stored: StoredKey,
    takeOff: (table: Table, id: string) => Promise<void>,
  ): Promise<void> {
    const { id } = stored.info;
    this.#ending.add(stored);
    try {
      await takeOff(this.#components.table, id);
    } finally {
      this.#ending.delete(stored);
    }
    // Of two revocations at once one ends the key.
    if (!this.#keys.delete(id)) return;
    this.events.emit('revoked', stored.credential.id);
    this.events.emit('change', stored.info, 'revoked');
  }

  /** @throws STARLING_USAGE when no key is called so, or it may mean more than one */
  #find(reference: string): StoredKey {
    const all = [...this.#keys.values()];
    const named = all.find(({ info }) => info.name === reference);
    if (named !== undefined) return named;
    const meant = meantById(reference, all, ({ info }) => info.id);
    if ('found' in meant) return meant.found;
    const text =
      meant.why === 'none'
        ? `no API key is called '${printable(reference)}'`
        : noSuchId(reference, meant.why, 'key');
    throw new StarlingError('STARLING_USAGE', text, {
      hint: 'see which there are: starling key list',
    });
  }

  #checkInit({ name, scopes, expiresAt }: ApiKeyInit, before: ApiKey | undefined): void {
    if (!isFreeClientName(name)) {
      throw wrong(
        `'${printable(name)}' can't be the name of a key`,
        `use ${CLIENT_NAME_WORDS}; local, tcp and operator are taken`,
      );
    }
    const others = [...this.#keys.values()].filter(({ info }) => info.id !== before?.id);
    if (others.some(({ info }) => info.name === name)) {
      throw wrong(
        `there is a key '${name}' already`,
        `choose another name, or end it: starling key revoke ${name}`,
      );
    }
    const odd = scopes.find((scope) => !isScope(scope));
    if (odd !== undefined || scopes.length === 0 || scopes.length > SCOPES_MAX) {
      throw wrong(
        odd === undefined
          ? `a key has 1 to ${SCOPES_MAX} scopes`
          : `'${printable(odd)}' is no scope`,
        "a scope is a resource pattern like 'tool:files/*', 'resource:files/**' or 'prompt:files/*', '*' for all of them, or 'metrics' for the node's figures",
      );
    }
    if (expiresAt !== undefined && expiresAt <= this.#components.clock.now()) {
      throw wrong('the key would have expired already', 'choose a time that is to come');
    }
    if (others.length >= KEYS_MAX) {
      throw new StarlingError('STARLING_LIMIT_EXCEEDED', `there are ${KEYS_MAX} API keys`, {
        hint: 'revoke some: starling key list',
      });
    }
  }

  #used(stored: StoredKey, now: number): void {
    stored.info = { ...stored.info, lastUsedAt: now };
    stored.usedStoredAt = now;
    this.#components.table.put(stored.info.id, writeRow(stored)).catch((error: unknown) => {
      this.#components.logger.warn(
        { key: stored.info.name, error: messageOf(error) },
        'last use of an API key not stored',
      );
    });
  }
}

function wrong(what: string, hint: string): StarlingError {
  return new StarlingError('STARLING_USAGE', what, { hint });
}

/** Of a key without an end never; `now` is ms since the epoch. */
export function hasExpired(key: ApiKey, now: number): boolean {
  return key.expiresAt !== undefined && key.expiresAt <= now;
}

function storedKeyOf(info: ApiKey, digest: Uint8Array): StoredKey {
  const { id, expiresAt } = info;
  return {
    info,
    digest,
    credential: {
      id: `key:${id}`,
      principal: principalOf(info),
      ...(expiresAt === undefined ? {} : { expiresAt }),
    },
    usedStoredAt: info.lastUsedAt ?? 0,
  };
}

/** What `starling connect` wrote has the rights of an attached client, unless its owner chose scopes. */
function principalOf({ name, scopes, program }: ApiKey): Principal {
  if (program === undefined) return { kind: 'client', name, scopes };
  const isWhole = isDeepStrictEqual(scopes, ATTACHED_SCOPES);
  return isWhole ? attachedClient(name) : { kind: 'client', name, scopes, person: true };
}

function writeRow({ info, digest }: StoredKey): Uint8Array {
  const sha256 = Buffer.from(digest).toString('base64url');
  return Buffer.from(JSON.stringify({ ...info, sha256 }));
}

function readRow(id: string, bytes: Uint8Array): StoredKey | undefined {
  let row: unknown;
  try {
    row = JSON.parse(Buffer.from(bytes).toString('utf8'));
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
  if (typeof row !== 'object' || row === null) return undefined;
  const { name, scopes, createdAt, expiresAt, lastUsedAt, program, sha256 } = row as Record<
    string,
    unknown
  >;
  const digest = typeof sha256 === 'string' ? Buffer.from(sha256, 'base64url') : Buffer.alloc(0);
  const isWhole =
    typeof name === 'string' &&
    Array.isArray(scopes) &&
    scopes.every((scope): scope is string => typeof scope === 'string') &&
    typeof createdAt === 'number' &&
    (expiresAt === undefined || typeof expiresAt === 'number') &&
    (lastUsedAt === undefined || typeof lastUsedAt === 'number') &&
    (program === undefined || typeof program === 'string') &&
    digest.length === SECRET_BYTES;
  if (!isWhole) return undefined;
  return storedKeyOf(
    {
      id,
      name,
      scopes,
      createdAt,
      ...(expiresAt === undefined ? {} : { expiresAt }),
      ...(lastUsedAt === undefined ? {} : { lastUsedAt }),
      ...(program === undefined ? {} : { program }),
    },
    digest,
  );
}
