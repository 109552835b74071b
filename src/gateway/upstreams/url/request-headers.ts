/** Which header wins on a request to a server at a URL, where several parts name the same one. Pure. */
import type { Secret } from '../../../core/index.ts';

/**
 * The headers of one request, with lower-case names. Of a name that several parts give, the last of these
 * wins, whatever the case it is written in:
 *
 * 1. `configured`: `mcpServers.<name>.headers`. Where the config has one name in two cases (`X-A` and
 *    `x-a`), the later line wins, and a remark says so beside the server (`config/servers/mcp-servers.ts`).
 * 2. `own`: what the transport says of this request (`content-type`, `mcp-session-id`, …).
 * 3. `authorization`, from the token of the login. The config refuses to have `headers.Authorization`
 *    beside `oauth`, so that this hides nothing that a person wrote.
 *
 * `http-exchange.ts` adds what only the connection knows: `accept-encoding` and `content-length`.
 */
export function requestHeaders(
  configured: Readonly<Record<string, Secret>>,
  own: Readonly<Record<string, string>>,
  token: Secret | undefined,
): Readonly<Record<string, string>> {
  return {
    ...Object.fromEntries(
      Object.entries(configured).map(([name, secret]) => [name.toLowerCase(), secret.reveal()]),
    ),
    ...Object.fromEntries(Object.entries(own).map(([name, value]) => [name.toLowerCase(), value])),
    ...(token === undefined ? {} : { authorization: `Bearer ${token.reveal()}` }),
  };
}
