/** Small parts of both bridges: calls that are changed in part, and responses of our own. */
import type { JsonObject } from '../../../core/index.ts';
import { parseFrame, resultBytes } from '../../wire/frame.ts';
import type { ChannelCall, RelayedCall } from '../../channel-types.ts';
import type { ResponseFrame } from '../../frame-types.ts';

/** `call` as a plain object, to be changed in part: calls may be objects whose methods need their `this`. */
export function relayedWith(call: RelayedCall): RelayedCall {
  return {
    request: call.request,
    principal: call.principal,
    ...(call.session === undefined ? {} : { session: call.session }),
    ...(call.edits === undefined ? {} : { edits: call.edits }),
    ...(call.timeoutMs === undefined ? {} : { timeoutMs: call.timeoutMs }),
    response: (frame) => call.response(frame),
    progress: (frame) => call.progress(frame),
    notification: (frame) => call.notification(frame),
    failed: (error) => call.failed(error),
  };
}

/** A call that is over: there is nothing to cancel. */
export const OVER: ChannelCall = { cancel: () => undefined };

/** Answers `call` ourselves, after whoever relayed the call has its handle. */
export function answered(call: RelayedCall, result: JsonObject): ChannelCall {
  queueMicrotask(() => call.response(responseOf(resultBytes(call.request.id, result))));
  return OVER;
}

/** A response of our own making, parsed. */
export function responseOf(bytes: Buffer): ResponseFrame {
  const frame = parseFrame(bytes);
  if (frame.kind !== 'response') throw new TypeError('not a response');
  return frame;
}
