/** Reads the claims of grants and revocations: strict about what it knows, keeps what it does not. */
import { StarlingError, isCount, isObject, isText } from '../../core/index.ts';
import { decodeBase64url, malformedAs, parseDid } from '../../identity/index.ts';
import type { Did, Fields } from '../../core/index.ts';
import type { MalformedError } from '../../identity/index.ts';
import { isAbilityOf, parseResource } from './resource.ts';
import type { GrantClaims, RevocationClaims } from '../types.ts';

/** Capabilities in one grant. */
export const CAPABILITIES_MAX = 64;
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

/** What messages call the two kinds of texts, with their articles. */
export const GRANT = 'a grant';
/** See {@link GRANT}. */
export const REVOCATION = 'a revocation';

/** Checks a grant's payload. Unknown claims are let through. @throws STARLING_GRANT_MALFORMED */
export function assertGrantClaims(payload: unknown): asserts payload is GrantClaims {
  const claims = new Claims(payload, GRANT);
  const iss = claims.did('iss');
  const sub = claims.did('sub');
  claims.did('aud');
  claims.seconds('iat');
  const exp = claims.seconds('exp');
  if (claims.has('nbf') && claims.seconds('nbf') >= exp) {
    throw claims.malformed('claims', 'its nbf is not before its exp');
  }
  claims.bytes('jti', ID_BYTES);
  const isRoot = !claims.has('prf');
  if (isRoot !== (iss === sub)) {
    throw claims.malformed('root', 'prf must be there exactly when iss is not sub');
  }
  if (!isRoot) checkParents(claims);
  claims.depth('max_depth');
  for (const cap of claims.list('cap', CAPABILITIES_MAX)) checkCapability(claims, cap, isRoot);
}

/** Checks a revocation's payload. @throws STARLING_GRANT_MALFORMED */
export function assertRevocationClaims(payload: unknown): asserts payload is RevocationClaims {
  const claims = new Claims(payload, REVOCATION);
  claims.did('iss');
  claims.bytes('jti', ID_BYTES);
  claims.seconds('iat');
  claims.seconds('exp');
  claims.textOrAbsent('reason', REASON_LENGTH_MAX);
}

function checkCapability(claims: Claims, value: unknown, isRoot: boolean): void {
  const { malformed } = claims;
  const { resource, ability, caveats, ...others } = claims.object(value, 'capability');
  // An unknown member might narrow the capability, so it can't be passed over.
  const unknown = Object.keys(others);
  if (unknown.length > 0) {
    throw malformed('claims', `a capability has the unknown member ${unknown[0]}`);
  }
  if (typeof resource !== 'string') throw malformed('claims', 'a capability has no resource');
  if (typeof ability !== 'string') throw malformed('claims', 'a capability has no ability');
  if (caveats !== undefined) claims.object(caveats, 'caveats');
  const { scheme } = parseResource(resource);
  if (!isAbilityOf(scheme, ability)) {
    throw malformed('ability', `${JSON.stringify(ability)} is no ability on ${scheme}:`);
  }
  if (ability === '*' && !isRoot) {
    throw malformed('ability', 'the ability * is allowed only at a root');
  }
}

function checkParents(claims: Claims): void {
  const hashes = claims.list('prf', PARENTS_MAX);
  for (const hash of hashes) claims.checkBytes(hash, 'prf', HASH_BYTES);
  if (new Set(hashes).size !== hashes.length) {
    throw claims.malformed('prf', 'its prf names a parent twice');
  }
}

/** Reads the claims of one payload, each with the error that says what is wrong with it. */
class Claims {
  readonly malformed: MalformedError;
  readonly #what: string;
  readonly #fields: Fields;

  constructor(payload: unknown, what: string) {
    this.#what = what;
    this.malformed = malformedAs(what);
    this.#fields = this.object(payload, 'payload');
  }

  has(claim: string): boolean {
    return this.#fields[claim] !== undefined;
  }

  object(value: unknown, member: string): Fields {
    if (isObject(value)) return value;
    throw this.malformed('claims', `its ${member} is not an object`);
  }

  list(claim: string, max: number): readonly unknown[] {
    const value = this.#fields[claim];
    if (Array.isArray(value) && value.length > 0 && value.length <= max) return value;
    throw this.malformed('claims', `its ${claim} is not a list of 1 to ${max}`);
  }

  did(claim: string): Did {
    const value = this.#fields[claim];
    if (typeof value !== 'string') throw this.malformed('claims', `its ${claim} is missing`);
    try {
      return parseDid(value);
    } catch (error) {
      if (!(error instanceof StarlingError)) throw error;
      const problem = `its ${claim} is not a did:key of an Ed25519 key`;
      throw this.malformed('claims', problem, error);
    }
  }

  seconds(claim: string): number {
    const value = this.#fields[claim];
    if (isCount(value) && value <= TIME_MAX_S) return value;
    throw this.malformed('claims', `its ${claim} is not a time in whole seconds`);
  }

  depth(claim: string): void {
    const value = this.#fields[claim];
    if (isCount(value) && value <= DEPTH_MAX) return;
    const problem = `its ${claim} is not a whole number from 0 to ${DEPTH_MAX}`;
    throw this.malformed('claims', problem);
  }

  textOrAbsent(claim: string, max: number): void {
    const value = this.#fields[claim];
    if (value === undefined || isText(value, max)) return;
    throw this.malformed('claims', `its ${claim} is not a text of up to ${max} characters`);
  }

  bytes(claim: string, size: number): void {
    this.checkBytes(this.#fields[claim], claim, size);
  }

  checkBytes(value: unknown, member: string, size: number): void {
    const isFit =
      typeof value === 'string' && decodeBase64url(value, member, this.#what).length === size;
    if (isFit) return;
    throw this.malformed('claims', `its ${member} is not ${size} bytes of base64url`);
  }
}
