/** Connections that outlive the check that let them in: cut when what they showed holds no longer. */
import type { Clock } from '../../core/index.ts';
import type { Credential } from '../door/types.ts';

/** Keeps connections by the credentials that they came by. */
export interface LongLivedConnections {
  /** Cuts `connection` when its credential ends. Returns what to call when it is over. */
  keep(connection: { destroy(): unknown }, credential: Credential): () => void;
  /** Cuts all that came by `credential`. */
  evict(credential: string): void;
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
    evict(credential) {
      for (const [connection, owner] of owners) if (owner === credential) connection.destroy();
    },
  };
}
