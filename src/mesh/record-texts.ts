/** Reads single records, as far as that goes without knowing the others; pure. */
import { createHash } from 'node:crypto';
import { StarlingError } from '../core/index.ts';
import type { Did } from '../core/index.ts';
import {
  GRANT_TYPE,
  KEEP_OVER_MS,
  REVOCATION_TYPE,
  SUCCESSION_TYPE,
  isOverAt,
} from '../grants/index.ts';
import { parseDid } from '../identity/index.ts';

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

/** The name of a record. */
export function hashOf(jws: string): string {
  return createHash('sha256').update(jws).digest('hex').slice(0, 32);
}

/** True when no later pass can make it sound. */
export function isFinal({ code, data }: StarlingError): boolean {
  if (code === 'STARLING_GRANT_MALFORMED' || code === 'STARLING_LIMIT_EXCEEDED') return true;
  return data['rule'] === 'signature' || data['rule'] === 'expired';
}

/** What a text says without proof; the readers check it. */
function claimsOf(jws: string): Partial<Record<'iss' | 'jti' | 'exp', unknown>> {
  const [, payload = ''] = jws.split('.', 2);
  if (payload.length > PAYLOAD_MAX) return {};
  try {
    const claims: unknown = JSON.parse(Buffer.from(payload, 'base64url').toString('utf8'));
    return typeof claims === 'object' && claims !== null ? claims : {};
  } catch {
    // Hostile or damaged: whoever needs more of it refuses it.
    return {};
  }
}

/** Who says to have signed it. @throws STARLING_GRANT_MALFORMED */
export function issuerOf(jws: string): Did {
  const { iss } = claimsOf(jws);
  if (typeof iss === 'string') return parseDid(iss);
  throw new StarlingError('STARLING_GRANT_MALFORMED', 'it does not say who signed it');
}

/** The id that it says to be about; empty when it says none. */
export function idOf(jws: string): string {
  const { jti } = claimsOf(jws);
  return typeof jti === 'string' ? jti : '';
}

/** True when what it is about ended so long ago that nobody keeps it. */
export function isForgotten(jws: string, nowMs: number): boolean {
  const { exp } = claimsOf(jws);
  return typeof exp === 'number' && isOverAt(exp, nowMs - KEEP_OVER_MS);
}

/** `typ` of the header, whatever it is; the readers check the rest. */
export function typeOf(jws: string): string {
  const header = Buffer.from(jws.split('.', 1)[0] ?? '', 'base64url').toString('utf8');
  const types = [GRANT_TYPE, REVOCATION_TYPE, SUCCESSION_TYPE];
  return types.find((typ) => header.includes(`"${typ}"`)) ?? SPENT_TYPE;
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
