/**
 * Many small texts under one signature: the hashes of all are the leaves of a tree (Merkle 1987), whose root is signed as a
 * compact JWS. Each text goes alone, with its way to the root, and is proven by that; who gets many of them looks at the
 * signature once. Leaves and nodes are hashed apart (RFC 6962 section 2.1), so that no node passes for a text.
 */
import { hash } from 'node:crypto';
import { StarlingError, isObject } from '../core/index.ts';
import type { Did } from '../core/index.ts';
import {
  JWS_BYTES_MAX,
  decodeBase64url,
  decodeJsonPart,
  decodeJws,
  encodeJws,
  malformedAs,
} from './jws.ts';
import type { DecodedJws } from './jws.ts';
import type { Signer } from './types.ts';

/** Texts under one signature; more of them would lengthen each by 43 characters. */
export const BATCH_MAX = 32;
const HASH_BYTES = 32;
const DEPTH_MAX = Math.log2(BATCH_MAX);
const LEAF = '\0';
/** What is hashed of two nodes, made once: who gets many texts hashes five pairs for each. */
const pair = Buffer.alloc(1 + 2 * HASH_BYTES, 1);
/** Roots whose signatures were found to hold. */
const ROOTS_MAX = 4096;

/** Signs 1 to {@link BATCH_MAX} claims at once; each text is `<payload>.<way>.<JWS of the root>`. */
export function encodeBatch(
  signer: Signer,
  typ: string,
  all: readonly object[],
  what?: string,
): readonly string[] {
  const payloads = all.map((claims) =>
    Buffer.from(JSON.stringify(claims), 'utf8').toString('base64url'),
  );
  const ways = payloads.map((): Buffer[] => []);
  let level = payloads.map((payload, at) => ({ hash: leafOf(payload), below: [at] }));
  while (level.length > 1) {
    const above: typeof level = [];
    for (let at = 0; at < level.length; at += 2) {
      const [left, right] = [level[at], level[at + 1]];
      if (left === undefined) break;
      if (right === undefined) {
        above.push(left);
        continue;
      }
      for (const one of left.below) ways[one]?.push(right.hash);
      for (const one of right.below) ways[one]?.push(left.hash);
      above.push({
        hash: nodeOf(left.hash, right.hash),
        below: [...left.below, ...right.below],
      });
    }
    level = above;
  }
  const root = level[0]?.hash.toString('base64url') ?? '';
  const signed = encodeJws(signer, typ, { iss: signer.did, root }, what);
  return payloads.map(
    (payload, at) => `${payload}.${Buffer.concat(ways[at] ?? []).toString('base64url')}.${signed}`,
  );
}

/** Whether the text says that it is one of several under one signature; nothing else is looked at. */
export function isBatched(text: string): boolean {
  let dots = 0;
  for (let at = text.indexOf('.'); at !== -1 && dots <= 4; at = text.indexOf('.', at + 1)) {
    dots += 1;
  }
  return dots === 4;
}

/** Reads one of the texts; `typ` is that of the root. @throws STARLING_GRANT_MALFORMED */
export function decodeBatched(text: string, typ: string, what: string): DecodedJws {
  const malformed = malformedAs(what);
  if (text.length > JWS_BYTES_MAX) {
    throw malformed('too-large', `it is longer than ${JWS_BYTES_MAX} bytes`);
  }
  const [payload = '', path = '', ...signed] = text.split('.');
  const way = path === '' ? Buffer.alloc(0) : decodeBase64url(path, 'way', what);
  if (way.length % HASH_BYTES !== 0 || way.length > DEPTH_MAX * HASH_BYTES) {
    throw malformed('format', 'its way to the root is none');
  }
  return {
    payload: decodeJsonPart(payload, 'payload', what),
    verify(did) {
      let found = leafOf(payload);
      for (let at = 0; at < way.length; at += HASH_BYTES) {
        found = nodeOf(found, way.subarray(at, at + HASH_BYTES));
      }
      if (rootOf(signed.join('.'), typ, did, what) === found.toString('base64url')) return;
      throw new StarlingError('STARLING_GRANT_INVALID', `the text is not one that ${did} signed`, {
        data: { rule: 'signature', iss: did },
      });
    },
  };
}

/** Roots whose signatures hold, by who signed and by the signed text; the oldest first. */
const roots = new Map<string, string>();

/** @throws STARLING_GRANT_MALFORMED, STARLING_GRANT_INVALID */
function rootOf(jws: string, typ: string, did: Did, what: string): string {
  const key = `${typ} ${did} ${jws}`;
  const known = roots.get(key);
  if (known !== undefined) return known;
  const decoded = decodeJws(jws, typ, what);
  const claims = decoded.payload;
  const { iss, root } = isObject(claims) ? claims : {};
  if (iss !== did || typeof root !== 'string') {
    throw malformedAs(what)('claims', 'its root is not one of who signs it');
  }
  decoded.verify(did);
  const [oldest] = roots.size < ROOTS_MAX ? [] : roots.keys();
  if (oldest !== undefined) roots.delete(oldest);
  roots.set(key, root);
  return root;
}

function leafOf(payload: string): Buffer {
  return hash('sha256', LEAF + payload, 'buffer');
}

/** The same for both orders, so that a way needs no sides. */
function nodeOf(one: Buffer, other: Buffer): Buffer {
  const [first, second] = Buffer.compare(one, other) < 0 ? [one, other] : [other, one];
  pair.set(first, 1);
  pair.set(second, 1 + HASH_BYTES);
  return hash('sha256', pair, 'buffer');
}
