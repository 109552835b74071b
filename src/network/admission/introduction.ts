/**
 * What each end of a link says of its libp2p host, in one frame of the control stream: its protocols and its
 * addresses. That is all that libp2p's identify is asked for here, which costs each end a stream, a signature to
 * check and several writes to the peer store. The connection has proven who says it.
 */
import { encode } from 'cborg';
import { isIP } from 'node:net';
import { parseAddress } from '../addresses/addresses.ts';
import { messageFields } from '../streams/message-fields.ts';
import type { Multiaddr } from '@multiformats/multiaddr';

/** What a host says of itself. */
export interface Introduction {
  readonly protocols: readonly string[];
  readonly addresses: readonly Multiaddr[];
  /** The IP address at which its sender sees us; absent where it dialled, or a relay is between. */
  readonly seen?: string;
}

const PROTOCOLS_MAX = 256;
const PROTOCOL_LENGTH_MAX = 256;
const ADDRESSES_MAX = 32;
const ADDRESS_LENGTH_MAX = 512;

/** The kind of its frame. */
export const INTRODUCTION = 'host';
/** Rooms ask for their own protocols by name; libp2p's services want to be told who has theirs. */
const OWN_PROTOCOL = /^\/starling\/[a-z]+\/\d+$/;

/** Of a room of ours, and none of libp2p's services: see {@link OWN_PROTOCOL}. */
export function isOwnProtocol(protocol: string): boolean {
  return OWN_PROTOCOL.test(protocol);
}

/** Encodes it; what is over a bound is left out. */
export function encodeIntroduction({
  protocols,
  addresses,
  seen,
}: {
  readonly protocols: readonly string[];
  readonly addresses: readonly string[];
  readonly seen?: string | undefined;
}): Uint8Array {
  return encode({
    protocols: protocols.filter((name) => !isOwnProtocol(name)).slice(0, PROTOCOLS_MAX),
    addrs: addresses.slice(0, ADDRESSES_MAX),
    ...(seen === undefined ? {} : { seen }),
  });
}

/** Decodes it; undefined when it is none. Addresses of kinds that are not known here are left out. Never throws. */
export function decodeIntroduction(bytes: Uint8Array): Introduction | undefined {
  const { protocols, addrs, seen } = messageFields(bytes);
  if (!isTexts(protocols, PROTOCOLS_MAX, PROTOCOL_LENGTH_MAX)) return undefined;
  if (!isTexts(addrs, ADDRESSES_MAX, ADDRESS_LENGTH_MAX)) return undefined;
  const addresses = addrs.flatMap((text) => readAddress(text) ?? []);
  return typeof seen === 'string' && isIP(seen) !== 0
    ? { protocols, addresses, seen }
    : { protocols, addresses };
}

function isTexts(value: unknown, max: number, lengthMax: number): value is readonly string[] {
  if (!Array.isArray(value) || value.length > max) return false;
  return value.every((one) => typeof one === 'string' && one.length <= lengthMax);
}

function readAddress(text: string): Multiaddr | undefined {
  try {
    return parseAddress(text);
  } catch {
    return undefined;
  }
}
