/**
 * Tells the caller of a call that waits for a person that it does: by progress, if it asked for that.
 * A peer's node hears of it in any case, so that it does not take the silence for a call that is late.
 */
import type { Clock } from '../../core/index.ts';
import type { Principal } from '../../guard/index.ts';
import type { Active } from './call.ts';
import { notificationBytes } from '../wire/frame.ts';
import { printable } from '../../core/index.ts';

/** By which a node tells another that a request of it waits for a person; `requestId` says which. */
export const WAITING_NOTIFICATION = 'notifications/starling/waiting';

/** Below any time after which somebody could take a call for lost. */
const TELL_MS = 1000;

/**
 * Notes that a person is asked about `active`, and tells its caller, at once and then each second, for
 * about `timeoutMs`. Gives what ends that.
 */
export function tellWaiting(
  active: Active,
  { principal, clock }: { readonly principal: Principal; readonly clock: Clock },
  init: { readonly self: string; readonly timeoutMs: number },
): () => void {
  active.askedOf = 'person';
  const message = `waits for an approval by the operator of ${printable(init.self)}`;
  // Progress must grow with every notification, and this stays below what the tool begins with.
  let progress = -Math.ceil(init.timeoutMs / TELL_MS) - 1;
  let cancel: () => void = () => undefined;
  const tell = (): void => {
    const { token, request, reply } = active;
    if (token !== undefined) {
      const params = { progressToken: token, progress, message };
      reply.interim(notificationBytes('notifications/progress', params));
    } else if (principal.kind === 'peer') {
      reply.interim(notificationBytes(WAITING_NOTIFICATION, { requestId: request.id }));
    }
    progress += 1;
    if (progress < 0) cancel = clock.schedule(TELL_MS, tell);
  };
  tell();
  return () => cancel();
}
