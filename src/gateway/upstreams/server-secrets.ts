/** The secrets in the configuration of upstream servers: bound to a lookup, revealed at a start, compared. */
import type { McpServer } from '../../config/index.ts';
import { Secret, StarlingError } from '../../core/index.ts';
import type { SecretStore } from '../../secrets/index.ts';

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
 * @throws STARLING_SECRET_MISSING when a secret is not set, STARLING_SECRET_INVALID when one can't stand where it is used
 */
export function revealedServer<Server extends McpServer>(name: string, server: Server): Server {
  try {
    return mapSecrets(server, (secret) => new Secret(secret.reveal()));
  } catch (error) {
    if (!(error instanceof StarlingError)) throw error;
    const { code, message, hint = 'see: starling secret list' } = error;
    const data = { ...error.data, server: name };
    throw new StarlingError(code, `server '${name}' can't start: ${message}`, { hint, data });
  }
}

/** True when two servers are configured alike, down to what their secrets are now. */
export function sameServer(one: McpServer, other: McpServer): boolean {
  return written(one) === written(other);
}

/** True for an error by which a secret keeps a server from starting. */
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
function mapSecrets<Server extends McpServer>(
  server: Server,
  map: (secret: Secret, part: 'env' | 'headers' | 'oauth' | 'tls') => Secret,
): Server {
  const all = (part: 'env' | 'headers', secrets: Readonly<Record<string, Secret>>) =>
    Object.fromEntries(Object.entries(secrets).map(([key, secret]) => [key, map(secret, part)]));
  if (server.type === 'stdio') return { ...server, env: all('env', server.env) };
  if (server.type === 'unusable') return server;
  const { oauth, tls } = server;
  const secret = oauth?.clientSecret;
  return {
    ...server,
    headers: all('headers', server.headers),
    ...(oauth === undefined || secret === undefined
      ? {}
      : { oauth: { ...oauth, clientSecret: map(secret, 'oauth') } }),
    ...(tls?.key === undefined ? {} : { tls: { ...tls, key: map(tls.key, 'tls') } }),
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
