/** What the channels to a server of this node ask of what runs it. */
import type { UsableServer } from '../../../config/index.ts';
import type { Clock, Logger, StarlingError } from '../../../core/index.ts';
import type { SuspendedCall } from '../suspended-call.ts';
import type { InstanceNeeds } from './instance-needs.ts';
import type { Instance } from './instance.ts';
import type { KnownEras } from '../known-eras.ts';

/** The instances of one server, as channels use them. */
export interface ServerInstances {
  readonly server: string;
  readonly config: UsableServer;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly eras: Pick<KnownEras, 'lacks' | 'epoch'>;
  /** False until the server has been listed for the first time. */
  readonly hasBeenReady: boolean;
  /** What a call is told that has waited long for a server that has never been ready: since when, and what it last wrote. */
  stillStarting(): StarlingError;
  /** Whether the server does this tool as a task only. */
  isTaskOnly(tool: unknown): boolean;
  /** Calls of modern clients that wait for input, by the handle in their `requestState`. */
  readonly suspended: Map<string, SuspendedCall>;
  /** Keys of instances that one modern call has to itself. */
  readonly exclusive: Set<string>;
  /**
   * The running instance of `needs.key`, or a new one.
   * @throws STARLING_UPSTREAM_UNAVAILABLE, STARLING_LIMIT_EXCEEDED
   */
  acquire(needs: InstanceNeeds): Instance | Promise<Instance>;
  /** Ends the instance of `key`: nobody will ask for it again. */
  dismiss(key: string): void;
}
