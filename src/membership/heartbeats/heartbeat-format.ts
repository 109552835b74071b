/** The heartbeat on the wire: deterministic CBOR, bounded, and every field checked on the way in. */
import { encode } from 'cborg';
import { isCount, isObject, isText } from '../../core/index.ts';
import type { Fields } from '../../core/index.ts';
import type { Signer } from '../../identity/index.ts';
import { isAlias } from '../aliases.ts';
import { messageFields } from '../../network/index.ts';
import { parsePeerId } from '../../identity/index.ts';
import type { Accusation } from '../detection/accusations.ts';
import { signedPart } from './heartbeat-signature.ts';
import type { Presence } from '../types.ts';

/** What a node says of itself to everybody, signed. */
export interface Heartbeat {
  /** Which run of the sender this is, about when it began, ms since the epoch: a later one refutes all before. */
  readonly incarnation: number;
  readonly sequence: number;
  readonly status: 'up' | 'leaving';
  /** Digest of the sender's records. */
  readonly records: string;
  readonly presence: Presence;
  /** Peers that the sender suspects, because of what it has seen itself; at most 64. */
  readonly suspects?: readonly Accusation[];
  /** The sender's clock, ms since the epoch; older nodes do not tell it. */
  readonly time?: number;
  /** Read only: there is a signature, which nobody has checked. */
  readonly isSigned?: true;
  /** Told to one peer: the incarnation by which the sender knows it, when it has said an older one. */
  readonly seen?: number;
  /** Told to one peer: the name by which the sender knows it; older nodes do not tell. */
  readonly called?: string;
}

/**
 * Says that its author lives, and that all else is as its last heartbeat said. It goes to all by gossip, which signs it.
 */
export interface Pulse {
  readonly incarnation: number;
  readonly sequence: number;
  /** The author's clock, ms since the epoch. */
  readonly time: number;
}

const VERSION = 1;
/** Of pulses: {@link VERSION} of a heartbeat is another. */
const PULSE_VERSION = 2;
const ADDRESSES_MAX = 6;
const BOARDS_MAX = 64;
const SUSPECTS_MAX = 64;
const OFFERS_MAX = 16;
const TEXT_MAX = 256;
/** The hash of a catalog document: half of a SHA-256. */
const DOCUMENT_HASH = /^[0-9a-f]{32}$/;

/** Encodes a heartbeat, with the signature of `signer`; what is over a bound is left out. */
export function encodeHeartbeat(heartbeat: Heartbeat, signer?: Pick<Signer, 'sign'>): Uint8Array {
  const { presence } = heartbeat;
  const fields = {
    v: VERSION,
    inc: heartbeat.incarnation,
    seq: heartbeat.sequence,
    status: heartbeat.status,
    records: heartbeat.records,
    name: presence.name,
    version: presence.version,
    addrs: presence.addresses.slice(0, ADDRESSES_MAX),
    load: presence.load,
    catalog: presence.catalog,
    boards: Object.fromEntries(Object.entries(presence.boards).slice(0, BOARDS_MAX)),
    ...suspectsField(heartbeat.suspects),
    ...(heartbeat.time === undefined ? {} : { time: heartbeat.time }),
    ...(heartbeat.seen === undefined ? {} : { seen: heartbeat.seen }),
    ...(heartbeat.called === undefined ? {} : { called: heartbeat.called }),
    ...(presence.audit === undefined ? {} : { audit: presence.audit }),
    ...(presence.agents === undefined ? {} : { agents: presence.agents }),
    ...(presence.offers === undefined ? {} : { offers: presence.offers.slice(0, OFFERS_MAX) }),
    ...(presence.lists === undefined
      ? {}
      : { lists: [presence.lists.version, presence.lists.hash] }),
  };
  return encode(
    signer === undefined ? fields : { ...fields, sig: signer.sign(signedPart(fields)) },
  );
}

/** Without a signature: it says only that nothing has changed since the last whole heartbeat. */
export function encodePulse({ incarnation, sequence, time }: Pulse): Uint8Array {
  return encode({ v: PULSE_VERSION, inc: incarnation, seq: sequence, time });
}

/** Decodes what comes by gossip: a heartbeat or a pulse; undefined when it is neither. Never throws. */
export function decodeGossip(
  bytes: Uint8Array,
): { readonly heartbeat: Heartbeat } | { readonly pulse: Pulse } | undefined {
  const fields = messageFields(bytes);
  const { v, inc, seq, time } = fields;
  if (v === PULSE_VERSION) {
    if (!isCount(inc) || !isCount(seq) || !isCount(time)) return undefined;
    return { pulse: { incarnation: inc, sequence: seq, time } };
  }
  const heartbeat = heartbeatOf(fields);
  return heartbeat === undefined ? undefined : { heartbeat };
}

/** Decodes a heartbeat; undefined when it is none. Never throws. */
export function decodeHeartbeat(bytes: Uint8Array): Heartbeat | undefined {
  return heartbeatOf(messageFields(bytes));
}

function heartbeatOf(fields: Fields): Heartbeat | undefined {
  if (fields['v'] !== VERSION) return undefined;
  const { inc, seq, status, records, name, version, addrs, load, catalog, boards } = fields;
  if (!isCount(inc) || !isCount(seq) || !isCount(load)) return undefined;
  if (status !== 'up' && status !== 'leaving') return undefined;
  if (![records, name, version, catalog].every(isShort)) return undefined;
  if (!Array.isArray(addrs) || addrs.length > ADDRESSES_MAX || !addrs.every(isShort))
    return undefined;
  const digests = readDigests(boards);
  if (digests === undefined) return undefined;
  const standing = readStanding(fields['audit']);
  const suspects = readSuspects(fields['suspects']);
  const { time, seen, called, agents } = fields;
  return {
    ...(suspects.length === 0 ? {} : { suspects }),
    ...(isCount(time) ? { time } : {}),
    ...(fields['sig'] instanceof Uint8Array ? { isSigned: true as const } : {}),
    ...(isCount(seen) ? { seen } : {}),
    ...(typeof called === 'string' && isAlias(called) ? { called } : {}),
    incarnation: inc,
    sequence: seq,
    status,
    records: String(records),
    presence: {
      name: String(name),
      version: String(version),
      addresses: addrs.map(String),
      load,
      catalog: String(catalog),
      boards: digests,
      ...(standing === undefined ? {} : { audit: standing }),
      ...(isShort(agents) ? { agents } : {}),
      ...readOffers(fields['offers']),
      ...readLists(fields['lists']),
    },
  };
}

function readDigests(boards: unknown): Readonly<Record<string, string>> | undefined {
  if (!isObject(boards)) return undefined;
  const entries = Object.entries(boards);
  if (entries.length > BOARDS_MAX) return undefined;
  if (!entries.every(([name, digest]) => isShort(name) && isShort(digest))) return undefined;
  return Object.fromEntries(entries.map(([name, digest]) => [name, String(digest)]));
}

function suspectsField(suspects: readonly Accusation[] = []): { readonly suspects?: unknown } {
  if (suspects.length === 0) return {};
  const some = suspects.slice(0, SUSPECTS_MAX);
  return { suspects: some.map(({ peer, incarnation, sequence }) => [peer, incarnation, sequence]) };
}

/** Whom the sender suspects; what is malformed is left out. */
function readSuspects(value: unknown): readonly Accusation[] {
  if (!Array.isArray(value)) return [];
  return (value as readonly unknown[]).slice(0, SUSPECTS_MAX).flatMap((entry) => {
    if (!Array.isArray(entry)) return [];
    const [peer, incarnation, sequence] = entry as readonly unknown[];
    if (!isText(peer, TEXT_MAX) || !isCount(incarnation) || !isCount(sequence)) return [];
    try {
      return [{ peer: parsePeerId(peer), incarnation, sequence }];
    } catch {
      return [];
    }
  });
}

/** Where the sender's audit log stands; what is malformed is left out. */
function readStanding(value: unknown): Presence['audit'] {
  if (typeof value !== 'object' || value === null) return undefined;
  const { seq, hash, at, sig } = value as Readonly<Record<string, unknown>>;
  if (!isCount(seq) || !isCount(at) || !isShort(hash) || !isShort(sig)) return undefined;
  return { seq, hash, at, sig };
}

/** What the sender offers; a list that is none is left out. */
function readOffers(value: unknown): Pick<Presence, 'offers'> {
  if (!Array.isArray(value) || value.length > OFFERS_MAX || !value.every(isShort)) return {};
  return { offers: value.map(String) };
}

/** Which catalog document of the sender counts; what is malformed is left out. */
function readLists(value: unknown): Pick<Presence, 'lists'> {
  if (!Array.isArray(value) || value.length !== 2) return {};
  const [version, hash] = value as readonly unknown[];
  if (!isCount(version) || typeof hash !== 'string' || !DOCUMENT_HASH.test(hash)) return {};
  return { lists: { version, hash } };
}

function isShort(value: unknown): value is string {
  return isText(value, TEXT_MAX);
}
