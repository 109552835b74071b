/**
 * The words of `/starling/mcp/1`, the protocol by which one node is the MCP client of another: an MCP
 * session of the legacy era in newline-delimited JSON-RPC on a libp2p stream, whose caller is the key
 * of the connection. Grants ride in `initialize`, in its result and in a notification.
 */
import type { Json } from '../../../core/index.ts';

/** The libp2p protocol. */
export const MCP_PROTOCOL = '/starling/mcp/1';
/** Key in `_meta` of `initialize` and its result: grants as JWS texts. */
export const GRANTS_META = 'starling/grants';
/** Key in `_meta` of `initialize`: the one server that the session is for; without it, the catalog. */
export const SERVER_META = 'starling/server';
/**
 * Key in `_meta` of the result of `initialize`, `true`: this node asks for the rights of all those for whom the caller
 * works. Nobody who works for others calls a node that does not.
 */
export const ASKS_ALL_META = 'starling/asks-all';
/**
 * Key in the `experimental` capabilities of a client: it reads structured content, so that a tool of the built-in server
 * gives its answer once, and not again as text and at the top of the result.
 */
export const STRUCTURED_CAPABILITY = 'starling/structured';
/** Notification by which either side tells grants, and the owner revocations, after `initialize`. */
export const GRANTS_NOTIFICATION = 'notifications/starling/grants';
/**
 * Key in `_meta` of a request, `true`: each node on the way tells by progress what the call took there; and of that
 * progress: what it took.
 */
export const TRACE_META = 'starling/trace';
/** Request for what this node's servers list, in a session that is for the catalog. */
export const CATALOG_METHOD = 'starling/catalog';
/**
 * Notification that a request waits for a person, so that the silence is not taken for a late answer.
 * `requestId` names the request; a client on a socket that has said all hears it without one.
 */
export const WAITING_NOTIFICATION = 'notifications/starling/waiting';
/** Grants, or revocations, in one message; what is above is left out. */
export const GRANTS_MAX = 512;

/** The strings of a list that a peer sent, at most {@link GRANTS_MAX}; none when the value is no list. */
export function stringsOf(value: Json | undefined): readonly string[] {
  if (!Array.isArray(value)) return [];
  return value.slice(0, GRANTS_MAX).filter((one) => typeof one === 'string');
}
