/** Clears what this node does itself for a caller: whoever may not call the tool that begins it may not have it done. */
import type { ClearedAction, OwnAction } from '../types.ts';
import { knowArguments } from './call-arguments.ts';
import type { Clearance } from './clearance.ts';

const NO_SESSION = 'none';
/** Nobody is sent the request. */
const NOT_SENT = Buffer.from('{}');

/**
 * Lets it be done, once a person has agreed where one must: the same action again waits for the same answer, also after the
 * node was started again. @throws STARLING_CALL_REFUSED, with `state` where a person or the time said no; STARLING_STOPPED
 */
export async function clearAction(
  clearance: Clearance,
  { principal, wanted, args, session, signal, lastsMs, asks }: OwnAction,
): Promise<ClearedAction> {
  const params = { name: wanted.resource, arguments: args };
  const method = 'tools/call';
  const request = { kind: 'request', id: 1, method, params, bytes: NOT_SENT } as const;
  knowArguments(request, args);
  return clearance.clear({
    principal,
    request,
    wanted,
    isLasting: true,
    lastsMs,
    session: session ?? NO_SESSION,
    signal: () => signal,
    waits(timeoutMs) {
      asks(timeoutMs);
      return () => undefined;
    },
  });
}
