/** How a call of this node's own servers tells how far it is. */
import { notificationBytes, parseFrame } from '../wire/frame.ts';
import type { RelayedCall } from '../channel-types.ts';

/**
 * Gives what tells the caller of `call` of its progress, until `signal` is aborted; the caller hears nothing where its
 * request named no token for that.
 */
export function progressOf(
  call: Pick<RelayedCall, 'progress'>,
  signal: AbortSignal,
): (progress: number, message?: string, total?: number) => void {
  return (progress, message, total) => {
    const said = {
      progressToken: 0,
      progress,
      ...(total === undefined ? {} : { total }),
      ...(message === undefined ? {} : { message }),
    };
    const frame = parseFrame(notificationBytes('notifications/progress', said));
    if (!signal.aborted && frame.kind === 'notification') call.progress(frame);
  };
}
