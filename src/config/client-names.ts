/** By which names MCP clients are attached to a node, and how the node's own socket is told. */

/** What a person may call a client: 1 to 32 of a-z, 0-9 and `-`. An API key is called so, too. */
export const CLIENT_NAME = /^[a-z0-9][a-z0-9-]{0,31}$/;
/** Says in a message what {@link CLIENT_NAME} takes. */
export const CLIENT_NAME_WORDS = '1 to 32 of a-z, 0-9 and -';
/** Who attaches on this machine without a name. */
export const CLIENT_LOCAL = 'local';
/** Who attaches over TCP without a token. */
export const CLIENT_TCP = 'tcp';

/** Names that nobody is given: what they mean is fixed. */
const RESERVED: readonly string[] = [CLIENT_LOCAL, CLIENT_TCP, 'operator'];

/** The first request on the node's own socket: its sender says in `as` who it is for. */
export const ATTACH_METHOD = 'starling/attach';
/** `as` of the person who owns the node; of a client it is `client:<name>`. */
export const ATTACH_OPERATOR = 'operator';
/** `as` of the same person who keeps looking: no look is counted, and only the first at each thing is on record. */
export const ATTACH_WATCHING = 'watching';
/** What `as` of a client begins with. */
export const ATTACH_CLIENT = 'client:';

/**
 * Key in `experimental` of a client's capabilities: the forms that it shows are those of the calls that it makes,
 * and approvals are for other clients of the operator.
 */
export const CALL_FORMS_ONLY = 'starling/call-forms-only';

/** True for a name that a client may be given. */
export function isFreeClientName(name: string): boolean {
  return CLIENT_NAME.test(name) && !RESERVED.includes(name);
}
