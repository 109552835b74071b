/**
 * The card of an A2A agent elsewhere (A2A 1.0 §8): who signed it, where the agent is, and what it can do. Nothing of it
 * is believed that was not looked at: a signature that is there and does not hold, or an endpoint at another host than
 * the card's, and the card is refused.
 */
import { createHash, createPublicKey, verify } from 'node:crypto';
import type { JsonWebKey } from 'node:crypto';
import { AGENT_CARD_PATH, AgentCard, canonicalizeAgentCard } from '@a2a-js/sdk';
import type { AgentCardSignature } from '@a2a-js/sdk';
import { StarlingError, isObject, messageOf, printable } from '../../core/index.ts';
import type { Clock, Did, JsonObject } from '../../core/index.ts';
import { parseDid, verifySignature } from '../../identity/index.ts';
import type { RemoteCard } from '../types.ts';
import { checkedUrl, fetchOfOneHost } from './one-host.ts';

/** A longer one is not read to its end. */
const CARD_BYTES_MAX = 256 * 1024;
const TIMEOUT_MS = 15_000;
const SKILLS_MAX = 64;
const SIGNATURES_MAX = 8;
const TEXT_MAX = 200;
const VERSION = /^1(?:\.|$)/;
const DIGEST_LENGTH = 16;

/** @throws STARLING_USAGE, STARLING_UPSTREAM_UNAVAILABLE, STARLING_UPSTREAM_INVALID */
export async function readRemoteCard(
  clock: Clock,
  text: string,
  token?: () => string,
): Promise<RemoteCard> {
  const url = cardUrlOf(checkedUrl(text));
  const { origin } = url;
  const ask = fetchOfOneHost(clock, {
    origin,
    timeoutMs: TIMEOUT_MS,
    answerBytesMax: CARD_BYTES_MAX,
    ...(token === undefined ? {} : { token }),
  });
  const response = await ask(url, { headers: { 'A2A-Version': '1.0' } });
  if (!response.ok) throw invalid(url.host, `it answered ${response.status}`);
  const card = parsed(url.host, await response.text());
  const endpoint = endpointOf(card, url);
  const signer = await signerOf(card, async (jku) => {
    const keys = new URL(jku, url);
    if (keys.origin !== origin) throw invalid(url.host, 'the key that signed it is elsewhere');
    return (await ask(keys)).json();
  });
  return {
    url: url.href,
    name: short(card.name),
    description: short(card.description),
    host: url.host,
    endpoint,
    ...(signer === undefined ? {} : { signer }),
    skills: card.skills.slice(0, SKILLS_MAX).map(({ id, name, description }) => ({
      id: short(id === '' ? name : id),
      description: short(description),
    })),
    security: Object.keys(card.securitySchemes).slice(0, SKILLS_MAX).map(short),
    digest: digestOf(canonicalizeAgentCard(card), endpoint, signer ?? ''),
  };
}

/** The card's own URL: a place without a file means the well-known one below it. */
function cardUrlOf(url: URL): URL {
  if (url.pathname.endsWith('.json')) return url;
  const base = new URL(url.href.endsWith('/') ? url.href : `${url.href}/`);
  return new URL(AGENT_CARD_PATH, base);
}

function parsed(host: string, text: string): AgentCard {
  try {
    const value: unknown = JSON.parse(text);
    if (isObject(value)) return AgentCard.fromJSON(value);
  } catch (error) {
    throw invalid(host, `its card is malformed: ${messageOf(error)}`);
  }
  throw invalid(host, 'its card is no JSON object');
}

/** JSON-RPC of A2A 1.x, at the host of the card. @throws STARLING_UPSTREAM_INVALID */
function endpointOf(card: AgentCard, { host, origin }: URL): string {
  for (const { url } of card.supportedInterfaces) {
    const at = URL.canParse(url) ? new URL(url) : undefined;
    if (at?.origin !== origin || at.username !== '') {
      throw invalid(host, `an interface of its card is at another host: ${printable(url)}`);
    }
  }
  const found = card.supportedInterfaces.find(
    ({ protocolBinding, protocolVersion }) =>
      protocolBinding === 'JSONRPC' && VERSION.test(protocolVersion),
  );
  if (found === undefined) throw invalid(host, 'it has no interface of A2A 1.0 over JSON-RPC');
  return new URL(found.url).href;
}

/** Who has signed; undefined for a card without signatures. @throws STARLING_UPSTREAM_INVALID when none of them holds */
async function signerOf(
  card: AgentCard,
  keysAt: (jku: string) => Promise<unknown>,
): Promise<string | undefined> {
  if (card.signatures.length === 0) return undefined;
  const payload = Buffer.from(canonicalizeAgentCard(card), 'utf8').toString('base64url');
  let why = 'it is of no kind that is known here';
  for (const signature of card.signatures.slice(0, SIGNATURES_MAX)) {
    try {
      const signer = await signerBy(signature, payload, keysAt);
      if (signer !== undefined) return signer;
      why = 'it does not hold';
    } catch (error) {
      why = messageOf(error);
    }
  }
  throw invalid(
    short(card.name),
    `the signature of its card is forged or can't be checked: ${why}`,
  );
}

/** Whose signature holds; undefined where it does not. */
async function signerBy(
  { protected: header, signature }: AgentCardSignature,
  payload: string,
  keysAt: (jku: string) => Promise<unknown>,
): Promise<string | undefined> {
  const said: unknown = JSON.parse(Buffer.from(header, 'base64url').toString('utf8'));
  const { alg, kid, jku } = isObject(said) ? said : {};
  if (typeof kid !== 'string' || typeof alg !== 'string') return undefined;
  const input = Buffer.from(`${header}.${payload}`, 'utf8');
  const bytes = Buffer.from(signature, 'base64url');
  const did = didIn(kid);
  if (did !== undefined) {
    return alg === 'EdDSA' && verifySignature(did, input, bytes) ? did : undefined;
  }
  if (typeof jku !== 'string') return undefined;
  const key = keyIn(await keysAt(jku), kid);
  return key !== undefined && holds(alg, key, input, bytes)
    ? short(`${kid}, a key of its host`)
    : undefined;
}

/** The did of a key's id, which may name a fragment of its document. */
function didIn(kid: string): Did | undefined {
  try {
    return parseDid(kid.split('#', 1)[0] ?? '');
  } catch {
    // It is no did:key.
    return undefined;
  }
}

function keyIn(set: unknown, kid: string): JsonWebKey | undefined {
  const keys = isObject(set) ? (set as JsonObject)['keys'] : undefined;
  if (!Array.isArray(keys)) return undefined;
  return keys.slice(0, SKILLS_MAX).find((key) => isObject(key) && key['kid'] === kid) as
    | JsonWebKey
    | undefined;
}

/** RFC 7518 §3.3, §3.4 and RFC 8037 §3.1. */
function holds(alg: string, jwk: JsonWebKey, input: Buffer, signature: Buffer): boolean {
  const key = createPublicKey({ key: jwk, format: 'jwk' });
  const { asymmetricKeyType: type } = key;
  if (alg === 'EdDSA' && type === 'ed25519') return verify(null, input, key, signature);
  if (alg === 'RS256' && type === 'rsa') return verify('sha256', input, key, signature);
  if (alg === 'ES256' && type === 'ec') {
    return verify('sha256', input, { key, dsaEncoding: 'ieee-p1363' }, signature);
  }
  return false;
}

function digestOf(...texts: readonly string[]): string {
  const hash = createHash('sha256').update(JSON.stringify(texts)).digest('base64url');
  return hash.slice(0, DIGEST_LENGTH);
}

function short(text: string): string {
  return printable(text, TEXT_MAX);
}

function invalid(host: string, why: string): StarlingError {
  return new StarlingError('STARLING_UPSTREAM_INVALID', `${host}: ${why}`, {
    hint: 'ask whoever runs that agent; nothing was added',
  });
}
