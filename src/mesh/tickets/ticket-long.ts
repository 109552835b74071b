/**
 * Tickets as they were made before they became short: `starling1` and base32 of deflated (RFC 1951)
 * CBOR { mesh, name, addrs, invite: { seed, grants } }, where a grant is its payload and signature. They
 * are read for as long as somebody may hold one; nothing writes them any more.
 */
import { inflateRawSync } from 'node:zlib';
import { decode } from 'cborg';
import { base32 } from 'multiformats/bases/base32';
import { isObject } from '../../core/index.ts';
import { GRANT_TYPE, parseGrant } from '../../grants/index.ts';
import type { Grant } from '../../grants/index.ts';
import { parseDid } from '../../identity/index.ts';
import { SEED_BYTES, TICKET_ADDRESSES_MAX, TICKET_NAME_MAX, notATicket } from './ticket.ts';
import type { Ticket } from './ticket.ts';

/** Bytes of such a ticket once inflated. */
const BODY_BYTES_MAX = 65_536;
const CHAIN_MAX = 33;

/** Reads what follows `starling1`. @throws STARLING_TICKET_INVALID */
export function parseLongTicket(body: string): Ticket {
  const { mesh, name, addrs, invite } = fieldsOf(decodeBody(body));
  const { seed, grants } = fieldsOf(invite);
  if (typeof mesh !== 'string' || typeof name !== 'string' || name.length > TICKET_NAME_MAX) {
    throw notATicket('it names no mesh');
  }
  if (!(seed instanceof Uint8Array) || seed.length !== SEED_BYTES) {
    throw notATicket('it holds no key');
  }
  const chain = listOf(grants, CHAIN_MAX).map(joinGrant);
  return {
    mesh: checked(() => parseDid(mesh)),
    name,
    addresses: listOf(addrs, TICKET_ADDRESSES_MAX).map(textOf),
    seed,
    expiresAt: Math.min(...chain.map((grant) => grant.claims.exp)),
    grants: chain,
  };
}

function decodeBody(body: string): unknown {
  try {
    const bytes = inflateRawSync(base32.decode(`b${body}`), { maxOutputLength: BODY_BYTES_MAX });
    return decode(bytes, { strict: true, rejectDuplicateMapKeys: true });
  } catch (error) {
    throw notATicket('it is damaged, perhaps cut when it was copied', error);
  }
}

function joinGrant(value: unknown): Grant {
  const [payload, signature]: readonly unknown[] = Array.isArray(value) ? value : [];
  if (!(payload instanceof Uint8Array) || !(signature instanceof Uint8Array)) {
    throw notATicket('a part of it is missing');
  }
  const header = JSON.stringify({ alg: 'EdDSA', typ: GRANT_TYPE });
  const parts = [header, payload, signature].map((part) => Buffer.from(part).toString('base64url'));
  return checked(() => parseGrant(parts.join('.')));
}

function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  if (isObject(value)) return value;
  throw notATicket('a part of it is missing');
}

function listOf(value: unknown, max: number): readonly unknown[] {
  if (Array.isArray(value) && value.length > 0 && value.length <= max) return value;
  throw notATicket('a part of it is missing');
}

function textOf(value: unknown): string {
  if (typeof value === 'string') return value;
  throw notATicket('a part of it is missing');
}

function checked<T>(parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    throw notATicket('a signature or name in it is wrong', error);
  }
}
