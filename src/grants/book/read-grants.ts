/** Reads grants that came together from elsewhere, each signature once, and sorts them. */
import type { Did } from '../../core/index.ts';
import { parseGrant, refusalOf } from '../format/grant.ts';
import type { Grant, Refusal } from '../types.ts';

/** Grants read at once, parents included. */
const BATCH_MAX = 1024;
/** Texts whose signature was found good, kept so that it is not checked again. */
const PARSED_MAX = 1024;

/** Grants that came together. */
export interface Batch {
  /** Why some are no use. */
  readonly refusals: readonly Refusal[];
  readonly byHash: ReadonlyMap<string, Grant>;
  /** Those that are addressed to the holder, by whichever of its keys. The others are parents. */
  readonly leaves: readonly Grant[];
}

/** Reads grants that came together. */
export interface BatchReader {
  /** How many texts were verified so far, found good or not; those that it remembers are not verified again. */
  readonly verified: number;
  /** `holders` is the key of whom they are for, and those before it. */
  read(texts: readonly string[], holders: readonly Did[]): Batch;
}

/** Makes a reader that remembers which texts it has verified, the last 1024 of them. */
export function createBatchReader(): BatchReader {
  const parsed = new Map<string, Grant>();
  let verified = 0;

  const parse = (jws: string): Grant => {
    const known = parsed.get(jws);
    if (known !== undefined) return known;
    verified += 1;
    const grant = parseGrant(jws);
    const [oldest] = parsed.keys();
    if (parsed.size >= PARSED_MAX && oldest !== undefined) parsed.delete(oldest);
    parsed.set(jws, grant);
    return grant;
  };

  const read: BatchReader['read'] = (texts, holders) => {
    const refusals: Refusal[] = [];
    const byHash = new Map<string, Grant>();
    if (texts.length > BATCH_MAX) {
      refusals.push({ rule: 'limit', text: `no more than ${BATCH_MAX} grants are read at once` });
    }
    for (const jws of texts.slice(0, BATCH_MAX)) {
      try {
        const grant = parse(jws);
        byHash.set(grant.hash, grant);
      } catch (error) {
        refusals.push(refusalOf(error));
      }
    }
    const grants = [...byHash.values()];
    const named = new Set(grants.flatMap((grant) => grant.claims.prf ?? []));
    for (const { hash, claims } of grants) {
      if (holders.includes(claims.aud) || named.has(hash)) continue;
      refusals.push({ rule: 'audience', text: `it is for ${claims.aud}, not for ${holders[0]}` });
    }
    return {
      refusals,
      byHash,
      leaves: grants.filter(({ claims }) => holders.includes(claims.aud)),
    };
  };
  return {
    read,
    get verified() {
      return verified;
    },
  };
}
