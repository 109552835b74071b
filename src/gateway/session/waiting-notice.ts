/**
 * Tells the caller of a call that waits for a person that the call waits: by progress, if the caller
 * asked for progress. A peer's node hears of the wait in any case, so that it does not take the silence
 * for a call that is late.
 */
import { printable } from '../../core/index.ts';
import type { Clock } from '../../core/index.ts';
import { jsonOfId } from '../wire/frame-id.ts';
import { notificationBytes, parseFrame, rewriteFrame } from '../wire/frame.ts';
import { WAITING_NOTIFICATION } from '../wire/peers/peer-protocol.ts';
import type { Reply } from '../wire/reply.ts';
import type { FrameId } from '../frame-types.ts';

/** Below any time after which somebody could take a call for lost. */
const TELL_MS = 1000;

/** As much of a call as is needed to tell its client that a person is asked. */
export interface WaitingCall {
  readonly request: { readonly id: FrameId };
  /** The caller's progress token. */
  readonly token: FrameId | undefined;
  readonly reply: Pick<Reply, 'interim'>;
}

/** Who is told, for how long, and by whom. */
export interface WaitingNoticeInit {
  readonly clock: Clock;
  /** This node's name. */
  readonly self: string;
  /** How long a person may take. */
  readonly timeoutMs: number;
  /** The caller is a peer's node, which can tell its own caller. */
  readonly isPeer: boolean;
}

/** Tells the caller of `call` at once and then each second, for about `timeoutMs`. Gives what stops the telling. */
export function tellWaiting(
  { request, token, reply }: WaitingCall,
  { clock, self, timeoutMs, isPeer }: WaitingNoticeInit,
): () => void {
  const message = `waits for an approval by the operator of ${printable(self)}`;
  // Progress must grow with every notification, and stays below what the tool begins with.
  let progress = -Math.ceil(timeoutMs / TELL_MS) - 1;
  let cancel: () => void = () => undefined;
  const tell = (): void => {
    if (token !== undefined) {
      const told = parseFrame(
        notificationBytes('notifications/progress', { progressToken: 0, progress, message }),
      );
      reply.interim(rewriteFrame(told, { progressToken: token }));
    } else if (isPeer) {
      reply.interim(notificationBytes(WAITING_NOTIFICATION, { requestId: jsonOfId(request.id) }));
    }
    progress += 1;
    if (progress < 0) cancel = clock.schedule(TELL_MS, tell);
  };
  tell();
  return () => cancel();
}
