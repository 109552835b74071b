/**
 * A short word for all that the node's servers offer: peers ask for the catalog anew when the word is another. All
 * members hear it, so that it is made with a secret of the run: whoever guesses what is offered to somebody else alone,
 * a name or a whole list, can't tell by it that the guess is right.
 */
import { createHash, createHmac, randomBytes } from 'node:crypto';
import { BUILTIN_SERVER } from '../../core/index.ts';
import type { ServerCatalog } from '../../directory/index.ts';
import type { Upstreams } from '../types.ts';

/** The digest of the catalogs of all servers but the built-in one, as of now. */
export interface CatalogDigest {
  /** 16 hexadecimal digits. */
  current(): string;
  /** Calls `listener` after each change; gives how to end that. */
  onChange(listener: () => void): () => void;
  /** Listens to the servers no more. */
  stop(): void;
}

/** The digest of a node that offers nothing but its built-in server. */
export const NOTHING_OFFERED = createHash('sha256').digest('hex').slice(0, 16);

/** Bytes that nobody else knows, new in each run. */
const SECRET_BYTES = 32;

/** Follows the catalogs of `upstreams`. */
export function createCatalogDigest(upstreams: Pick<Upstreams, 'all' | 'events'>): CatalogDigest {
  const listeners = new Set<() => void>();
  /** Digests of the catalogs of single servers, made once for each: catalogs are large, and seldom change. */
  const digests = new WeakMap<ServerCatalog, Buffer>();
  const secret = randomBytes(SECRET_BYTES);
  let last = '';

  const digestOf = (catalog: ServerCatalog): Buffer => {
    const known = digests.get(catalog);
    if (known !== undefined) return known;
    const digest = createHash('sha256').update(JSON.stringify(catalog)).digest();
    digests.set(catalog, digest);
    return digest;
  };

  const digestOfAll = (): string => {
    const offered = upstreams.all().filter(({ server }) => server !== BUILTIN_SERVER);
    if (offered.length === 0) return NOTHING_OFFERED;
    const hash = createHmac('sha256', secret);
    for (const upstream of offered) hash.update(digestOf(upstream.catalog()));
    return hash.digest('hex').slice(0, 16);
  };

  const compare = (): void => {
    const digest = digestOfAll();
    if (digest === last) return;
    last = digest;
    for (const listener of listeners) listener();
  };

  upstreams.events.on('change', compare);
  return {
    current() {
      if (last === '') last = digestOfAll();
      return last;
    },
    onChange(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    stop: () => {
      upstreams.events.off('change', compare);
    },
  };
}
