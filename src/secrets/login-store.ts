/**
 * What we know of logins at upstream servers, encrypted in the node's database: client registrations,
 * tokens, and where to renew the tokens. A login belongs to a server's name and URL; when the URL
 * changes, tokens for the old one are not sent to the new one.
 */
import { StarlingError } from '../core/index.ts';
import type { JsonObject, Logger } from '../core/index.ts';
import type { Sealer } from '../identity/index.ts';
import type { Table } from '../store/index.ts';
import { decryptLogin, encryptLogin } from './encryption.ts';

/** A client as it is registered at an authorization server (RFC 7591 §3.2.1). */
export interface StoredClient {
  readonly clientId: string;
  readonly clientSecret?: string;
  /** `token_endpoint_auth_method`, when the registration named one. */
  readonly authMethod?: string;
  /** Port of the redirect address that it was registered with; undefined for a configured client. */
  readonly redirectPort?: number;
}

/** Tokens of one login. */
export interface StoredTokens {
  readonly accessToken: string;
  readonly refreshToken?: string;
  /** When to get a new one, shortly before it is over; ms since the epoch. */
  readonly renewAt?: number;
  readonly scope?: string;
}

/** Everything about our login at one server. */
export interface StoredLogin {
  /** The server's URL. */
  readonly url: string;
  /** The authorization server that the client and the tokens belong to. */
  readonly issuer: string;
  /** Its metadata (RFC 8414); undefined when it has none. */
  readonly metadata?: JsonObject;
  /** The resource indicator (RFC 8707) that the tokens are for. */
  readonly resource?: string;
  readonly client: StoredClient;
  readonly tokens?: StoredTokens;
}

/** Keeps logins. */
export interface LoginStore {
  /** Undefined when there is no login, the login is for another URL, or it can't be decrypted any more. */
  get(server: string, url: string): Promise<StoredLogin | undefined>;
  /** Resolves once the login is durable. */
  put(server: string, login: StoredLogin): Promise<void>;
  /** False when there was no login. */
  delete(server: string): Promise<boolean>;
}

/** What cannot be opened by `sealer` is logged and left out. */
export function createLoginStore(components: {
  readonly table: Table;
  readonly sealer: Sealer;
  readonly logger: Logger;
}): LoginStore {
  const { table, sealer, logger } = components;
  return {
    async get(server, url) {
      const sealed = await table.get(server);
      if (sealed === undefined) return undefined;
      try {
        const login = decryptLogin(sealer, server, sealed) as StoredLogin | undefined;
        return login?.url === url ? login : undefined;
      } catch (error) {
        if (!(error instanceof StarlingError)) throw error;
        logger.warn({ server, error: error.message }, 'login can not be read; log in again');
        return undefined;
      }
    },
    put: (server, login) =>
      table.put(server, encryptLogin(sealer, server, login as unknown as JsonObject)),
    async delete(server) {
      const had = (await table.get(server)) !== undefined;
      if (had) await table.delete(server);
      return had;
    },
  };
}
