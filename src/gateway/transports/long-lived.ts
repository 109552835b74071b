/** Connections that outlive the check that let them in: cut when the credential that they came by ends. */
import type { Clock } from '../../core/index.ts';
import type { Credential } from '../door/types.ts';

/** A connection, as far as it can be cut. */
export interface Cuttable {
  destroy(): unknown;
}

/** Keeps connections by the credentials that they came by. */
export interface LongLivedConnections {
  /** Cuts `connection` when its credential expires. Returns what to call when the connection is over. */
  keep(connection: Cuttable, credential: Credential): () => void;
  /** The client of `connection` has shown another credential: the one that expires last counts. */
  renew(connection: Cuttable, credential: Credential): void;
  /** Cuts all that came by the credential of this id. */
  evict(credentialId: string): void;
}

interface Kept {
  readonly credentialId: string;
  expiresAt: number;
  cancel: () => void;
}

/** Makes the keeper. */
export function createLongLivedConnections(clock: Clock): LongLivedConnections {
  const kept = new Map<Cuttable, Kept>();
  const cutAt = (connection: Cuttable, expiresAt: number): (() => void) =>
    expiresAt === Infinity
      ? () => undefined
      : clock.schedule(Math.max(0, expiresAt - clock.now()), () => connection.destroy());
  return {
    keep(connection, { id, expiresAt = Infinity }) {
      const cancel = cutAt(connection, expiresAt);
      kept.set(connection, { credentialId: id, expiresAt, cancel });
      return () => {
        kept.get(connection)?.cancel();
        kept.delete(connection);
      };
    },
    renew(connection, { expiresAt = Infinity }) {
      const known = kept.get(connection);
      if (known === undefined || expiresAt <= known.expiresAt) return;
      known.cancel();
      known.expiresAt = expiresAt;
      known.cancel = cutAt(connection, expiresAt);
    },
    evict(id) {
      for (const [connection, { credentialId }] of kept) {
        if (credentialId === id) connection.destroy();
      }
    },
  };
}
