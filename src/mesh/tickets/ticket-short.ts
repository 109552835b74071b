/**
 * Tickets: what one pastes on the next machine. `starling2` and base32 (RFC 4648 §6, lower case, no
 * padding) of deterministic CBOR [mesh, secret, end, name, inviter, addresses] and a check of three bytes.
 * Only what must travel is inside: the invite itself is a record of the mesh (`invites.ts`). A ticket is
 * a secret. Tickets of the form before are read by `ticket-long.ts`.
 */
import { createHash } from 'node:crypto';
import { decode, encode } from 'cborg';
import { base32 } from 'multiformats/bases/base32';
import { Secret, StarlingError, isCount } from '../../core/index.ts';
import type { MeshId, PeerId } from '../../core/index.ts';
import {
  didFromPublicKey,
  peerIdFromPublicKey,
  publicKeyFromDid,
  publicKeyFromPeerId,
} from '../../identity/index.ts';
import { packAddress, unpackAddress } from '../../network/index.ts';
import { parseLongTicket } from './ticket-long.ts';
import { TICKET_ADDRESSES_MAX, TICKET_NAME_MAX, notATicket } from './ticket.ts';
import type { Ticket } from './ticket.ts';

const PREFIX = 'starling2';
const LONG_PREFIX = 'starling1';
/** Longest text that is read: long tickets carry up to 33 grants. */
const TEXT_MAX = 32_768;
/** Longest bytes of a short ticket. */
const BODY_BYTES_MAX = 1024;
/** Addresses are added for as long as the whole text stays below so many characters; one always is. */
const TEXT_WANTED = 250;
/** Bytes of the secret from which the invite's key is derived: as hard to guess as the key itself. */
const SECRET_BYTES = 16;
const KEY_BYTES = 32;
const CHECK_BYTES = 3;
const ADDRESS_BYTES_MAX = 256;

/** What a new ticket is made from. */
export interface TicketInit {
  readonly mesh: MeshId;
  readonly name: string;
  /** Addresses of the inviter, the most useful first; not all find room. */
  readonly addresses: readonly string[];
  readonly secret: Uint8Array;
  /** s since the epoch */
  readonly expiresAt: number;
  readonly inviter: PeerId;
}

/** A new secret for a ticket, from `random` bytes (at least 16). */
export function ticketSecret(random: Uint8Array): Uint8Array {
  return random.slice(0, SECRET_BYTES);
}

/** Seed of the one-time key of a ticket's invite. */
export function inviteSeed(secret: Uint8Array, mesh: MeshId): Uint8Array {
  return createHash('sha256').update(`starling ticket 2\0${mesh}\0`).update(secret).digest();
}

/** Writes a ticket. */
export function encodeTicket(init: TicketInit): Secret {
  const packed = init.addresses.slice(0, TICKET_ADDRESSES_MAX).map(packAddress);
  let text = textOf(init, packed.slice(0, 1));
  for (let count = 2; count <= packed.length; count += 1) {
    const longer = textOf(init, packed.slice(0, count));
    if (longer.length >= TEXT_WANTED) break;
    text = longer;
  }
  return new Secret(text);
}

function textOf(init: TicketInit, addresses: readonly Uint8Array[]): string {
  const body = encode([
    publicKeyFromDid(init.mesh),
    init.secret,
    init.expiresAt,
    init.name,
    publicKeyFromPeerId(init.inviter),
    addresses,
  ]);
  // Multibase marks base32 with a leading `b`.
  return PREFIX + base32.encode(Buffer.concat([body, checkOf(body)])).slice(1);
}

/** Tells slips of the pen; it protects nothing. */
function checkOf(body: Uint8Array): Uint8Array {
  return createHash('sha256').update(PREFIX).update(body).digest().subarray(0, CHECK_BYTES);
}

/**
 * Reads a ticket; white space and upper case from copying are forgiven. Whether it is still good is
 * for `ticket-check.ts`. @throws STARLING_TICKET_INVALID
 */
export function parseTicket(text: Secret): Ticket {
  const plain = text.reveal().replaceAll(/\s+/g, '').toLowerCase();
  if (plain.lastIndexOf('starling') > 0) throw notATicket('it stands there twice: give it once');
  if (/…|\.\.\./.test(plain)) throw notATicket('it is an example, of which the end is left out');
  if (plain.length > TEXT_MAX) throw notATicket('it is too long');
  if (plain.startsWith(LONG_PREFIX)) return parseLongTicket(plain.slice(LONG_PREFIX.length));
  if (plain.startsWith(PREFIX)) return parseShort(plain.slice(PREFIX.length));
  if (/^starling\d/.test(plain)) throw notATicket('a newer version of Starling has made it');
  if (plain.startsWith('/')) throw isAnAddress();
  throw notATicket(`it does not begin with ${PREFIX}`);
}

/** An address holds no secret, so that it may be told apart; whoever has one has no right by it. */
function isAnAddress(): StarlingError {
  return new StarlingError(
    'STARLING_TICKET_INVALID',
    'this is the address of a node, and no ticket, which a private mesh wants',
    {
      hint: 'ask a member for a ticket: starling invite; an open mesh is joined by: starling up --bootstrap <multiaddr>',
    },
  );
}

function parseShort(text: string): Ticket {
  const value = decodeBody(text);
  const [mesh, secret, expiresAt, name, inviter, addresses, ...rest] = listOf(value, 16);
  if (!isKey(mesh) || !isKey(inviter) || !isBytes(secret, SECRET_BYTES, SECRET_BYTES)) {
    throw notATicket('it holds no key');
  }
  if (typeof name !== 'string' || name.length > TICKET_NAME_MAX) {
    throw notATicket('it names no mesh');
  }
  if (!isCount(expiresAt) || rest.length > 0) {
    throw notATicket('a part of it is wrong');
  }
  const id = didFromPublicKey(mesh);
  const peer = peerIdFromPublicKey(inviter);
  return {
    mesh: id,
    name,
    addresses: listOf(addresses, TICKET_ADDRESSES_MAX).map((bytes) => readAddress(bytes, peer)),
    seed: inviteSeed(secret, id),
    expiresAt,
    inviter: peer,
    grants: [],
  };
}

function decodeBody(text: string): unknown {
  try {
    const bytes = base32.decode(`b${text.slice(0, BODY_BYTES_MAX * 2)}`);
    const body = bytes.subarray(0, -CHECK_BYTES);
    if (!Buffer.from(checkOf(body)).equals(bytes.subarray(-CHECK_BYTES))) {
      throw new TypeError('the check differs');
    }
    return decode(body, { strict: true, allowIndefinite: false, allowUndefined: false });
  } catch (error) {
    throw notATicket('it is damaged, perhaps cut when it was copied', error);
  }
}

function readAddress(value: unknown, peer: PeerId): string {
  if (!isBytes(value, 1, ADDRESS_BYTES_MAX)) throw notATicket('an address in it is wrong');
  try {
    return unpackAddress(value, peer);
  } catch (error) {
    throw notATicket('an address in it is wrong', error);
  }
}

function listOf(value: unknown, max: number): readonly unknown[] {
  if (Array.isArray(value) && value.length > 0 && value.length <= max) return value;
  throw notATicket('a part of it is missing');
}

function isKey(value: unknown): value is Uint8Array {
  return isBytes(value, KEY_BYTES, KEY_BYTES);
}

function isBytes(value: unknown, min: number, max: number): value is Uint8Array {
  return value instanceof Uint8Array && value.length >= min && value.length <= max;
}
