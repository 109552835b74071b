/**
 * On whose behalf a node calls a peer. The node certifies it with its own key (a compact JWS, RFC 7515,
 * with a `typ` of its own), once for a session; the owner checks that the certificate is that of the
 * very node at the other end. It is that node's word and widens no right; where the one that is certified works for
 * others in turn, it names those, and the owner asks for their rights, too.
 */
import { StarlingError, durationText, isCount, messageOf, printable } from '../../core/index.ts';
import type { Clock, Did, Json } from '../../core/index.ts';
import { chainOf, isLink } from '../../guard/index.ts';
import type { OnBehalfOf, Principal } from '../../guard/index.ts';
import { decodeJws, encodeJws, parseDid, peerIdFromDid } from '../../identity/index.ts';
import type { Signer } from '../../identity/index.ts';
import { objectOf } from '../wire/era.ts';

/** Key in `_meta` of `initialize`: the certificate. */
export const ON_BEHALF_OF_META = 'starling/on-behalf-of';
/** `typ` of a certificate's header: no grant passes as one. */
const CERTIFICATE_TYPE = 'starling-behalf+jwt';
/** Longest life of a certificate. */
const LIFETIME_MAX_S = 86_400;
const LIFETIME_S = LIFETIME_MAX_S / 2;
/** How far after its end a certificate is taken, as clocks are apart. */
const SKEW_S = 60;
const NAME_MAX = 128;
/** For so many others somebody works at one time. */
const WORKS_FOR_MAX = 16;
const LINK_MAX = 320;
/** Certificates that are kept, so that they need not be signed anew: a signature takes 8 ms. */
const CERTIFICATES_MAX = 1024;

/** A certificate that holds. */
export interface CertifiedOnBehalfOf {
  readonly onBehalfOf: OnBehalfOf;
  /** Until when it may be relied on; ms since the epoch. */
  readonly endsAtMs: number;
}

/** Certifies for whom this node calls. */
export interface Certifier {
  /**
   * The certificate of `principal`; undefined where the node calls for itself.
   * @throws STARLING_LIMIT_EXCEEDED for one that works for too many at a time
   */
  certify(principal: Principal): string | undefined;
}

/** Makes the certifier of the node whose key is `signer`. */
export function createCertifier(components: {
  readonly signer: Signer;
  readonly clock: Clock;
}): Certifier {
  const { signer, clock } = components;
  const certificates = new Map<string, { readonly jws: string; readonly renewAtMs: number }>();
  return {
    certify(principal) {
      const subject = subjectOf(principal, signer.did);
      if (subject === undefined) return undefined;
      const key = JSON.stringify(subject);
      const nowMs = clock.now();
      const known = certificates.get(key);
      if (known !== undefined && nowMs < known.renewAtMs) return known.jws;
      const iat = Math.floor(nowMs / 1000);
      const claims = { iss: signer.did, ...subject, iat, exp: iat + LIFETIME_S };
      const jws = encodeJws(signer, CERTIFICATE_TYPE, claims);
      certificates.delete(key);
      const [oldest] = certificates.keys();
      if (certificates.size >= CERTIFICATES_MAX && oldest !== undefined)
        certificates.delete(oldest);
      certificates.set(key, { jws, renewAtMs: nowMs + (LIFETIME_S * 1000) / 2 });
      return jws;
    },
  };
}

/** Whose certificate is read, and when. */
export interface CertificateReading {
  /** The key of the connection. */
  readonly issuer: Did;
  /** This node. */
  readonly self: Did;
  readonly nowMs: number;
  /** How far the issuer's clock is from ours, where heartbeats have told; ms. */
  readonly clockOffsetMs?: number | undefined;
}

/**
 * Reads what a peer sent under {@link ON_BEHALF_OF_META}; undefined when it sent nothing. A certificate that
 * is from later than now holds all the same, as grants do: the node at the other end of this very connection
 * made it, with a clock that is ahead. It is relied on no longer than one that was made now.
 * @throws STARLING_UNAUTHORIZED when the certificate does not hold
 */
export function readOnBehalfOf(
  value: Json | undefined,
  reading: CertificateReading,
): CertifiedOnBehalfOf | undefined {
  const { issuer, nowMs } = reading;
  if (value === undefined) return undefined;
  if (typeof value !== 'string') throw refused('format', 'it is not a string');
  const { iss, sub, name, iat, exp, for: worksFor } = claimsOf(value, issuer);
  if (iss !== issuer) throw refused('issuer', 'it is not by the node of this connection');
  if (!isCount(iat) || !isCount(exp)) throw refused('claims', 'it has no iat or no exp in seconds');
  if (exp <= iat || exp - iat > LIFETIME_MAX_S) {
    throw refused('lifetime', 'it is made for more than 24 hours');
  }
  const nowS = nowMs / 1000;
  if (iat - LIFETIME_MAX_S > nowS) {
    throw apart('not-yet-valid', 'it is from the future', (iat - nowS) * 1000, reading);
  }
  if (exp + SKEW_S <= nowS) {
    // A node makes a new one when half of the life of the old one is over.
    const behindMs = (exp - LIFETIME_S / 2 - nowS) * 1000;
    throw apart('expired', 'it has expired', behindMs, reading);
  }
  const endsAtS = Math.min(exp, nowS + LIFETIME_MAX_S) + SKEW_S;
  const onBehalfOf = { ...subjectIn(sub, name), ...linksIn(worksFor) };
  return { onBehalfOf, endsAtMs: endsAtS * 1000 };
}

/** A refusal that comes of two clocks: theirs is at least `leastMs` from ours, by their certificate. */
function apart(
  rule: string,
  why: string,
  leastMs: number,
  { clockOffsetMs, issuer, self }: CertificateReading,
): StarlingError {
  const told = clockOffsetMs !== undefined && Math.sign(clockOffsetMs) === Math.sign(leastMs);
  const offsetMs = told ? clockOffsetMs : leastMs;
  const [theirs, ours] = offsetMs > 0 ? ['ahead of', 'behind'] : ['behind', 'ahead of'];
  const by = `${told ? '' : 'at least '}${durationText(Math.abs(offsetMs))}`;
  return refused(
    rule,
    `${why}: the clock of ${peerIdFromDid(issuer)}, which calls, is ${by} ${theirs} that of ${peerIdFromDid(self)}, which is called and ${by} ${ours} it`,
    { hint: 'set the clock of the two that is wrong, best by NTP (timedatectl set-ntp true)' },
  );
}

function claimsOf(jws: string, issuer: Did): Readonly<Record<string, unknown>> {
  try {
    const decoded = decodeJws(jws, CERTIFICATE_TYPE, 'an on-behalf-of certificate');
    decoded.verify(issuer);
    return objectOf(decoded.payload as Json);
  } catch (error) {
    const rule = error instanceof StarlingError ? error.data['rule'] : undefined;
    throw refused(typeof rule === 'string' ? rule : 'format', messageOf(error), { cause: error });
  }
}

function subjectIn(sub: unknown, name: unknown): OnBehalfOf {
  if (name !== undefined && !(typeof name === 'string' && isName(name))) {
    throw refused('claims', `its name is not a text of 1 to ${NAME_MAX} characters`);
  }
  if (sub === undefined) {
    if (name === undefined) throw refused('claims', 'it names nobody');
    return { name };
  }
  const label = name === undefined ? {} : { name };
  try {
    return { did: parseDid(String(sub)), ...label };
  } catch (error) {
    throw refused('claims', 'its sub is no did:key', { cause: error });
  }
}

/** An agent has proven its did to us; what a client is called is our word alone. */
function subjectOf(principal: Principal, self: Did): Subject | undefined {
  if (principal.kind === 'agent') return { sub: principal.did };
  if (principal.kind !== 'client') return undefined;
  const name = principal.name.slice(0, NAME_MAX).replaceAll(/\p{Cs}/gu, '\ufffd');
  const called = { name: name === '' ? 'unnamed' : name };
  const [, ...links] = chainOf(principal, self);
  const worksFor = links.filter((link) => link !== self);
  if (worksFor.length > WORKS_FOR_MAX) {
    throw new StarlingError(
      'STARLING_LIMIT_EXCEEDED',
      `${printable(principal.name)} works for ${worksFor.length} others at this moment, and calls peers for ${WORKS_FOR_MAX} at most`,
      { hint: 'try again when it has dealt with some of its messages' },
    );
  }
  return worksFor.length === 0 ? called : { ...called, for: worksFor };
}

/** What a certificate says of the one that it is for. */
interface Subject {
  readonly sub?: Did;
  readonly name?: string;
  /** Links of those for whom that one works. */
  readonly for?: readonly string[];
}

function linksIn(value: unknown): Pick<OnBehalfOf, 'worksFor'> {
  if (value === undefined) return {};
  const isChain =
    Array.isArray(value) &&
    value.length <= WORKS_FOR_MAX &&
    value.every((one) => typeof one === 'string' && one.length <= LINK_MAX && isLink(one));
  if (!isChain) throw refused('claims', 'its "for" does not say for whom that one works');
  return { worksFor: value as readonly string[] };
}

function isName(name: string): boolean {
  return name.length > 0 && name.length <= NAME_MAX;
}

function refused(
  rule: string,
  why: string,
  options: { readonly cause?: unknown; readonly hint?: string } = {},
): StarlingError {
  return new StarlingError(
    'STARLING_UNAUTHORIZED',
    `no session: the certificate of on whose behalf it is does not hold: ${why}`,
    {
      hint: 'a node certifies for whom it calls by its own key; update the node that calls',
      data: { rule },
      ...options,
    },
  );
}
