/**
 * Signatures of entries, on boards that were made so: whoever passes an entry on proves who wrote it. A writer signs
 * each entry, and the head of each lane, since a head can do away with what other lanes hold. What is signed
 * is deterministic CBOR (RFC 8949 §4.2) of all that a reader sees, with the id of the board before it.
 */
import { hash } from 'node:crypto';
import { encode } from 'cborg';
import type { Did } from '../../core/index.ts';
import { numbersOf, ownedNumbersOf } from '../lanes/lane-format.ts';
import type { Head, Write } from '../lanes/lane-format.ts';
import type { LaneId } from '../lanes/lane.ts';

/** Signs and checks for one board. */
export interface EntrySignatures {
  /** Whether this board's entries must be signed. */
  readonly isSigned: boolean;
  signEntry(write: Omit<Write, 'sig'>): string;
  signHead(lane: LaneId, head: Head): string;
  isEntryOf(did: Did, write: Write): boolean;
  /** Checks an entry ahead of time: {@link EntrySignatures.isEntryOf} says once more, and at once, what came of it. */
  prove(did: Did, write: Write): void;
  isHeadOf(lane: LaneId, head: Head): boolean;
}

/** What {@link createEntrySignatures} works with. */
export interface EntrySignatureComponents {
  readonly board: string;
  isSigned(): boolean;
  sign(message: Uint8Array): Uint8Array;
  verify(did: Did, message: Uint8Array, signature: Uint8Array): boolean;
}

/** Entries that were checked ahead of time; more: the oldest are checked again. */
const PROVEN_MAX = 4096;
const ENTRY = 'starling-entry/1';
const LANE = 'starling-lane/1';

/** Makes the signatures of the board. */
export function createEntrySignatures(components: EntrySignatureComponents): EntrySignatures {
  const { board } = components;
  const text = (message: Uint8Array): string =>
    Buffer.from(components.sign(message)).toString('base64url');
  const verify = (did: Did, message: Uint8Array, sig: string): boolean =>
    components.verify(did, message, new Uint8Array(Buffer.from(sig, 'base64url')));
  const proven = new Set<string>();
  const proofOf = (did: Did, message: Uint8Array, sig: string): string =>
    `${did} ${sig} ${hash('sha256', message, 'base64url')}`;
  const holds = (did: Did, message: Uint8Array, sig: string | undefined): boolean => {
    if (sig === undefined) return false;
    if (proven.size > 0 && proven.delete(proofOf(did, message, sig))) return true;
    return verify(did, message, sig);
  };
  return {
    get isSigned() {
      return components.isSigned();
    },
    signEntry: (write) => text(entryBytes(board, write)),
    signHead: (lane, head) => text(headBytes(board, lane, head)),
    isEntryOf: (did, write) => {
      const { author, message } = signedBy(board, did, write);
      return author !== undefined && holds(author, message, write.sig);
    },
    prove(did, write) {
      const { author, message } = signedBy(board, did, write);
      if (author === undefined || write.sig === undefined) return;
      if (!verify(author, message, write.sig)) return;
      proven.add(proofOf(author, message, write.sig));
      const [oldest] = proven;
      if (proven.size > PROVEN_MAX && oldest !== undefined) proven.delete(oldest);
    },
    isHeadOf: (lane, head) => holds(lane.did, headBytes(board, lane, head), head.sig),
  };
}

function entryBytes(board: string, write: Omit<Write, 'sig'>): Uint8Array {
  const { key, ms, n, value, until, index, by = null, seen } = write;
  const values = value === undefined ? [] : [value];
  return encode([ENTRY, board, key, ms, n, index, until, by, [...seen], values]);
}

/**
 * Who must have signed a write in a lane of `did`, and what: its author, as the author wrote it. A writer who says that
 * somebody else wrote an entry has no word on that.
 */
function signedBy(
  board: string,
  did: Did,
  write: Write,
): { readonly author: Did | undefined; readonly message: Uint8Array } {
  const { by, isAdopted } = write;
  const author = by === undefined || isAdopted === true ? (by ?? did) : undefined;
  return { author, message: entryBytes(board, { ...write, by: undefined }) };
}

function headBytes(board: string, { did, client, gen }: LaneId, head: Head): Uint8Array {
  const { base, replaces, after, adopts } = head;
  const [old, seen] = [replaces.flatMap(numbersOf), after.flatMap(numbersOf)];
  const more = adopts.length === 0 ? [] : [ownedNumbersOf(adopts)];
  return encode([LANE, board, did, client, gen, base, old, seen, ...more]);
}
