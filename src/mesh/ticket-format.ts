/**
 * Tickets: what one pastes on the next machine. `starling1` and base32 (RFC 4648 §6, lower case, no
 * padding) of deflated (RFC 1951) deterministic CBOR { mesh, name, addrs, invite: { seed, grants } },
 * where a grant is its payload and signature: its header is always the same. A ticket is a secret.
 */
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { decode, encode } from 'cborg';
import { base32 } from 'multiformats/bases/base32';
import { Secret, StarlingError } from '../core/index.ts';
import type { MeshId } from '../core/index.ts';
import { GRANT_TYPE, parseGrant } from '../grants/index.ts';
import type { Grant } from '../grants/index.ts';
import { parseDid } from '../identity/index.ts';

const PREFIX = 'starling1';
const TEXT_MAX = 32_768;
/** Bytes of a ticket once inflated. */
const BODY_BYTES_MAX = 65_536;
const SEED_BYTES = 32;
const ADDRESSES_MAX = 6;
const CHAIN_MAX = 33;

/** What a ticket holds. */
export interface Ticket {
  readonly mesh: MeshId;
  readonly name: string;
  readonly addresses: readonly string[];
  /** Seed of the invite's one-time key. */
  readonly seed: Uint8Array;
  /** The invite's grant and its parents, leaf first. */
  readonly grants: readonly Grant[];
}

/** Writes a ticket. */
export function encodeTicket(ticket: Ticket): Secret {
  const bytes = encode({
    mesh: ticket.mesh,
    name: ticket.name,
    addrs: ticket.addresses.slice(0, ADDRESSES_MAX),
    invite: { seed: ticket.seed, grants: ticket.grants.map(splitGrant) },
  });
  // Multibase marks base32 with a leading `b`.
  return new Secret(PREFIX + base32.encode(deflateRawSync(bytes, { level: 9 })).slice(1));
}

function splitGrant(grant: Grant): readonly [payload: Uint8Array, signature: Uint8Array] {
  const [, payload = '', signature = ''] = grant.jws.split('.');
  return [Buffer.from(payload, 'base64url'), Buffer.from(signature, 'base64url')];
}

function joinGrant(value: unknown): Grant {
  const [payload, signature]: readonly unknown[] = Array.isArray(value) ? value : [];
  if (!(payload instanceof Uint8Array) || !(signature instanceof Uint8Array)) {
    throw invalid('a part of it is missing');
  }
  const header = JSON.stringify({ alg: 'EdDSA', typ: GRANT_TYPE });
  const parts = [header, payload, signature].map((part) => Buffer.from(part).toString('base64url'));
  return checked(() => parseGrant(parts.join('.')));
}

/**
 * Reads a ticket; white space and upper case from copying are forgiven. Whether it is still good is
 * for `ticket-check.ts`. @throws STARLING_TICKET_INVALID
 */
export function parseTicket(text: Secret): Ticket {
  return read(text.reveal().replaceAll(/\s+/g, '').toLowerCase());
}

function read(text: string): Ticket {
  if (!text.startsWith(PREFIX)) throw invalid(`it does not begin with ${PREFIX}`);
  if (text.length > TEXT_MAX) throw invalid('it is too long');
  const value = decodeBody(text.slice(PREFIX.length));
  const { mesh, name, addrs, invite } = fieldsOf(value);
  const { seed, grants } = fieldsOf(invite);
  if (typeof mesh !== 'string' || typeof name !== 'string' || name.length > 64) {
    throw invalid('it names no mesh');
  }
  if (!(seed instanceof Uint8Array) || seed.length !== SEED_BYTES) throw invalid('it holds no key');
  return {
    mesh: checked(() => parseDid(mesh)),
    name,
    addresses: listOf(addrs, ADDRESSES_MAX).map(textOf),
    seed,
    grants: listOf(grants, CHAIN_MAX).map(joinGrant),
  };
}

function decodeBody(body: string): unknown {
  try {
    const bytes = inflateRawSync(base32.decode(`b${body}`), { maxOutputLength: BODY_BYTES_MAX });
    return decode(bytes, { strict: true, rejectDuplicateMapKeys: true });
  } catch (error) {
    throw invalid('it is damaged, perhaps cut when it was copied', error);
  }
}

function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalid('a part of it is missing');
  }
  return value as Readonly<Record<string, unknown>>;
}

function listOf(value: unknown, max: number): readonly unknown[] {
  if (Array.isArray(value) && value.length > 0 && value.length <= max) return value;
  throw invalid('a part of it is missing');
}

function textOf(value: unknown): string {
  if (typeof value === 'string') return value;
  throw invalid('a part of it is missing');
}

function checked<T>(parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    throw invalid('a signature or name in it is wrong', error);
  }
}

function invalid(why: string, cause?: unknown): StarlingError {
  return new StarlingError('STARLING_TICKET_INVALID', `this is not a Starling ticket: ${why}`, {
    hint: 'copy the whole ticket from `starling up` or `starling invite`',
    ...(cause === undefined ? {} : { cause }),
  });
}
