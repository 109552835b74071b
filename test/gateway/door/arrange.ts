/** Requests and authorities for the tests of the door. */
import { createServer } from 'node:http';
import type { IncomingMessage, RequestListener, Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { SignJWT, exportJWK, generateKeyPair } from 'jose';
import type { JWK, JWTPayload } from 'jose';
import { onTestFinished } from 'vitest';

/** A request as the door sees it. */
export function requestOf(
  headers: Readonly<Record<string, string>> = {},
  remoteAddress: string | undefined = '127.0.0.1',
): IncomingMessage {
  const all = { host: '127.0.0.1:4100', ...headers };
  return { headers: all, socket: { remoteAddress } } as unknown as IncomingMessage;
}

/** A request that brings a bearer token. */
export const bearing = (token: string): IncomingMessage =>
  requestOf({ authorization: `Bearer ${token}` });

/** Listens on a free port of loopback until the test ends; gives the server's origin. */
export async function serve(server: Server, scheme = 'http'): Promise<string> {
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  onTestFinished(
    () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  );
  return `${scheme}://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** An HTTP server on loopback. */
export const serveHttp = (handler: RequestListener): Promise<string> =>
  serve(createServer(handler));

/** An authorization server: its metadata, its keys, and tokens of any kind. */
export interface Authority {
  readonly issuer: string;
  /** Requests that came, by path. */
  readonly asked: string[];
  /** Keys that it publishes; may be changed. */
  readonly keys: JWK[];
  /** Takes the place of the metadata. */
  metadata: object | undefined;
  sign(claims?: JWTPayload, header?: { alg?: string; kid?: string; typ?: string }): Promise<string>;
}

/** ms at which the tests of tokens take place. */
export const NOW = 1_790_000_000_000;
export const AUDIENCE = 'https://mcp.example/mcp';

/** Starts an authorization server with one ES256 key, `kid` k1. */
export async function startAuthority(): Promise<Authority> {
  const { publicKey, privateKey } = await generateKeyPair('ES256', { extractable: true });
  const asked: string[] = [];
  const keys: JWK[] = [{ ...(await exportJWK(publicKey)), kid: 'k1', alg: 'ES256' }];
  const issuer = await serveHttp((request, response) => {
    const path = request.url ?? '';
    asked.push(path);
    response.setHeader('content-type', 'application/json');
    if (path === '/keys') response.end(JSON.stringify({ keys }));
    else if (path === '/.well-known/oauth-authorization-server') {
      response.end(JSON.stringify(authority.metadata ?? { issuer, jwks_uri: `${issuer}/keys` }));
    } else response.writeHead(404).end();
  });
  const authority: Authority = {
    issuer,
    asked,
    keys,
    metadata: undefined,
    sign(claims = {}, header = {}) {
      const body = {
        iss: issuer,
        aud: AUDIENCE,
        sub: 'ann',
        scope: 'tool:files/*',
        exp: NOW / 1000 + 600,
        ...claims,
      };
      const given = Object.entries(body).filter(([, value]) => value !== undefined);
      return new SignJWT(Object.fromEntries(given))
        .setProtectedHeader({ alg: 'ES256', kid: 'k1', typ: 'at+jwt', ...header })
        .sign(privateKey);
    },
  };
  return authority;
}
