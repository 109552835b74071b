/**
 * An authorization server and an MCP server behind it, for the tests of logins: as small as OAuth 2.1
 * lets them be, and as wrong as a test wants them.
 */
import { createHash, randomUUID } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import type { JsonObject } from '../../../src/core/index.ts';
import { json, result, urlServer } from './url-server.ts';
import type { Asked, UrlServer } from './url-server.ts';

export interface AuthInit {
  /** Replaces fields of the authorization server's metadata. */
  readonly metadata?: (origin: string) => JsonObject;
  /** Answers a token request in the place of the usual answer when it returns true. */
  readonly token?: (form: URLSearchParams, response: ServerResponse) => boolean;
  /** Scope that `tools/call` needs; else 403. */
  readonly scopeNeeded?: string;
  readonly expiresIn?: number;
  /** True: the authorization server publishes no metadata. */
  readonly isBare?: boolean;
}

export interface AuthWorld {
  readonly auth: UrlServer;
  readonly mcp: UrlServer;
  /** Every token that was ever handed out. */
  readonly issued: string[];
  /** Access tokens that the MCP server takes, with their scope. */
  readonly valid: Map<string, string>;
  readonly forms: URLSearchParams[];
  /** What a browser does with the address: agrees, and goes where it is sent. */
  readonly browse: (
    url: string,
    changes?: Readonly<Record<string, string | undefined>>,
  ) => Promise<Response>;
}

export async function authWorld(init: AuthInit = {}): Promise<AuthWorld> {
  const issued: string[] = [];
  const valid = new Map<string, string>();
  const forms: URLSearchParams[] = [];
  const codes = new Map<string, URLSearchParams>();
  const refreshable = new Set<string>();

  const give = (response: ServerResponse, scope: string, refresh: boolean): void => {
    const [access, again] = [`access-${randomUUID()}`, `refresh-${randomUUID()}`];
    issued.push(access, again);
    valid.set(access, scope);
    if (refresh) refreshable.add(again);
    json(response, {
      access_token: access,
      token_type: 'Bearer',
      expires_in: init.expiresIn ?? 3600,
      scope,
      ...(refresh ? { refresh_token: again } : {}),
    });
  };
  const refuse = (response: ServerResponse, error: string): void =>
    json(response, { error, error_description: `hear: ${issued.join(' ')}` }, 400);
  const token = (form: URLSearchParams, response: ServerResponse): void => {
    forms.push(form);
    if (init.token?.(form, response) === true) return;
    const asked = codes.get(form.get('code') ?? '');
    if (form.get('grant_type') === 'client_credentials') {
      give(response, form.get('scope') ?? '', false);
    } else if (form.get('grant_type') === 'refresh_token') {
      if (refreshable.delete(form.get('refresh_token') ?? '')) give(response, 'read', true);
      else refuse(response, 'invalid_grant');
    } else if (asked !== undefined && isProof(asked, form)) {
      codes.delete(form.get('code') ?? '');
      give(response, asked.get('scope') ?? '', true);
    } else refuse(response, 'invalid_grant');
  };

  const auth = await urlServer((asked, response) => {
    const { origin } = asked.url;
    switch (asked.url.pathname) {
      case '/.well-known/oauth-authorization-server':
        if (init.isBare === true) return response.writeHead(404).end();
        return json(response, {
          issuer: origin,
          authorization_endpoint: `${origin}/authorize`,
          token_endpoint: `${origin}/token`,
          registration_endpoint: `${origin}/register`,
          response_types_supported: ['code'],
          code_challenge_methods_supported: ['S256'],
          token_endpoint_auth_methods_supported: ['none', 'client_secret_basic'],
          authorization_response_iss_parameter_supported: true,
          ...init.metadata?.(origin),
        });
      case '/register':
        return json(response, { ...asked.body, client_id: `client-${auth.asked.length}` }, 201);
      case '/token':
      case '/tokens-elsewhere':
        return token(new URLSearchParams(asked.text), response);
      default:
        return response.writeHead(404).end();
    }
  });
  const mcp = await urlServer((asked, response) => {
    const { origin } = asked.url;
    if (asked.url.pathname === '/.well-known/oauth-protected-resource/mcp') {
      return json(response, {
        resource: `${origin}/mcp`,
        authorization_servers: [auth.origin],
        scopes_supported: ['read'],
      });
    }
    return answer(asked, response, valid, init.scopeNeeded);
  });
  return {
    auth,
    mcp,
    issued,
    valid,
    forms,
    browse(url, changes = {}) {
      const query = new URL(url).searchParams;
      const code = `code-${randomUUID()}`;
      codes.set(code, query);
      const target = new URL(query.get('redirect_uri') ?? '');
      const fields = { code, state: query.get('state') ?? '', iss: auth.origin, ...changes };
      for (const [name, value] of Object.entries(fields)) {
        if (value !== undefined) target.searchParams.set(name, value);
      }
      return fetch(target, { headers: { connection: 'close' } });
    },
  };
}

function answer(
  asked: Asked,
  response: ServerResponse,
  valid: ReadonlyMap<string, string>,
  scopeNeeded: string | undefined,
): unknown {
  const metadata = `resource_metadata="${asked.url.origin}/.well-known/oauth-protected-resource/mcp"`;
  const scope = valid.get((asked.headers.authorization ?? '').replace('Bearer ', ''));
  if (scope === undefined) {
    return response.writeHead(401, { 'www-authenticate': `Bearer ${metadata}` }).end();
  }
  const isCall = asked.body['method'] === 'tools/call';
  if (isCall && scopeNeeded !== undefined && !scope.split(' ').includes(scopeNeeded)) {
    const challenge = `Bearer error="insufficient_scope", scope="${scopeNeeded}", ${metadata}`;
    return response.writeHead(403, { 'www-authenticate': challenge }).end();
  }
  return json(response, result(asked, { ok: true }));
}

/** PKCE (RFC 7636 §4.6), and the same redirect address as before. */
function isProof(asked: URLSearchParams, form: URLSearchParams): boolean {
  const hash = createHash('sha256').update(form.get('code_verifier') ?? '');
  return (
    asked.get('code_challenge') === hash.digest('base64url') &&
    asked.get('redirect_uri') === form.get('redirect_uri')
  );
}
