/** Rows of budgets as signed texts: compact JWS by their owner. Read strictly, and bounded before a signature is looked at. */
import { hash } from 'node:crypto';
import { AMOUNT_MAX, StarlingError, isObject } from '../../core/index.ts';
import type { Did } from '../../core/index.ts';
import type { SuccessionView } from '../../grants/index.ts';
import {
  BATCH_MAX,
  decodeBatched,
  decodeJws,
  encodeBatch,
  encodeJws,
  isBatched,
  malformedAs,
} from '../../identity/index.ts';
import type { FrequentSigner } from '../../identity/index.ts';
import { isUnit } from '../amounts.ts';
import { NAME_MAX, OWNERS_MAX } from '../types.ts';
import type { BudgetActs, BudgetRow, BudgetTerms } from '../types.ts';
import { claimReaders } from './claims.ts';
import { sortedText } from './ledger.ts';

/** `typ` of a row's header. */
export const BUDGET_ROW_TYPE = 'starling-budget+jwt';
/** `typ` of the signature over several rows. */
export const BUDGET_BATCH_TYPE = 'starling-budget-batch+jwt';
const WHAT = "an owner's row of a budget";
const ID = /^b[A-Za-z0-9_-]{21}$/;
const ROW_ID = /^(b[A-Za-z0-9_-]{21})(?:\/(\d{1,9}))?$/;
/** What a budget may be called. */
export const BUDGET_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
const FOR_MAX = 200;
/** Of a text that is taken. */
const ROW_BYTES_MAX = 8 * 1024;
/** The shortest time that has a limit of its own. */
const EVERY_MIN_MS = 1000;
/** What sums of amounts stay below: a row that says more is refused. */
export const SUM_MAX = AMOUNT_MAX * OWNERS_MAX;

const malformed = malformedAs(WHAT);
const { countOf, didOf } = claimReaders(malformed);

/** A row that was read; nobody has looked at its signature. */
export interface ReadRow {
  readonly row: BudgetRow;
  /** The key that signs, which may be a later one of the owner's. */
  readonly issuer: Did;
  /** @throws STARLING_GRANT_INVALID */
  verify(): void;
}

/** The id of a budget: nobody but its founder can sign terms that fit it. */
export function budgetIdOf(founder: Did, name: string, createdAt: number): string {
  const text = JSON.stringify([founder, name, createdAt]);
  return `b${hash('sha256', text, 'base64url').slice(0, 21)}`;
}

/** The budget of a row, and the number of its time; undefined for what is no id of a row. */
export function splitRowId(
  rowId: string,
): { readonly id: string; readonly time?: number } | undefined {
  const [whole, id = '', time] = ROW_ID.exec(rowId) ?? [];
  if (whole === undefined) return undefined;
  return time === undefined ? { id } : { id, time: Number(time) };
}

/** By its form alone: nobody need know such a budget. */
export function isBudgetId(text: string): boolean {
  return ID.test(text);
}

/** The beginning of the hash of what a row says, whoever asks and however it is written or signed. */
export function rowHash(row: BudgetRow): string {
  return hash('sha256', sortedText(row), 'base64url').slice(0, 16);
}

/** Signs a row. @throws STARLING_LIMIT_EXCEEDED when it names too many */
export function signRow(signer: FrequentSigner, row: BudgetRow): string {
  const often = { did: signer.did, sign: (message: Uint8Array) => signer.signOften(message) };
  try {
    return encodeJws(often, BUDGET_ROW_TYPE, { iss: signer.did, ...row }, WHAT);
  } catch (error) {
    throw new StarlingError(
      'STARLING_LIMIT_EXCEEDED',
      'a row of this budget would be longer than 8 KiB: it names too many nodes',
      { hint: 'make a second budget for the others', cause: error },
    );
  }
}

/**
 * Signs rows of one owner, as few signatures as there can be: who gets many looks at each signature once.
 * @throws STARLING_LIMIT_EXCEEDED when a row names too many
 */
export function signRows(signer: FrequentSigner, rows: readonly BudgetRow[]): readonly string[] {
  const often = { did: signer.did, sign: (message: Uint8Array) => signer.signOften(message) };
  const texts: string[] = [];
  for (let at = 0; at < rows.length; at += BATCH_MAX) {
    const part = rows.slice(at, at + BATCH_MAX);
    const claims = part.map((row) => ({ iss: signer.did, ...row }));
    const batch = part.length > 1 ? encodeBatch(often, BUDGET_BATCH_TYPE, claims, WHAT) : [];
    for (const [place, row] of part.entries()) {
      const text = batch[place];
      // The way to the root makes a row longer, and one that names many nodes too long.
      const isShort = text !== undefined && text.length <= ROW_BYTES_MAX;
      texts.push(isShort ? text : signRow(signer, row));
    }
  }
  return texts;
}

/** Reads a row, all of it but its signature. @throws STARLING_GRANT_MALFORMED */
export function readRow(jws: string, successions: Pick<SuccessionView, 'origin'>): ReadRow {
  const decoded = isBatched(jws)
    ? decodeBatched(jws, BUDGET_BATCH_TYPE, WHAT)
    : decodeJws(jws, BUDGET_ROW_TYPE, WHAT);
  const claims = decoded.payload;
  if (!isObject(claims)) throw malformed('claims', 'it is no object');
  const { iss, budget, owner, seq, spent, held, out, terms, acts, ...others } = claims;
  const [unknown] = Object.keys(others);
  if (unknown !== undefined) throw malformed('claims', `it has ${unknown}`);
  const issuer = didOf(iss);
  const id = typeof budget === 'string' ? splitRowId(budget) : undefined;
  if (id === undefined) throw malformed('budget', 'it names no budget');
  if (owner !== successions.origin(issuer)) {
    throw malformed('owner', 'its owner is not who signs it');
  }
  const row: BudgetRow = {
    budget: String(budget),
    owner: didOf(owner),
    seq: countOf(seq, 'seq', Number.MAX_SAFE_INTEGER),
    spent: countOf(spent, 'spent', SUM_MAX),
    held: countOf(held, 'held', SUM_MAX),
    out: amountsOf(out, 'out'),
    ...(terms === undefined ? {} : { terms: termsOf(terms) }),
    ...(acts === undefined ? {} : { acts: readActs(acts) }),
  };
  checkTerms(row, id);
  return { row, issuer, verify: () => decoded.verify(issuer) };
}

function checkTerms({ owner, terms, acts }: BudgetRow, id: ReturnType<typeof splitRowId>): void {
  if (id?.time !== undefined && (terms !== undefined || acts !== undefined)) {
    throw malformed('terms', 'terms and acts stand in the row of the budget itself');
  }
  if (terms === undefined) return;
  if (budgetIdOf(owner, terms.name, terms.createdAt) === id?.id) return;
  throw malformed('terms', 'they are not those of this budget by its founder');
}

function termsOf(value: unknown): BudgetTerms {
  if (!isObject(value)) throw malformed('terms', 'they are no object');
  const {
    name,
    unit,
    limit,
    createdAt,
    shares,
    for: whom,
    everyMs,
    parent,
    successor,
    ...others
  } = value;
  const [unknown] = Object.keys(others);
  if (unknown !== undefined) throw malformed('terms', `they have ${unknown}`);
  if (typeof name !== 'string' || name.length > NAME_MAX || !BUDGET_NAME.test(name)) {
    throw malformed('terms', 'their name is none');
  }
  if (!isUnit(unit)) throw malformed('terms', 'their unit is not known here');
  const terms: BudgetTerms = {
    name,
    unit,
    limit: countOf(limit, 'limit', AMOUNT_MAX),
    createdAt: countOf(createdAt, 'createdAt', Number.MAX_SAFE_INTEGER),
    shares: amountsOf(shares, 'shares'),
    ...textIn({ for: whom }, FOR_MAX),
    ...textIn({ parent }, 32),
    ...(everyMs === undefined ? {} : { everyMs: countOf(everyMs, 'everyMs', AMOUNT_MAX) }),
    ...(successor === undefined ? {} : { successor: didOf(successor) }),
  };
  if (terms.everyMs !== undefined && terms.everyMs < EVERY_MIN_MS) {
    throw malformed('terms', 'their time is shorter than a second');
  }
  const shared = Object.values(terms.shares).reduce((total, one) => total + one, 0);
  if (shared > terms.limit) throw malformed('terms', 'they share more than the limit');
  return terms;
}

function readActs(value: unknown): BudgetActs {
  if (!isObject(value)) throw malformed('acts', 'they are no object');
  const { closed, reclaimed, settled, ...others } = value;
  const [unknown] = Object.keys(others);
  if (unknown !== undefined) throw malformed('acts', `they have ${unknown}`);
  if (closed !== undefined && closed !== true) throw malformed('acts', 'closed is not true');
  return {
    ...(closed === true ? { closed } : {}),
    ...(reclaimed === undefined ? {} : { reclaimed: amountsOf(reclaimed, 'reclaimed') }),
    ...(settled === undefined
      ? {}
      : { settled: amountsOf(settled, 'settled', Number.MAX_SAFE_INTEGER) }),
  };
}

function textIn<Key extends string>(
  fields: Readonly<Record<Key, unknown>>,
  max: number,
): Partial<Record<Key, string>> {
  const [entry] = Object.entries(fields);
  const [key, value] = entry ?? [];
  if (key === undefined || value === undefined) return {};
  if (typeof value !== 'string' || value === '' || value.length > max) {
    throw malformed('terms', `${key} is no text of 1 to ${max} characters`);
  }
  return { [key]: value } as Partial<Record<Key, string>>;
}

function amountsOf(value: unknown, what: string, max = SUM_MAX): Readonly<Record<Did, number>> {
  if (!isObject(value)) throw malformed('claims', `${what} is no object`);
  const entries = Object.entries(value);
  if (entries.length > OWNERS_MAX) {
    throw malformed('claims', `${what} names more than ${OWNERS_MAX} nodes`);
  }
  return Object.fromEntries(
    entries.map(([owner, amount]) => [didOf(owner), countOf(amount, what, max)]),
  );
}
