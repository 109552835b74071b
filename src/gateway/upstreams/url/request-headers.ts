/** The headers of a request to a server at a URL: which wins where several parts name the same one, and the trace. Pure. */
import type { JsonObject, Secret } from '../../../core/index.ts';
import { metaOf } from '../../wire/era.ts';
import { parseFrame } from '../../wire/frame.ts';
import { TRACEPARENT, readTraceParent } from '../../wire/trace-parent.ts';

const TRACE_KEY = Buffer.from(`"${TRACEPARENT}"`);
/** Printable ASCII, of a length that all must hand on (W3C Trace Context §3.3). */
const TRACESTATE = /^[\x20-\x7e]{1,512}$/;

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

/** The trace that a message names in `_meta`, in the headers of W3C Trace Context for whatever stands before the server. */
export function traceHeadersOf(message: Buffer): Readonly<Record<string, string>> {
  // Most messages have none, and are not read again to learn that.
  if (!message.includes(TRACE_KEY)) return {};
  const frame = parseFrame(message);
  return frame.kind === 'response' ? {} : traceHeadersIn(frame.params);
}

function traceHeadersIn(params: JsonObject): Readonly<Record<string, string>> {
  const { [TRACEPARENT]: parent, tracestate } = metaOf(params);
  if (typeof parent !== 'string' || readTraceParent(parent) === undefined) return {};
  const isState = typeof tracestate === 'string' && TRACESTATE.test(tracestate);
  return { [TRACEPARENT]: parent, ...(isState ? { tracestate } : {}) };
}
