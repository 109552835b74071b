/** What two nodes say to each other before they dial each other at the same moment. */
import { encode } from 'cborg';
import type { Fields } from '../../core/index.ts';
import { messageFields } from '../streams/message-fields.ts';
import { isOfMachine } from './outside.ts';

/** From where somebody will dial. */
export interface HoleEnd {
  /** Chosen by who asks: both speak of the same try. */
  readonly id: number;
  /** Where this end is seen from outside: an IP address of each family that it has. */
  readonly at: readonly string[];
  /** The TCP port from which it dials. */
  readonly port: number;
}

/** The answer of who can't. */
export interface HoleRefusal {
  readonly id: number;
  readonly why: string;
}

const AT_MAX = 2;
const PORT_MIN = 1024;
const PORT_MAX = 65_535;
const WHY_LENGTH_MAX = 200;

/** Any of the messages as CBOR (RFC 8949). */
export function encodeHole(message: HoleEnd | HoleRefusal | Pick<HoleEnd, 'id'>): Uint8Array {
  return encode(message);
}

/** Decodes one; undefined when it is none, or leads to no machine. Never throws. */
export function decodeHoleEnd(bytes: Uint8Array): HoleEnd | undefined {
  const { id, at, port } = messageFields(bytes);
  if (!isId(id) || !Array.isArray(at) || at.length === 0 || at.length > AT_MAX) return undefined;
  if (!at.every((ip): ip is string => typeof ip === 'string' && isOfMachine(ip))) return undefined;
  if (!isWholeBetween(port, PORT_MIN, PORT_MAX)) return undefined;
  return { id, at, port };
}

/** The id in any of the messages; undefined when there is none. Never throws. */
export function decodeHoleId(bytes: Uint8Array): number | undefined {
  const { id } = messageFields(bytes);
  return isId(id) ? id : undefined;
}

/** Why the other end can't; undefined when the message says nothing of that. Never throws. */
export function decodeHoleRefusal(bytes: Uint8Array): HoleRefusal | undefined {
  const { id, why }: Fields = messageFields(bytes);
  if (!isId(id) || typeof why !== 'string') return undefined;
  return { id, why: why.slice(0, WHY_LENGTH_MAX) };
}

function isId(value: unknown): value is number {
  return isWholeBetween(value, 0, 2 ** 32 - 1);
}

function isWholeBetween(value: unknown, min: number, max: number): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max;
}
