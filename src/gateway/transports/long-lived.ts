/** Connections that outlive the check that let them in: cut when what they showed holds no longer. */
import type { Clock } from '../../core/index.ts';
import type { Entrance } from '../door/types.ts';

/** Keeps connections by the entrances that they came by. */
export interface LongLivedConnections {
  /** Cuts `connection` when its entrance ends. Returns what to call when it is over. */
  keep(connection: { destroy(): unknown }, entrance: Entrance): () => void;
  /** Cuts all that came by `entrance`. */
  evict(entrance: string): void;
}

/** Makes the keeper. */
export function createLongLivedConnections(clock: Clock): LongLivedConnections {
  const owners = new Map<{ destroy(): unknown }, string>();
  return {
    keep(connection, { id, expiresAt }) {
      owners.set(connection, id);
      const cancel =
        expiresAt === undefined
          ? undefined
          : clock.schedule(Math.max(0, expiresAt - clock.now()), () => connection.destroy());
      return () => {
        cancel?.();
        owners.delete(connection);
      };
    },
    evict(entrance) {
      for (const [connection, owner] of owners) if (owner === entrance) connection.destroy();
    },
  };
}
