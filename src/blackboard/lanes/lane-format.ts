/**
 * What stands in a lane's Yjs document: the map `e` of key to entry, which the lane's owner alone writes, and
 * in the map `lane` its head, the first item of all. Names are short because each entry carries them.
 */
import { createHash } from 'node:crypto';
import { isCount, isObject } from '../../core/index.ts';
import type { Did, Json } from '../../core/index.ts';
import { COUNT_END } from './stamp.ts';

/** The map of entries. */
export const ENTRIES = 'e';
/** The map that holds a lane's head. */
export const LANE = 'lane';
/** The one key of the map {@link LANE}. */
export const HEAD = 'head';

/** How much a writer had seen of others: mark of the other writer and how many writes of that one, in turn. */
export type Seen = readonly number[];

/** What a writer put under a key, or that it deleted the key. */
export interface Write {
  readonly key: string;
  readonly ms: number;
  readonly n: number;
  /** Undefined when the write deletes the key. */
  readonly value: Json | undefined;
  /** When the entry ends, ms since the epoch; 0: never. */
  readonly until: number;
  /** How many writes its writer has made with it. */
  readonly index: number;
  /** Who wrote it first, when that is not the lane's owner, who only carries it. */
  readonly by: Did | undefined;
  /** It stands as its author wrote it: `index`, `seen` and `sig` are the author's. */
  readonly isAdopted?: true | undefined;
  readonly seen: Seen;
  /** Its writer's signature, base64url; see `entry-signatures.ts`. */
  readonly sig?: string | undefined;
}

/** How far a lane was seen: `clock` is that of Yjs. */
export interface Place {
  readonly client: number;
  readonly gen: number;
  readonly clock: number;
}

/** How far the lane of a writer was seen, and whose it is. */
export interface OwnedPlace extends Place {
  readonly did: Did;
}

/** How far a lane was seen, and maybe whose it is. */
export type SeenPlace = OwnedPlace | (Place & { readonly did?: undefined });

/** What a lane begins with. */
export interface Head {
  /** The lane stands for those it replaces once its clock is at least this. */
  readonly base: number;
  /** Lanes of the same writer, up to these clocks, that are not needed any more. */
  readonly replaces: readonly Place[];
  /** What its owner had seen of others' lanes: nothing is replaced where less was seen. */
  readonly after: readonly Place[];
  /** Lanes of other writers, up to these clocks, whose entries it carries; see `document/adoption.ts`. */
  readonly adopts: readonly OwnedPlace[];
  /** Its owner's signature, base64url; see `entry-signatures.ts`. */
  readonly sig?: string | undefined;
}

/** A write as it stands in the document. */
export interface RawWrite {
  readonly v?: Json;
  readonly m: number;
  readonly n?: number;
  readonly i: number;
  readonly u?: number;
  readonly b?: string;
  readonly a?: 1;
  readonly s?: readonly number[];
  readonly g?: string;
}

/** A head as it stands in the document. */
export interface RawHead {
  readonly b: number;
  readonly r: readonly number[];
  readonly a: readonly number[];
  readonly x?: readonly (number | string)[];
  readonly g?: string;
}

/** Other writers that a write says it had seen, at the most. */
export const SEEN_MAX = 64;
/** The most writes that a writer is said to have made: who says more of somebody leaves that one no number. */
export const INDEX_MAX = Number.MAX_SAFE_INTEGER - 1;
/** Lanes that a head names, of each kind. */
export const PLACES_MAX = 4096;

const DID = /^did:key:[A-Za-z0-9]{1,128}$/;
const TIME_END = 2 ** 48;
const CLIENTS = 2 ** 32;
const MARKS = 2 ** 31;
const SIGNATURE = /^[A-Za-z0-9_-]{86}$/;
const NO_SEEN: Seen = Object.freeze([]);

/** What a writer is called in {@link Seen}: 31 bits of a hash. */
export function markOf(did: string): number {
  return createHash('sha256').update(did).digest().readUInt32BE(0) % MARKS;
}

/** By its form alone: whether it is a key is found out where a signature is verified. */
export function isDid(value: unknown): value is Did {
  return typeof value === 'string' && DID.test(value);
}

/** A write as it is put into the document. */
export function rawWrite(write: Omit<Write, 'key'>): RawWrite {
  const { value, ms, n, index, until, by, seen, sig } = write;
  return {
    ...(value === undefined ? {} : { v: value }),
    m: ms,
    ...(n === 0 ? {} : { n }),
    i: index,
    ...(until === 0 ? {} : { u: until }),
    ...(by === undefined ? {} : { b: by }),
    ...(seen.length === 0 ? {} : { s: seen }),
    ...(sig === undefined ? {} : { g: sig }),
  };
}

/** A write as it was read from a document that `isWrite` has let through. */
export function writeOf(key: string, raw: RawWrite): Write {
  const { v, m, n = 0, i, u = 0, b, a, s = NO_SEEN, g } = raw;
  const by = b as Did | undefined;
  const write = { key, ms: m, n, value: v, until: u, index: i, by, seen: s };
  if (a === undefined && g === undefined) return write;
  return { ...write, ...(a && { isAdopted: true }), ...(g !== undefined && { sig: g }) };
}

/** Whether JSON is a write as {@link rawWrite} gives one. */
export function isWrite(value: Json): boolean {
  const raw = membersOf(value);
  if (raw === undefined) return false;
  const { m, n, i, u, b, a, s, g } = raw;
  if (a !== undefined && (a !== 1 || b === undefined)) return false;
  if (g !== undefined && !isSignature(g)) return false;
  if (!isBelow(m, TIME_END) || !isBelow(i) || (b !== undefined && !isDid(b))) return false;
  if (n !== undefined && (!isBelow(n, COUNT_END) || n === 0)) return false;
  if (u !== undefined && (!isBelow(u, TIME_END) || u === 0)) return false;
  return s === undefined || (isNumbers(s, SEEN_MAX * 2) && s.length % 2 === 0 && s.length > 0);
}

/** A head as it is put into the document. */
export function rawHead({ base, replaces, after, adopts, sig }: Head): RawHead {
  const places = { b: base, r: replaces.flatMap(numbersOf), a: after.flatMap(numbersOf) };
  const head = adopts.length === 0 ? places : { ...places, x: ownedNumbersOf(adopts) };
  return sig === undefined ? head : { ...head, g: sig };
}

/** Reads a head; undefined when it is none. */
export function headOf(value: unknown): Head | undefined {
  const raw = membersOf(value as Json);
  if (raw === undefined || !isBelow(raw['b']) || raw['b'] === 0) return undefined;
  const replaces = placesOf(raw['r']);
  const after = placesOf(raw['a']);
  if (replaces === undefined || after === undefined) return undefined;
  const adopts = raw['x'] === undefined ? [] : ownedPlacesOf(raw['x']);
  if (adopts === undefined) return undefined;
  const { g } = raw;
  if (g === undefined) return { base: raw['b'], replaces, after, adopts };
  return isSignature(g) ? { base: raw['b'], replaces, after, adopts, sig: g } : undefined;
}

/** Places as a row of numbers. */
export function numbersOf({ client, gen, clock }: Place): number[] {
  return [client, gen, clock];
}

/** Reads places from a row of numbers; undefined when they are none. */
export function placesOf(value: unknown): readonly Place[] | undefined {
  if (!isNumbers(value, PLACES_MAX * 3) || value.length % 3 !== 0) return undefined;
  const places: Place[] = [];
  for (let at = 0; at < value.length; at += 3) {
    const [client = 0, gen = 0, clock = 0] = value.slice(at, at + 3);
    if (client >= CLIENTS) return undefined;
    places.push({ client, gen, clock });
  }
  return places;
}

/** Places and whose they are as a row, as a head and its signature have those that it adopts. */
export function ownedNumbersOf(places: readonly OwnedPlace[]): (number | string)[] {
  return places.flatMap((place) => [place.did, ...numbersOf(place)]);
}

/** Reads places and whose they are from a row; undefined when they are none. */
export function ownedPlacesOf(value: unknown): readonly OwnedPlace[] | undefined {
  if (!Array.isArray(value) || value.length > PLACES_MAX * 4 || value.length % 4 !== 0) {
    return undefined;
  }
  const places: OwnedPlace[] = [];
  for (let at = 0; at < value.length; at += 4) {
    const did: unknown = value[at];
    const [place] = placesOf(value.slice(at + 1, at + 4)) ?? [];
    if (!isDid(did) || place === undefined) return undefined;
    places.push({ did, ...place });
  }
  return places;
}

/** Whether a value is a whole number from zero and below `end`. */
export function isBelow(value: unknown, end = Number.MAX_SAFE_INTEGER): value is number {
  return isCount(value) && value < end;
}

/** Whether a value can be the client id of a lane. */
export function isClient(value: unknown): value is number {
  return isBelow(value, CLIENTS);
}

function isSignature(value: unknown): value is string {
  return typeof value === 'string' && SIGNATURE.test(value);
}

function isNumbers(value: unknown, max: number): value is readonly number[] {
  return Array.isArray(value) && value.length <= max && value.every((one) => isBelow(one));
}

/** Members that a later version adds are let through: a lane begun anew keeps them. */
function membersOf(value: Json | undefined): Readonly<Partial<Record<string, Json>>> | undefined {
  return isObject(value) ? value : undefined;
}
