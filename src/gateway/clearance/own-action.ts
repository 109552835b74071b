/** Clears what this node does itself for a caller: whoever may not call the tool that begins it may not have it done. */
import { parseFrame, requestBytes } from '../wire/frame.ts';
import type { ClearedAction, OwnAction } from '../types.ts';
import type { Clearance } from './clearance.ts';

const NO_SESSION = 'none';

/**
 * Lets it be done, once a person has agreed where one must: the same action again waits for the same answer, also after the
 * node was started again. @throws STARLING_CALL_REFUSED, with `state` where a person or the time said no; STARLING_STOPPED
 */
export async function clearAction(
  clearance: Clearance,
  { principal, wanted, args, session, signal, lastsMs, asks }: OwnAction,
): Promise<ClearedAction> {
  const request = parseFrame(
    requestBytes(1, 'tools/call', { name: wanted.resource, arguments: args }),
  );
  if (request.kind !== 'request') throw new TypeError('no request');
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
