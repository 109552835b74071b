/** Reads the claims of grants and revocations: strict about what it knows, keeps what it does not. */
import { StarlingError, isObject } from '../../core/index.ts';
import { decodeBase64url, malformed, parseDid } from '../../identity/index.ts';
import type { Did, Fields } from '../../core/index.ts';
import { isAbilityOf, parseResource } from './resource.ts';
import type { GrantClaims, RevocationClaims } from '../types.ts';

/** Capabilities in one grant. */
const CAPABILITIES_MAX = 64;
/** Parents of one grant. */
const PARENTS_MAX = 8;
/** Characters of a revocation's reason. */
const REASON_LENGTH_MAX = 500;
/** The most that `max_depth` may say: the longest chain (mesh membership) has 32 links. */
const DEPTH_MAX = 31;
/** Last second of the year 9999: times beyond it do not print. */
const TIME_MAX_S = 253_402_300_799;
const ID_BYTES = 16;
const HASH_BYTES = 32;

/** Checks a grant's payload. Unknown claims are let through. @throws STARLING_GRANT_MALFORMED */
export function assertGrantClaims(payload: unknown): asserts payload is GrantClaims {
  const fields = objectOf(payload, 'payload');
  const iss = didOf(fields, 'iss');
  const sub = didOf(fields, 'sub');
  didOf(fields, 'aud');
  secondsOf(fields, 'iat');
  const exp = secondsOf(fields, 'exp');
  if (fields['nbf'] !== undefined && secondsOf(fields, 'nbf') >= exp) {
    throw malformed('claims', 'its nbf is not before its exp');
  }
  bytesOf(fields['jti'], 'jti', ID_BYTES);
  const isRoot = fields['prf'] === undefined;
  if (isRoot !== (iss === sub)) {
    throw malformed('root', 'prf must be there exactly when iss is not sub');
  }
  if (!isRoot) checkParents(fields['prf']);
  const depth = fields['max_depth'];
  if (!Number.isInteger(depth) || Number(depth) < 0 || Number(depth) > DEPTH_MAX) {
    throw malformed('claims', `its max_depth is not a whole number from 0 to ${DEPTH_MAX}`);
  }
  listOf(fields['cap'], 'cap', CAPABILITIES_MAX).forEach((cap) => checkCapability(cap, isRoot));
}

/** Checks a revocation's payload. @throws STARLING_GRANT_MALFORMED */
export function assertRevocationClaims(payload: unknown): asserts payload is RevocationClaims {
  const fields = objectOf(payload, 'payload');
  didOf(fields, 'iss');
  bytesOf(fields['jti'], 'jti', ID_BYTES);
  secondsOf(fields, 'iat');
  secondsOf(fields, 'exp');
  const reason = fields['reason'];
  if (reason !== undefined && (typeof reason !== 'string' || reason.length > REASON_LENGTH_MAX)) {
    throw malformed('claims', `its reason is not a text of up to ${REASON_LENGTH_MAX} characters`);
  }
}

function checkCapability(value: unknown, isRoot: boolean): void {
  const fields = objectOf(value, 'capability');
  const { resource, ability, caveats, ...others } = fields;
  // An unknown member might narrow the capability, so it can't be passed over.
  const unknown = Object.keys(others);
  if (unknown.length > 0)
    throw malformed('claims', `a capability has the unknown member ${unknown[0]}`);
  if (typeof resource !== 'string') throw malformed('claims', 'a capability has no resource');
  if (typeof ability !== 'string') throw malformed('claims', 'a capability has no ability');
  if (caveats !== undefined) objectOf(caveats, 'caveats');
  const { scheme } = parseResource(resource);
  if (!isAbilityOf(scheme, ability)) {
    throw malformed('ability', `${JSON.stringify(ability)} is no ability on ${scheme}:`);
  }
  if (ability === '*' && !isRoot)
    throw malformed('ability', 'the ability * is allowed only at a root');
}

function checkParents(value: unknown): void {
  const hashes = listOf(value, 'prf', PARENTS_MAX);
  for (const hash of hashes) bytesOf(hash, 'prf', HASH_BYTES);
  if (new Set(hashes).size !== hashes.length)
    throw malformed('prf', 'its prf names a parent twice');
}

function objectOf(value: unknown, what: string): Fields {
  if (isObject(value)) return value;
  throw malformed('claims', `its ${what} is not an object`);
}

function listOf(value: unknown, what: string, max: number): readonly unknown[] {
  if (Array.isArray(value) && value.length > 0 && value.length <= max) return value;
  throw malformed('claims', `its ${what} is not a list of 1 to ${max}`);
}

function didOf(fields: Fields, claim: string): Did {
  const value = fields[claim];
  if (typeof value !== 'string') throw malformed('claims', `its ${claim} is missing`);
  try {
    return parseDid(value);
  } catch (error) {
    if (!(error instanceof StarlingError)) throw error;
    throw malformed('claims', `its ${claim} is not a did:key of an Ed25519 key`, error);
  }
}

function secondsOf(fields: Fields, claim: string): number {
  const value = fields[claim];
  if (Number.isInteger(value) && Number(value) >= 0 && Number(value) <= TIME_MAX_S) {
    return Number(value);
  }
  throw malformed('claims', `its ${claim} is not a time in whole seconds`);
}

function bytesOf(value: unknown, what: string, size: number): void {
  if (typeof value === 'string' && decodeBase64url(value, what).length === size) return;
  throw malformed('claims', `its ${what} is not ${size} bytes of base64url`);
}
