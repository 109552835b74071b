/** A session of one request, for callers that have no session of MCP. */
import { VERSION } from '../../core/index.ts';
import type { JsonObject } from '../../core/index.ts';
import type { Session } from '../session/types.ts';
import { META, MODERN_VERSIONS } from '../wire/era.ts';
import { parseFrame } from '../wire/frame.ts';
import { NO_REPLY } from '../wire/reply.ts';

/** How sessions of one request are opened and ended. */
export interface OneCallComponents {
  /** Opens the session. @throws STARLING_LIMIT_EXCEEDED */
  open(this: void): Session;
  ended(this: void, session: Session): void;
}

/** Hears what becomes of the request; exactly one of the two, once. */
export interface OneCallReply {
  /** The answer, as a message of JSON-RPC. */
  final(message: Buffer): void;
  /** There will be no answer. */
  dropped(): void;
}

/**
 * Makes one request; `params` are members of its params as JSON text, `meta` of its `_meta`. Gives what ends the session, which the caller
 * calls when it has the answer or wants none. @throws STARLING_LIMIT_EXCEEDED, STARLING_PROTOCOL_VIOLATION
 */
export function startOneCall(
  { open, ended }: OneCallComponents,
  {
    method,
    params,
    meta = {},
  }: { readonly method: string; readonly params: string; readonly meta?: JsonObject },
  reply: OneCallReply,
): () => void {
  const said = `"_meta":${JSON.stringify({ ...CLIENT, ...meta })}`;
  const request = `{"jsonrpc":"2.0","id":1,"method":"${method}","params":{${params},${said}}}`;
  const frame = parseFrame(Buffer.from(request));
  const session = open();
  let isOver = false;
  const end = (): void => {
    if (isOver) return;
    isOver = true;
    session.end();
    ended(session);
  };
  session.receive(frame, {
    ...NO_REPLY,
    final: (message) => reply.final(message),
    dropped: () => reply.dropped(),
  });
  return end;
}

const CLIENT: JsonObject = {
  [META.protocolVersion]: MODERN_VERSIONS[0],
  [META.clientCapabilities]: {},
  [META.clientInfo]: { name: 'http', version: VERSION },
};
