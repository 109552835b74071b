/** A request of a session that is under way. */
import type { GuardWanted } from '../../guard/index.ts';
import type { ClearedCall } from '../clearance/clearance.ts';
import type { Era } from '../wire/era.ts';
import type { Reply } from './types.ts';
import type { Listener } from './subscriptions.ts';
import type { FrameId, ChannelCall, RelayedCall, RequestFrame } from '../types.ts';

/** A request under way. */
export interface Active {
  readonly key: unknown;
  readonly request: RequestFrame;
  readonly reply: Reply;
  readonly era: Era;
  readonly token: FrameId | undefined;
  wanted?: GuardWanted | undefined;
  /** Who was asked about just this call: the guard alone, or a person as well, who may not have answered. */
  askedOf?: 'guard' | 'person' | undefined;
  /** What is told when it is over; there once it may be made. */
  cleared?: ClearedCall | undefined;
  /** Made when somebody waits for more than the server. */
  abort?: AbortController;
  /** The channel that it is on, by its name in the table. */
  server?: string;
  call?: ChannelCall;
  /** What the channel knows it by. */
  relayed?: RelayedCall;
  listener?: Listener;
}
