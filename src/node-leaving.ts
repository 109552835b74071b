/** A running node leaves its mesh: it ends what it gave, says so to the members, and forgets them. */
import type { EventEmitter } from 'node:events';
import type { LeaveResult } from './builtin/index.ts';
import { noteMeshLeft } from './config/index.ts';
import { messageOf, settledWithin } from './core/index.ts';
import { endGrants } from './leaving.ts';
import type { Network } from './network/index.ts';
import type { NodeEvents } from './node-wiring.ts';
import { meshOf } from './open-state.ts';
import type { Base, OpenState } from './open-state.ts';

/** How long the members have to hear of it: who has heard ends the connection. */
const GOODBYE_MS = 2000;
/** How long the answer to the command has to get out before the node is told to end. */
const ANSWER_MS = 250;

/** The node's way out of its mesh, with a goodbye to whoever is connected. */
export interface Leaving {
  /** Leaves the mesh; `events` tell it, and whoever hears that stops the node. */
  leave(events: EventEmitter<NodeEvents>): Promise<LeaveResult>;
}

/** Nothing happens before `leave`. */
export function createLeaving(
  { clock, config, logger }: Base,
  state: OpenState,
  network: Pick<Network, 'connected' | 'events'>,
): Leaving {
  const { grants, members, ownMesh } = state;

  /** Until no peer is connected any more, at the most {@link GOODBYE_MS}. */
  const untilAlone = async (): Promise<void> => {
    let look = (): void => undefined;
    const alone = new Promise<void>((resolve) => {
      look = () => {
        if (network.connected().length === 0) resolve();
      };
      network.events.on('peer:disconnect', look);
      look();
    });
    await settledWithin(GOODBYE_MS, alone, clock);
    network.events.off('peer:disconnect', look);
  };

  return {
    async leave(events) {
      const mesh = meshOf(state);
      const told = network.connected().length;
      const ended = await endGrants(grants);
      await members.sayGoodbye();
      await ownMesh.leave();
      await noteMeshLeft(config.stateDir).catch((error: unknown) =>
        logger.warn({ error: messageOf(error) }, 'the state folder could not be noted'),
      );
      await untilAlone();
      // Whoever asked for it hears the answer before the node ends.
      clock.schedule(ANSWER_MS, () => events.emit('left', mesh));
      return { mesh: mesh.name, fingerprint: mesh.fingerprint, grants: ended.length, told };
    },
  };
}
