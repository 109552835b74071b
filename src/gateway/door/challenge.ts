/**
 * How a caller proves an Ed25519 identity over HTTP: it signs a nonce of ours together with our did
 * and the host that it called, and gets a short session token. Nonces and tokens are sealed with a
 * key that lives as long as the process (HMAC-SHA256, RFC 2104), so that strangers fill no table;
 * kept are only nonces that were used, until they have expired.
 */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { StarlingError } from '../../core/index.ts';
import type { Clock, Did } from '../../core/index.ts';
import { retiredBy } from '../../grants/index.ts';
import type { GrantBook } from '../../grants/index.ts';
import { parseDid, verifySignature } from '../../identity/index.ts';
import type { Credential } from './types.ts';

const NONCE_MS = 60_000;
const SESSION_MS = 15 * 60_000;
const RANDOM_BYTES = 16;
const TIME_BYTES = 6;
const SEAL_BYTES = 32;
/** Nonces that were used and have not expired. */
const SPENT_MAX = 4096;
const NONCE = /^[\w-]{72}$/;
const SIGNATURE = /^[\w-]{86}$/;
const TOKEN = /^starling-session\.(z[1-9A-HJ-NP-Za-km-z]{40,60})\.(\d{13,15})\.([\w-]{43})$/;
const DID_PREFIX = 'did:key:';

/** What the challenges work with. */
export interface ChallengesComponents {
  /** This node. */
  readonly self: Did;
  /** Knows which keys are retired; default: none. */
  readonly grants?: Pick<GrantBook, 'successions'>;
  readonly clock: Clock;
}

/** A nonce to sign. */
export interface Challenge {
  readonly nonce: string;
  /** ms since the epoch */
  readonly expires: number;
}

/** What proves an identity. */
export interface ChallengeAnswer {
  readonly did: string;
  readonly nonce: string;
  /** base64url, of {@link challengeText}. */
  readonly signature: string;
}

/** A session that was opened. */
export interface AgentSession {
  readonly token: string;
  /** ms since the epoch */
  readonly expiresAt: number;
}

/** Gives out challenges and sessions. `audience` is the host that the caller called, as it wrote it. */
export interface Challenges {
  /** @throws STARLING_ID_MALFORMED */
  challenge(did: string, audience: string): Challenge;
  /** @throws STARLING_UNAUTHORIZED; STARLING_RATE_LIMITED when too many sessions are opened */
  redeem(answer: ChallengeAnswer, audience: string): AgentSession;
  /** Whose session `token` is; undefined when it is none of ours, or has expired. */
  check(token: string): Credential | undefined;
}

/**
 * What a caller signs: one line each, so that no two requests have one text. Its first line is found
 * in nothing else that a key of the mesh signs.
 */
export function challengeText(init: {
  /** did of the node that is called. */
  readonly node: Did;
  /** Host and port as in the URL that is called: `127.0.0.1:4100`. */
  readonly audience: string;
  readonly did: Did;
  readonly nonce: string;
}): Uint8Array {
  const lines = [
    'starling-http-session-v1',
    `node: ${init.node}`,
    `audience: ${init.audience}`,
    `did: ${init.did}`,
    `nonce: ${init.nonce}`,
  ];
  return Buffer.from(`${lines.join('\n')}\n`);
}

/** Makes the challenges of a node. */
export function createChallenges(components: ChallengesComponents): Challenges {
  return new SealedChallenges(components);
}

class SealedChallenges implements Challenges {
  readonly #components: ChallengesComponents;
  readonly #key = randomBytes(SEAL_BYTES);
  /** Nonces that were used, and when each expires. */
  readonly #spent = new Map<string, number>();

  constructor(components: ChallengesComponents) {
    this.#components = components;
  }

  challenge(did: string, audience: string): Challenge {
    const expires = this.#components.clock.now() + NONCE_MS;
    const time = Buffer.alloc(TIME_BYTES);
    time.writeUIntBE(expires, 0, TIME_BYTES);
    const body = Buffer.concat([randomBytes(RANDOM_BYTES), time]);
    const sealed = this.#sealNonce(body, parseDid(did), audience);
    return { nonce: Buffer.concat([body, sealed]).toString('base64url'), expires };
  }

  redeem(answer: ChallengeAnswer, audience: string): AgentSession {
    const did = parseDid(answer.did);
    this.#checkNotRetired(did);
    const { nonce, signature } = answer;
    const expires = this.#expiryOf(nonce, did, audience);
    const text = challengeText({ node: this.#components.self, audience, did, nonce });
    const isSigned =
      SIGNATURE.test(signature) && verifySignature(did, text, Buffer.from(signature, 'base64url'));
    if (!isSigned) throw refused("the signature is not that of the did's key over this challenge");
    if (this.#spent.size >= SPENT_MAX) {
      throw new StarlingError('STARLING_RATE_LIMITED', 'too many sessions are being opened', {
        hint: 'try again in a minute',
      });
    }
    this.#spent.set(nonce, expires);
    const expiresAt = this.#components.clock.now() + SESSION_MS;
    const id = did.slice(DID_PREFIX.length);
    const sealed = this.#seal('session', id, String(expiresAt)).toString('base64url');
    return { token: `starling-session.${id}.${expiresAt}.${sealed}`, expiresAt };
  }

  check(token: string): Credential | undefined {
    const [, id = '', time = '', given = ''] = TOKEN.exec(token) ?? [];
    const expiresAt = Number(time);
    if (id === '' || expiresAt <= this.#components.clock.now()) return undefined;
    const sealed = this.#seal('session', id, time).toString('base64url');
    if (!timingSafeEqual(Buffer.from(given), Buffer.from(sealed))) return undefined;
    const did = `${DID_PREFIX}${id}` as Did;
    return {
      id: `agent:${did}`,
      principal: { kind: 'agent', did, name: `agent-${id.slice(-6)}` },
      expiresAt,
    };
  }

  /** @throws STARLING_KEY_RETIRED */
  #checkNotRetired(did: Did): void {
    const { grants } = this.#components;
    const retired = grants === undefined ? undefined : retiredBy(did, grants.successions);
    if (retired === undefined) return;
    throw new StarlingError('STARLING_KEY_RETIRED', `no session: ${retired.text}`, {
      hint: 'sign with the key that took its place',
    });
  }

  /** When a nonce of ours that was not used yet expires. @throws STARLING_UNAUTHORIZED */
  #expiryOf(nonce: string, did: Did, audience: string): number {
    const bytes = Buffer.from(NONCE.test(nonce) ? nonce : '', 'base64url');
    const body = bytes.subarray(0, RANDOM_BYTES + TIME_BYTES);
    const given = bytes.subarray(RANDOM_BYTES + TIME_BYTES);
    const isOurs =
      given.length === SEAL_BYTES && timingSafeEqual(given, this.#sealNonce(body, did, audience));
    if (!isOurs) throw refused('the nonce is none of this node for this did and host');
    const expires = body.readUIntBE(RANDOM_BYTES, TIME_BYTES);
    const now = this.#components.clock.now();
    if (expires <= now) throw refused('the nonce has expired');
    // All live equally long, so the oldest expires first.
    for (const [spent, spentExpires] of this.#spent) {
      if (spentExpires > now) break;
      this.#spent.delete(spent);
    }
    if (this.#spent.has(nonce)) throw refused('the nonce was used before');
    return expires;
  }

  #seal(purpose: string, ...parts: readonly string[]): Buffer {
    return createHmac('sha256', this.#key)
      .update([purpose, ...parts].join('\n'))
      .digest();
  }

  #sealNonce(body: Buffer, did: Did, audience: string): Buffer {
    return this.#seal('nonce', did, audience, body.toString('base64url'));
  }
}

function refused(why: string): StarlingError {
  return new StarlingError('STARLING_UNAUTHORIZED', `no session: ${why}`, {
    hint: 'ask for a fresh nonce (POST /auth/challenge), sign it with our did and host, and use it once within 60 s',
  });
}
