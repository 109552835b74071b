/**
 * The datastore of the DHT, which keeps nothing. Starling asks the DHT where peers are, and for that it has its
 * routing table; but kad-dht takes keys and providers from whoever sends them, and forgets them after days.
 */
import { NotFoundError } from '@libp2p/interface';
import type { kadDHT } from '@libp2p/kad-dht';

type Datastore = Parameters<ReturnType<typeof kadDHT>>[0]['datastore'];

/** A datastore that is empty for ever. Writing to it fails, so that the peer who asked for that is told. */
export function createEmptyDatastore(): Datastore {
  const refuse = (): never => {
    throw new Error('this DHT keeps no records: it only knows where peers are');
  };
  async function* nothing(): AsyncGenerator<never> {
    // There is nothing to be had.
  }
  return {
    has: () => false,
    put: refuse,
    putMany: refuse,
    get() {
      throw new NotFoundError('this DHT keeps no records');
    },
    getMany: nothing,
    delete: () => undefined,
    deleteMany: nothing,
    batch: () => ({ put: refuse, delete: () => undefined, commit: () => undefined }),
    query: nothing,
    queryKeys: nothing,
  };
}
