/** A modern client's call on a legacy server that waits for input of the client (MRTR). */
import type { ChannelCall, RelayedCall } from '../channel-types.ts';

/** A call that waits. */
export interface SuspendedCall {
  /** Key of the principal: nobody else may take the call up. */
  readonly owner: string;
  /** Method and name of the call: a retry must be of the same. */
  readonly subject: string;
  /** Goes on with the retry `call`, which brings the answers. */
  resume(call: RelayedCall): ChannelCall;
}
