/**
 * A succession: a key says which key takes its place, and the new key agrees. A compact JWS of a typ of
 * its own, signed by the old key; `proof` is the new key's signature over all that it says. It also
 * lists what the old key had issued by then, so that nobody who gets hold of it later can add to that.
 */
import { createHash, randomBytes as systemRandomBytes } from 'node:crypto';
import { StarlingError, isObject } from '../../core/index.ts';
import type { Did } from '../../core/index.ts';
import {
  decodeBase64url,
  decodeJws,
  encodeJws,
  malformedAs,
  parseDid,
  verifySignature,
} from '../../identity/index.ts';
import type { Signer } from '../../identity/index.ts';
import type { Grant, Succession, SuccessionClaims, SuccessionView, Unverified } from '../types.ts';

/** `typ` of a succession's header. */
export const SUCCESSION_TYPE = 'starling-succession+jwt';
/** What messages call it, with its article. */
const SUCCESSION = 'a succession';
const malformed = malformedAs(SUCCESSION);
/** Grants that one succession can list: as many as fit into a JWS. */
export const KEEP_MAX = 160;

/** 132 bits of a grant's hash. */
const KEEP_CHARACTERS = 22;
const KEEP = /^[\w-]{22}$/;
const ID_BYTES = 16;
const SIGNATURE_BYTES = 64;
const TIME_MAX_S = 253_402_300_799;

/** Nobody has ever changed a key. */
export const NO_SUCCESSIONS: SuccessionView = {
  of: () => undefined,
  current: (did) => did,
  origin: (did) => did,
  lineage: (did) => [did],
  heirs: (did) => [did],
  follows: (did, before) => did === before,
};

/**
 * Signs that `next` takes the place of `old` in `mesh`, and that of what `old` has issued only `keep`
 * still counts, at most {@link KEEP_MAX}. `nowMs` is in milliseconds.
 * @throws STARLING_GRANT_MALFORMED when the two are one key
 */
export function issueSuccession(
  old: Signer,
  next: Signer,
  init: { readonly mesh: Did; readonly keep?: readonly Grant[] },
  nowMs: number,
  randomBytes: (size: number) => Uint8Array = systemRandomBytes,
): Succession {
  const body = {
    iss: old.did,
    sub: next.did,
    mesh: init.mesh,
    iat: Math.floor(nowMs / 1000),
    jti: Buffer.from(randomBytes(ID_BYTES)).toString('base64url'),
    keep: (init.keep ?? []).slice(0, KEEP_MAX).map(({ hash }) => hash.slice(0, KEEP_CHARACTERS)),
  };
  const proof = Buffer.from(next.sign(proofText(body))).toString('base64url');
  return parseSuccession(encodeJws(old, SUCCESSION_TYPE, { ...body, proof }, SUCCESSION));
}

/**
 * Reads a succession, without its signatures.
 * @throws STARLING_GRANT_MALFORMED
 */
export function readSuccession(jws: string): Unverified<Succession> {
  const decoded = decodeJws(jws, SUCCESSION_TYPE, SUCCESSION);
  const claims = readClaims(decoded.payload);
  return {
    claims,
    verify() {
      decoded.verify(claims.iss);
      const proof = decodeBase64url(claims.proof, 'proof', SUCCESSION);
      if (
        proof.length !== SIGNATURE_BYTES ||
        !verifySignature(claims.sub, proofText(claims), new Uint8Array(proof))
      ) {
        throw new StarlingError(
          'STARLING_GRANT_INVALID',
          `the new key ${claims.sub} has not agreed to take the place of ${claims.iss}`,
          { data: { rule: 'proof', iss: claims.iss } },
        );
      }
      const kept = new Set(claims.keep);
      return { jws, claims, keeps: ({ hash }) => kept.has(hash.slice(0, KEEP_CHARACTERS)) };
    },
  };
}

/**
 * Parses a succession and checks both signatures; whether it counts is for the set to say.
 * @throws STARLING_GRANT_MALFORMED for the format, STARLING_GRANT_INVALID for a signature
 */
export function parseSuccession(jws: string): Succession {
  return readSuccession(jws).verify();
}

/** What the new key signs: one line each, the first of which no other signature of ours begins with. */
function proofText(body: Omit<SuccessionClaims, 'proof'>): Uint8Array {
  const lines = [
    'starling-succession-v1',
    `old: ${body.iss}`,
    `new: ${body.sub}`,
    `mesh: ${body.mesh}`,
    `iat: ${body.iat}`,
    `jti: ${body.jti}`,
    `keep: ${createHash('sha256').update(body.keep.join()).digest('hex')}`,
  ];
  return Buffer.from(`${lines.join('\n')}\n`, 'utf8');
}

function readClaims(payload: unknown): SuccessionClaims {
  if (!isObject(payload)) throw malformed('claims', 'its payload is not an object');
  const { iat, jti, keep, proof, ...others } = payload;
  const [iss, sub, mesh] = [
    didOf(others['iss'], 'iss'),
    didOf(others['sub'], 'sub'),
    didOf(others['mesh'], 'mesh'),
  ];
  if (iss === sub) throw malformed('self', 'a key can not succeed itself');
  if (!Number.isInteger(iat) || Number(iat) < 0 || Number(iat) > TIME_MAX_S) {
    throw malformed('claims', 'its iat is not a time in whole seconds');
  }
  if (typeof jti !== 'string' || decodeBase64url(jti, 'jti', SUCCESSION).length !== ID_BYTES) {
    throw malformed('claims', `its jti is not ${ID_BYTES} bytes of base64url`);
  }
  const isList = Array.isArray(keep) && keep.length <= KEEP_MAX;
  if (!isList || !keep.every((one) => typeof one === 'string' && KEEP.test(one))) {
    throw malformed('claims', `its keep is not a list of up to ${KEEP_MAX} hashes`);
  }
  if (typeof proof !== 'string') throw malformed('claims', 'its proof is missing');
  return { iss, sub, mesh, iat: Number(iat), jti, keep: keep as readonly string[], proof };
}

function didOf(value: unknown, claim: string): Did {
  try {
    return parseDid(typeof value === 'string' ? value : '');
  } catch (error) {
    if (!(error instanceof StarlingError)) throw error;
    throw malformed('claims', `its ${claim} is not a did:key of an Ed25519 key`, error);
  }
}
