/** How a call of this node's own servers tells how far it is. */
import { notificationBytes, parseFrame } from '../wire/frame.ts';
import type { RelayedCall } from '../channel-types.ts';

/**
 * Gives what tells the caller of `call` of its progress, until the call `isOver`; the caller hears nothing where its
 * request named no token for that.
 */
export function progressOf(
  call: Pick<RelayedCall, 'progress'>,
  isOver: () => boolean,
): (progress: number, message?: string, total?: number) => void {
  return (progress, message, total) => {
    const said = {
      progressToken: 0,
      progress,
      ...(total === undefined ? {} : { total }),
      ...(message === undefined ? {} : { message }),
    };
    const frame = parseFrame(notificationBytes('notifications/progress', said));
    if (!isOver() && frame.kind === 'notification') call.progress(frame);
  };
}
