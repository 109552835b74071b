/** What members say to each other of budgets on `/starling/budgets/1`, and in frames of the same kind: CBOR, bounded. */
import { encode } from 'cborg';
import { isText } from '../../core/index.ts';
import { messageFields } from '../../network/index.ts';

/** Rows, or entries of lists, in one message at the most; the rest goes in further ones. */
export const ENTRIES_PER_MESSAGE = 512;
/** Budgets and times that one node names. */
const LIST_MAX = 200_000;
const TEXT_MAX = 128;

/** An owner's row as lists name it: number, and the beginning of the hash of what it says. */
export type RowName = readonly [owner: string, seq: number, hash: string];

/** One message of an exchange; who begins says `have`. */
export type BudgetMessage =
  /** The digest of the rows of each budget, or time of one, that the sender has. */
  | { readonly t: 'have'; readonly digests: readonly (readonly [rowId: string, digest: string])[] }
  /** Which rows the sender has of budgets whose digests differ; `last` says that no further list comes. */
  | {
      readonly t: 'list';
      readonly rows: readonly (readonly [string, readonly RowName[]])[];
      readonly last: boolean;
    }
  /** Signed rows. */
  | { readonly t: 'rows'; readonly jws: readonly string[] };

/** CBOR. */
export function encodeBudgetMessage(message: BudgetMessage): Uint8Array {
  return encode(message);
}

/** Decodes a message; undefined when it is none. Never throws. */
export function decodeBudgetMessage(bytes: Uint8Array): BudgetMessage | undefined {
  const { t, digests, rows, last, jws } = messageFields(bytes);
  if (t === 'have' && isList(digests, LIST_MAX) && digests.every(isDigest)) return { t, digests };
  if (t === 'list' && typeof last === 'boolean') {
    if (isList(rows, ENTRIES_PER_MESSAGE) && rows.every(isNames)) return { t, rows, last };
  }
  if (t === 'rows' && isList(jws, ENTRIES_PER_MESSAGE) && jws.every((one) => isText(one)))
    return { t, jws };
  return undefined;
}

function isList(value: unknown, max: number): value is readonly unknown[] {
  return Array.isArray(value) && value.length <= max;
}

function isShort(value: unknown): value is string {
  return isText(value, TEXT_MAX);
}

function isDigest(one: unknown): one is readonly [string, string] {
  return isList(one, 2) && one.length === 2 && one.every(isShort);
}

function isNames(one: unknown): one is readonly [string, readonly RowName[]] {
  if (!isList(one, 2) || !isShort(one[0])) return false;
  const names = one[1];
  return isList(names, ENTRIES_PER_MESSAGE) && names.every(isName);
}

function isName(one: unknown): one is RowName {
  if (!isList(one, 3) || one.length !== 3) return false;
  return isShort(one[0]) && Number.isSafeInteger(one[1]) && isShort(one[2]);
}
