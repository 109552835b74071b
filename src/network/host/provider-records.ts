/**
 * What the DHT of this node keeps: who says that it provides what, and nothing else. kad-dht would take keys and
 * values from whoever sends them, and forget them after days; here a record ends by itself, and a peer has few.
 */
import { NotFoundError } from '@libp2p/interface';
import type { kadDHT } from '@libp2p/kad-dht';
import {
  PROVIDER_RECORDS_MAX,
  PROVIDER_RECORDS_PER_PEER,
  PROVIDER_RECORD_MS,
} from '../constants.ts';

type Datastore = Parameters<ReturnType<typeof kadDHT>>[0]['datastore'];
type Key = Parameters<Datastore['put']>[0];

/** Ends the stream of who asked for it: see `limits/service-pace.ts`, which knows errors of libp2p by name. */
class RefusedRecordError extends Error {
  override readonly name = 'RefusedRecordError';

  constructor() {
    super('this DHT keeps no values: it knows where peers are, and who provides what');
  }
}

/** As kad-dht writes them: `/dht/provider/<what>/<who>`. */
const PROVIDER_KEY = /^\/dht\/provider\/[^/]+\/([^/]+)$/;

interface Kept {
  readonly key: Key;
  readonly value: Uint8Array;
  readonly who: string;
  readonly until: number;
}

/** A datastore of provider records. Writing anything else fails, so that the peer who asked for that is told. */
export function createProviderRecords(now: () => number): Datastore {
  const kept = new Map<string, Kept>();
  /** The keys of each who provides something, the oldest first: to count them costs the same however many others have. */
  const byWho = new Map<string, Set<string>>();
  const drop = (text: string): void => {
    const who = kept.get(text)?.who;
    kept.delete(text);
    if (who === undefined) return;
    const own = byWho.get(who);
    own?.delete(text);
    if (own?.size === 0) byWho.delete(who);
  };
  const refuse = (): never => {
    throw new RefusedRecordError();
  };
  const dropOld = (): void => {
    for (const [text, { until }] of kept) if (until <= now()) drop(text);
  };
  const put = (key: Key, value: Uint8Array): Key => {
    const text = key.toString();
    const who = PROVIDER_KEY.exec(text)?.[1];
    if (who === undefined) return refuse();
    drop(text);
    if (kept.size >= PROVIDER_RECORDS_MAX) dropOld();
    // Whoever says more than its share loses what it said first; others lose nothing by it.
    const [oldest] = byWho.get(who) ?? [];
    const isFull = (byWho.get(who)?.size ?? 0) >= PROVIDER_RECORDS_PER_PEER;
    if (isFull && oldest !== undefined) drop(oldest);
    if (kept.size >= PROVIDER_RECORDS_MAX) return refuse();
    kept.set(text, { key, value, who, until: now() + PROVIDER_RECORD_MS });
    byWho.set(who, (byWho.get(who) ?? new Set()).add(text));
    return key;
  };
  async function* query({ prefix = '' }: { readonly prefix?: string }): AsyncGenerator<{
    readonly key: Key;
    readonly value: Uint8Array;
  }> {
    dropOld();
    for (const [text, { key, value }] of kept) {
      if (text.startsWith(prefix)) yield { key, value };
    }
  }
  async function* nothing(): AsyncGenerator<never> {
    // There is nothing to be had.
  }
  return {
    has: (key) => kept.has(key.toString()),
    put,
    putMany: refuse,
    get(key) {
      const record = kept.get(key.toString());
      if (record !== undefined && record.until > now()) return record.value;
      throw new NotFoundError('this DHT keeps no such record');
    },
    getMany: nothing,
    delete: (key) => drop(key.toString()),
    deleteMany: nothing,
    batch: () => ({ put: refuse, delete: () => undefined, commit: () => undefined }),
    query,
    queryKeys: nothing,
  };
}
