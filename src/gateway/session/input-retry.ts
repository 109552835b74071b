/** A request that is made once more, with the answers to what its server has asked (MCP 2026-07-28, `basic/patterns/mrtr`). */
import { StarlingError } from '../../core/index.ts';
import type { JsonObject } from '../../core/index.ts';
import { jsonOfId } from '../wire/frame-id.ts';
import { RPC, parseFrame, requestBytes, rewriteFrame } from '../wire/frame.ts';
import type { RequestFrame, ResponseFrame } from '../frame-types.ts';

/** The request once more, with the answers; what else the server asks for, it asks for again. */
export function retryOf(
  request: RequestFrame,
  { result }: Pick<ResponseFrame, 'result'>,
  inputResponses: JsonObject,
): RequestFrame {
  const state = result?.['requestState'];
  const added = {
    inputResponses,
    ...(typeof state === 'string' ? { requestState: state } : {}),
  };
  const { requestState, inputResponses: before, ...params } = request.params;
  if (requestState === undefined && before === undefined) {
    return requestOf(rewriteFrame(request, { params: added }));
  }
  const id = jsonOfId(request.id);
  return requestOf(
    requestBytes(typeof id === 'number' ? id : String(id), request.method, { ...params, ...added }),
  );
}

/** Reads a request of this node's own making. @throws STARLING_PROTOCOL_VIOLATION */
export function requestOf(bytes: Buffer): RequestFrame {
  const frame = parseFrame(bytes);
  if (frame.kind === 'request') return frame;
  throw new StarlingError('STARLING_PROTOCOL_VIOLATION', 'this is no request', {
    data: { rpc: RPC.invalidRequest },
  });
}
