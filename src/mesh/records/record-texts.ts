/** Reads single records, as far as that goes without knowing the others; pure. */
import { createHash } from 'node:crypto';
import { StarlingError } from '../../core/index.ts';
import type { Did } from '../../core/index.ts';
import {
  GRANT_TYPE,
  KEEP_OVER_MS,
  REVOCATION_TYPE,
  SUCCESSION_TYPE,
  isOverAt,
  readGrant,
  readRevocation,
  readSuccession,
} from '../../grants/index.ts';
import type { Grant, Revocation, Succession, Unverified } from '../../grants/index.ts';
import { decodeJws, parseDid } from '../../identity/index.ts';

/** `typ` of the record that an invite was used. */
export const SPENT_TYPE = 'starling-spent+jwt';
const JTI = /^[\w-]{8,64}$/;
/** Longer than any payload may be. */
const PAYLOAD_MAX = 8192;

/** An invite that was used. */
export interface Spent {
  readonly iss: Did;
  /** `jti` of the invite's grant. */
  readonly jti: string;
  /** Who came in by it. */
  readonly aud: Did;
  readonly iat: number;
  readonly exp: number;
}

/** A record as it came: what names it, and what it says to be. Both are reckoned once. */
export interface RecordText {
  readonly jws: string;
  /** See {@link hashOf}. */
  readonly hash: string;
  /** `typ` of the header. */
  readonly typ: string;
}

/** The record that an invite was used, as a text. */
interface SpentText {
  readonly claims: Spent;
}

/** A record whose format is right, by what it is; no signature was looked at yet. */
export type ReadRecord = { readonly issuer: Did } & (
  | { readonly kind: 'grant'; readonly text: Unverified<Grant> }
  | { readonly kind: 'revocation'; readonly text: Unverified<Revocation> }
  | { readonly kind: 'succession'; readonly text: Unverified<Succession> }
  | { readonly kind: 'spent'; readonly text: Unverified<SpentText> }
);

/** The name of a record. */
export function hashOf(jws: string): string {
  return createHash('sha256').update(jws).digest('hex').slice(0, 32);
}

/** What can be said of a text at once. */
export function recordText(jws: string): RecordText {
  return { jws, hash: hashOf(jws), typ: typeOf(jws) };
}

/** Reads a text, all of it but its signatures, which are verified once. @throws STARLING_GRANT_MALFORMED */
export function readRecord({ jws, typ }: RecordText): ReadRecord {
  if (typ === GRANT_TYPE) return { kind: 'grant', ...issued(readGrant(jws)) };
  if (typ === REVOCATION_TYPE) return { kind: 'revocation', ...issued(readRevocation(jws)) };
  if (typ === SUCCESSION_TYPE) return { kind: 'succession', ...issued(readSuccession(jws)) };
  return { kind: 'spent', ...issued(readSpentText(jws)) };
}

/** Whoever asks again for what held is not made to wait for the same signature. */
function issued<Text extends { readonly claims: { readonly iss: Did } }>(
  read: Unverified<Text>,
): { readonly issuer: Did; readonly text: Unverified<Text> } {
  let verified: Text | undefined;
  const verify = (): Text => (verified ??= read.verify());
  return { issuer: read.claims.iss, text: { claims: read.claims, verify } };
}

/** True when no later pass can make it sound. */
export function isFinal({ code, data }: StarlingError): boolean {
  if (code === 'STARLING_GRANT_MALFORMED') return true;
  return data['rule'] === 'signature' || data['rule'] === 'expired';
}

/** True when what it is about ended so long ago that nobody keeps it. */
export function isForgotten(jws: string, nowMs: number): boolean {
  const [, payload = ''] = jws.split('.', 2);
  if (payload.length > PAYLOAD_MAX) return false;
  try {
    const claims: unknown = JSON.parse(Buffer.from(payload, 'base64url').toString('utf8'));
    const exp: unknown =
      typeof claims === 'object' && claims !== null ? Reflect.get(claims, 'exp') : undefined;
    return typeof exp === 'number' && isOverAt(exp, nowMs - KEEP_OVER_MS);
  } catch {
    // Hostile or damaged: whoever needs more of it refuses it.
    return false;
  }
}

/** `typ` of the header, whatever it is; the readers check the rest. */
function typeOf(jws: string): string {
  const header = jws.slice(0, Math.max(0, jws.indexOf('.')));
  const known = TYPES_BY_HEADER.get(header);
  if (known !== undefined) return known;
  if (header.length > PAYLOAD_MAX) return SPENT_TYPE;
  const text = Buffer.from(header, 'base64url').toString('utf8');
  return TYPES.find((typ) => text.includes(`"${typ}"`)) ?? SPENT_TYPE;
}

const TYPES = [GRANT_TYPE, REVOCATION_TYPE, SUCCESSION_TYPE];
/** The headers as this program writes them. */
const TYPES_BY_HEADER: ReadonlyMap<string, string> = new Map(
  [...TYPES, SPENT_TYPE].map((typ) => [
    Buffer.from(JSON.stringify({ alg: 'EdDSA', typ })).toString('base64url'),
    typ,
  ]),
);

function readSpentText(jws: string): Unverified<SpentText> {
  const decoded = decodeJws(jws, SPENT_TYPE, 'a record of a used invite');
  const claims = readSpent(decoded.payload);
  return {
    claims,
    verify() {
      decoded.verify(claims.iss);
      return { claims };
    },
  };
}

/** Reads the record of a used invite. @throws STARLING_GRANT_MALFORMED */
export function readSpent(payload: unknown): Spent {
  const wrong = (): StarlingError =>
    new StarlingError('STARLING_GRANT_MALFORMED', 'not a record of a spent invite');
  if (typeof payload !== 'object' || payload === null) throw wrong();
  const { iss, jti, aud, iat, exp } = payload as Partial<Record<keyof Spent, unknown>>;
  if (typeof iss !== 'string' || typeof aud !== 'string' || typeof jti !== 'string') throw wrong();
  if (!JTI.test(jti) || !Number.isSafeInteger(iat) || !Number.isSafeInteger(exp)) throw wrong();
  return { iss: parseDid(iss), jti, aud: parseDid(aud), iat: Number(iat), exp: Number(exp) };
}

/** Of two uses of an invite: which one counts. */
export function isEarlier(a: Spent, b: Spent): boolean {
  return a.iat < b.iat || (a.iat === b.iat && a.aud < b.aud);
}
