/**
 * Secrets of upstream servers by name, sealed in the node's database one by one; what is kept of them
 * in the clear is their names and when they were set.
 */
import { SECRET_NAME_FORM, isSecretName } from '../../config/index.ts';
import type { McpServer } from '../../config/index.ts';
import { Secret, StarlingError, messageOf, missingSecret } from '../../core/index.ts';
import type { Clock, Logger } from '../../core/index.ts';
import type { Sealer } from '../../identity/index.ts';
import type { Table } from '../../store/index.ts';

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

/** Makes the store. The sealer is asked for when something is sealed or opened. */
export function createSecretStore(components: {
  readonly table: Table;
  readonly sealer: () => Sealer | Promise<Sealer>;
  readonly clock: Clock;
  readonly logger: Logger;
}): SecretStore {
  return new Store(components);
}

/** The servers with their secrets from `lookup`. */
export function bindSecrets(
  servers: Readonly<Record<string, McpServer>>,
  lookup: SecretStore['lookup'],
): Readonly<Record<string, McpServer>> {
  return Object.fromEntries(
    Object.entries(servers).map(([name, server]) => [
      name,
      mapSecrets(server, (secret, part) =>
        secret.bind(part === 'headers' ? (one) => headerText(one, lookup(one)) : lookup),
      ),
    ]),
  );
}

/**
 * The server `name` with its secrets as they are now.
 * @throws STARLING_SECRET_MISSING when one is not set, STARLING_SECRET_INVALID when one does not fit
 */
export function revealedServer(name: string, server: McpServer): McpServer {
  try {
    return mapSecrets(server, (secret) => new Secret(secret.reveal()));
  } catch (error) {
    if (!(error instanceof StarlingError)) throw error;
    const { code, message, hint = 'see: starling secret list' } = error;
    const data = { ...error.data, server: name };
    throw new StarlingError(code, `server '${name}' can't start: ${message}`, { hint, data });
  }
}

/** Are two servers configured alike, down to what their secrets are now? */
export function sameServer(one: McpServer, other: McpServer): boolean {
  return written(one) === written(other);
}

/** Is it a secret that keeps a server from starting? */
export function isAboutSecret({ code }: StarlingError): boolean {
  return code === 'STARLING_SECRET_MISSING' || code === 'STARLING_SECRET_INVALID';
}

/** Which servers use which secrets: names of servers, by the secret's name. */
export function secretUses(
  servers: Readonly<Record<string, McpServer>>,
): ReadonlyMap<string, readonly string[]> {
  const uses = new Map<string, string[]>();
  for (const [name, server] of Object.entries(servers)) {
    const used = new Set<string>();
    mapSecrets(server, (secret) => {
      for (const one of secret.names()) used.add(one);
      return secret;
    });
    for (const one of used) uses.set(one, [...(uses.get(one) ?? []), name]);
  }
  return uses;
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
    const sealed = Buffer.from(sealer.seal(contextOf(info), bytes)).toString('base64');
    await table.put(
      name,
      Buffer.from(JSON.stringify({ version: VERSION, setAt: info.setAt, sealed })),
    );
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

/** What a header may hold (RFC 9110 §5.5), without the bytes that nobody agrees on. */
function headerText(name: string, value: string): string {
  if (/^[\t\x20-\x7E]*$/.test(value)) return value;
  throw new StarlingError(
    'STARLING_SECRET_INVALID',
    `the secret ${name} can't be sent in a header: it has line breaks or characters beyond ASCII`,
    { hint: `set it anew: starling secret set ${name}` },
  );
}

/** The server with each of its secrets replaced. */
function mapSecrets(
  server: McpServer,
  map: (secret: Secret, part: 'env' | 'headers' | 'oauth') => Secret,
): McpServer {
  const all = (part: 'env' | 'headers', secrets: Readonly<Record<string, Secret>>) =>
    Object.fromEntries(Object.entries(secrets).map(([key, secret]) => [key, map(secret, part)]));
  if (server.type === 'stdio') return { ...server, env: all('env', server.env) };
  const { oauth } = server;
  const secret = oauth?.clientSecret;
  return {
    ...server,
    headers: all('headers', server.headers),
    ...(oauth === undefined || secret === undefined
      ? {}
      : { oauth: { ...oauth, clientSecret: map(secret, 'oauth') } }),
  };
}

/** A configuration as text, secrets included: to compare, never to show. */
function written(server: McpServer): string {
  const secrets: object[] = [];
  mapSecrets(server, (secret) => {
    secrets.push(textOf(secret));
    return secret;
  });
  return JSON.stringify([server, secrets]);
}

function textOf(secret: Secret): object {
  try {
    return { text: secret.reveal() };
  } catch (error) {
    if (error instanceof StarlingError && isAboutSecret(error)) return { lacks: error.message };
    throw error;
  }
}
