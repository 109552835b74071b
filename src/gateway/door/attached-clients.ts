/**
 * The MCP clients of this node by the names that the person gave them: one name is one client, whether it
 * attaches on this machine or by an API key. What a client says of itself (`clientInfo`) is no name.
 */
import {
  ATTACH_CLIENT,
  ATTACH_OPERATOR,
  ATTACH_WATCHING,
  CLIENT_LOCAL,
  CLIENT_NAME_WORDS,
  CLIENT_TCP,
  isFreeClientName,
} from '../../config/index.ts';
import { StarlingError, messageOf, printable } from '../../core/index.ts';
import type { Logger, Secret } from '../../core/index.ts';
import { ATTACHED_SCOPES, OPERATOR, WATCHING, attachedClient } from '../../guard/index.ts';
import type { Principal } from '../../guard/index.ts';
import type { Table } from '../../store/index.ts';
import type { ApiKey, ApiKeys } from './api-keys.ts';

/** Clients that are remembered: a session of one that is forgotten goes on. */
const REMEMBERED_MAX = 1000;
/** Programs that people name: `cursor`, `claude-desktop`. */
const PROGRAM_MAX = 64;

/** A client program that gets a name, and the way by which it comes. */
export interface ClientInit {
  readonly name: string;
  /** Which program it is, as `starling connect` calls it. */
  readonly program: string;
  /** With an API key, which is made now; else by `starling mcp --as <name>`. */
  readonly byKey: boolean;
  /** Of the key; default what every attached client has. */
  readonly scopes?: readonly string[];
}

/** What the clients are kept with. */
export interface AttachedClientsComponents {
  /** Which program has which name. */
  readonly table: Table;
  readonly keys: Pick<ApiKeys, 'list' | 'replace' | 'revoke'>;
  readonly logger: Logger;
}

/** The clients of a node. */
export interface AttachedClients {
  /** Reads what is stored: before anything else. */
  load(): Promise<void>;
  /**
   * Whom `as` of the socket's first request means: `operator`, `watching` or `client:<name>`; without it, the
   * client that nobody named. The same object for the same name, as long as it is remembered.
   * @throws STARLING_USAGE
   */
  principalOf(as?: unknown): Principal;
  /** Who comes over TCP without a token. */
  readonly tcp: Principal;
  /** Who goes by `name` and has no API key of that name, in words; undefined where nobody does. */
  holderOf(name: string): string | undefined;
  /**
   * Gives a program its name, and a key where it comes by one; an earlier key of the same program ends.
   * @throws STARLING_USAGE when the name is somebody else's
   */
  connect(init: ClientInit): Promise<{ readonly key?: Secret }>;
  /** The name is free again, and the key that the program had ends. False when the name was not its. */
  disconnect(init: Pick<ClientInit, 'name' | 'program'>): Promise<boolean>;
}

/** Makes the clients of a node. */
export function createAttachedClients(components: AttachedClientsComponents): AttachedClients {
  return new NodeClients(components);
}

class NodeClients implements AttachedClients {
  readonly tcp: Principal = { kind: 'client', name: CLIENT_TCP, scopes: ATTACHED_SCOPES };
  readonly #components: AttachedClientsComponents;
  readonly #local = attachedClient(CLIENT_LOCAL);
  /** Those that have attached since the start. */
  readonly #seen = new Map<string, Principal>();
  /** Programs by name. */
  readonly #programs = new Map<string, string>();

  constructor(components: AttachedClientsComponents) {
    this.#components = components;
  }

  async load(): Promise<void> {
    for await (const [name, bytes] of this.#components.table.entries()) {
      const program = Buffer.from(bytes).toString('utf8');
      if (isFreeClientName(name) && program.length <= PROGRAM_MAX) {
        this.#programs.set(name, program);
      } else this.#components.logger.warn({ name }, 'stored name of a client is damaged, left out');
    }
  }

  principalOf(as: unknown = `${ATTACH_CLIENT}${CLIENT_LOCAL}`): Principal {
    if (as === ATTACH_OPERATOR) return OPERATOR;
    if (as === ATTACH_WATCHING) return WATCHING;
    if (as === `${ATTACH_CLIENT}${CLIENT_LOCAL}`) return this.#local;
    const isClient = typeof as === 'string' && as.startsWith(ATTACH_CLIENT);
    const name = isClient ? as.slice(ATTACH_CLIENT.length) : '';
    if (!isFreeClientName(name)) throw noName(as);
    if (this.#keyOf(name) !== undefined) throw isKey(name);
    const principal = this.#seen.get(name) ?? attachedClient(name);
    this.#seen.delete(name);
    const [oldest] = this.#seen.keys();
    if (this.#seen.size >= REMEMBERED_MAX && oldest !== undefined) this.#seen.delete(oldest);
    this.#seen.set(name, principal);
    return principal;
  }

  holderOf(name: string): string | undefined {
    const program = this.#programs.get(name);
    if (program !== undefined) return `${program} (starling connect ${program})`;
    return this.#seen.has(name) ? `a client of starling mcp --as ${name}` : undefined;
  }

  async connect({ name, program, byKey, scopes }: ClientInit): Promise<{ readonly key?: Secret }> {
    if (!isFreeClientName(name)) throw noName(`${ATTACH_CLIENT}${name}`);
    const key = this.#keyOf(name);
    if (key !== undefined && key.program !== program) throw isKey(name);
    const holder = this.#programs.get(name);
    if (holder !== undefined && holder !== program) throw isTaken(name, holder);
    if (!byKey) {
      if (this.#programs.size >= REMEMBERED_MAX) throw tooMany();
      await this.#components.table.put(name, Buffer.from(program));
      this.#programs.set(name, program);
      // A key goes before a name: where the disk refuses to end the key, nothing has changed for anybody.
      if (key !== undefined) await this.#components.keys.revoke(key.id);
      return {};
    }
    const made = await this.#components.keys.replace(key, {
      name,
      scopes: scopes ?? ATTACHED_SCOPES,
      program,
    });
    await this.#forget(name).catch((error: unknown) =>
      this.#components.logger.warn({ name, error: messageOf(error) }, 'name of a client is kept'),
    );
    return { key: made.key };
  }

  async disconnect({ name, program }: Pick<ClientInit, 'name' | 'program'>): Promise<boolean> {
    const key = this.#keyOf(name);
    const isItsKey = key?.program === program;
    const isItsName = this.#programs.get(name) === program;
    if (isItsName) await this.#forget(name);
    if (isItsKey) await this.#components.keys.revoke(key.id);
    return isItsKey || isItsName;
  }

  async #forget(name: string): Promise<void> {
    if (this.#programs.has(name)) await this.#components.table.delete(name);
    this.#programs.delete(name);
    this.#seen.delete(name);
  }

  #keyOf(name: string): ApiKey | undefined {
    return this.#components.keys.list().find((key) => key.name === name);
  }
}

function noName(as: unknown): StarlingError {
  return new StarlingError(
    'STARLING_USAGE',
    `nobody attaches here as '${typeof as === 'string' ? printable(as, 64) : typeof as}'`,
    {
      hint: `a client's name is ${CLIENT_NAME_WORDS}, and not local, tcp or operator: starling mcp --as <name>`,
    },
  );
}

function isKey(name: string): StarlingError {
  return new StarlingError(
    'STARLING_USAGE',
    `the name '${name}' belongs to an API key, and one name is one client`,
    { hint: `choose another with --as; or end the key: starling key revoke ${name}` },
  );
}

function isTaken(name: string, program: string): StarlingError {
  return new StarlingError(
    'STARLING_USAGE',
    `the name '${name}' belongs to ${printable(program)}, and one name is one client`,
    { hint: `choose another with --as; or free it: starling connect ${program} --remove` },
  );
}

function tooMany(): StarlingError {
  return new StarlingError('STARLING_LIMIT_EXCEEDED', `${REMEMBERED_MAX} clients have a name`, {
    hint: 'free some: starling connect <client> --as <name> --remove',
  });
}
