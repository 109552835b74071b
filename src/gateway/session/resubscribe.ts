/**
 * Keeps a session's subscriptions alive over the end of the channel that they were made on: they are made
 * again once the server can be reached, though nobody calls, and the client is told that each resource
 * may have changed meanwhile.
 */
import { createScope, messageOf } from '../../core/index.ts';
import type { Clock, Logger, Scope } from '../../core/index.ts';
import { notificationBytes, parseFrame } from '../wire/frame.ts';
import type { ChannelTable } from './channel-table.ts';
import type { View } from '../catalog/types.ts';
import { subscribe } from './subscribe.ts';
import type { SubscribeComponents } from './subscribe.ts';
import type { Subscriptions } from './subscriptions.ts';

const RETRY_MS = 5000;
const UPDATED = 'notifications/resources/updated';

/** Makes subscriptions again. */
export interface Resubscriber {
  /** The channel to the server of this name, in the table of channels, has ended. */
  lost(server: string): void;
  stop(): void;
}

/** What subscriptions are made again with. */
export interface ResubscriberComponents {
  readonly view: () => View;
  readonly channels: ChannelTable;
  readonly subscriptions: Subscriptions;
  readonly permit: SubscribeComponents['permit'];
  readonly push: (message: Buffer) => void;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Makes the resubscriber of a session. */
export function createResubscriber(components: ResubscriberComponents): Resubscriber {
  const { view, channels, subscriptions, permit, push, clock, logger } = components;
  const lost = new Set<string>();
  let scope: Scope | undefined;
  let isStopped = false;

  const renew = async (server: string): Promise<void> => {
    for (const { uri, theirs, capabilities } of subscriptions.at(server)) {
      const made = { view: view(), channels, subscriptions, permit };
      await subscribe(made, uri, capabilities);
      const message = parseFrame(notificationBytes(UPDATED, { uri: theirs }));
      if (message.kind === 'notification') subscriptions.updated(server, message, push);
    }
    lost.delete(server);
  };
  const renewAll = async (): Promise<void> => {
    for (const server of lost) {
      try {
        await renew(server);
      } catch (error) {
        logger.debug({ server, error: messageOf(error) }, 'not subscribed again yet');
      }
    }
    if (lost.size > 0) return;
    scope?.close();
    scope = undefined;
  };
  return {
    lost(server) {
      if (isStopped || subscriptions.at(server).length === 0) return;
      lost.add(server);
      if (scope !== undefined) return;
      scope = createScope(clock);
      scope.every(RETRY_MS, renewAll);
    },
    stop() {
      isStopped = true;
      scope?.close();
    },
  };
}
