/**
 * Who attaches on this machine: the person who owns the node, by the CLI, or an MCP client under the name
 * that this person gave it. What a client says of itself (`clientInfo`) is no name.
 */
import {
  ATTACH_CLIENT,
  ATTACH_OPERATOR,
  CLIENT_LOCAL,
  CLIENT_NAME_WORDS,
  CLIENT_TCP,
  isFreeClientName,
} from '../../config/index.ts';
import { StarlingError, printable } from '../../core/index.ts';
import { ATTACHED_SCOPES, OPERATOR } from '../../guard/index.ts';
import type { Principal } from '../../guard/index.ts';
import type { ApiKeys } from './api-keys.ts';

/** Clients that are remembered: a session of one that is forgotten goes on. */
const REMEMBERED_MAX = 1000;

/** Tells who attaches. */
export interface AttachedClients {
  /**
   * Whom `as` of the socket's first request means: `operator` or `client:<name>`; without it, the
   * client that nobody named. The same object for the same name, as long as it is remembered.
   * @throws STARLING_USAGE
   */
  principalOf(as?: unknown): Principal;
  /** Who comes over TCP without a token. */
  readonly tcp: Principal;
}

/** Makes it. */
export function createAttachedClients(components: {
  readonly keys: Pick<ApiKeys, 'list'>;
}): AttachedClients {
  const known = new Map<string, Principal>();
  const local = attachedClient(CLIENT_LOCAL);
  return {
    tcp: { kind: 'client', name: CLIENT_TCP, scopes: ATTACHED_SCOPES },
    principalOf(as = `${ATTACH_CLIENT}${CLIENT_LOCAL}`) {
      if (as === ATTACH_OPERATOR) return OPERATOR;
      if (as === `${ATTACH_CLIENT}${CLIENT_LOCAL}`) return local;
      const name =
        typeof as === 'string' && as.startsWith(ATTACH_CLIENT)
          ? as.slice(ATTACH_CLIENT.length)
          : '';
      if (!isFreeClientName(name)) throw noName(as);
      if (components.keys.list().some((key) => key.name === name)) throw isKey(name);
      const principal = known.get(name) ?? attachedClient(name);
      known.delete(name);
      const [oldest] = known.keys();
      if (known.size >= REMEMBERED_MAX && oldest !== undefined) known.delete(oldest);
      known.set(name, principal);
      return principal;
    },
  };
}

/** The client that is attached under `name` by the person who sits before it. */
export function attachedClient(name: string): Extract<Principal, { kind: 'client' }> {
  return Object.freeze({ kind: 'client', name, scopes: ATTACHED_SCOPES, person: true });
}

function noName(as: unknown): StarlingError {
  return new StarlingError(
    'STARLING_USAGE',
    `nobody attaches here as '${printable(String(as), 64)}'`,
    { hint: `a client's name is ${CLIENT_NAME_WORDS}: starling mcp --as <name>` },
  );
}

function isKey(name: string): StarlingError {
  return new StarlingError(
    'STARLING_USAGE',
    `the name '${name}' belongs to an API key, and one name is one client`,
    {
      hint: `choose another: starling mcp --as <name>; or end the key: starling key revoke ${name}`,
    },
  );
}
