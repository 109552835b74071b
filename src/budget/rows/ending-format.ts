/**
 * What a founder says of its budgets that are over and forgotten, as signed texts. Each speaks of a sixteenth of the founder's
 * budgets, by the first letter of their ids: all that were made up to a time are over, but for those that are named. So its
 * length depends on how many are kept, and not on how many there ever were; an old row that comes back is over by its date.
 */
import { isObject } from '../../core/index.ts';
import type { Did } from '../../core/index.ts';
import type { SuccessionView } from '../../grants/index.ts';
import { decodeJws, encodeJws, malformedAs } from '../../identity/index.ts';
import type { FrequentSigner } from '../../identity/index.ts';
import { claimReaders } from './claims.ts';

/** `typ` of an ending's header. */
export const BUDGET_ENDING_TYPE = 'starling-budget-ending+jwt';
const WHAT = "a founder's word on budgets that are over";
/** Endings of one founder. */
export const ENDING_PARTS = 16;
/** Budgets that one ending names as kept; more would be longer than 8 KiB. */
export const KEPT_MAX = 900;
/** By so many letters of its id a kept budget is named; two of one founder that share them are both kept. */
const NAME_LETTERS = 6;
const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
const NAMES = /^[A-Za-z0-9_-]*$/;
/** How `rowIds` and lists of the sync name an ending. */
const ROW_ID = /^over\/([^/]+)\/(\d{1,2})$/;
const BEGINNING = Buffer.from(
  JSON.stringify({ alg: 'EdDSA', typ: BUDGET_ENDING_TYPE }),
  'utf8',
).toString('base64url');

const malformed = malformedAs(WHAT);
const { countOf, didOf } = claimReaders(malformed);

/** What a founder says of one part of its budgets. */
export interface Ending {
  /** By its first key. */
  readonly founder: Did;
  /** 0 to 15. */
  readonly part: number;
  /** Of two that speak of the same time the one with the higher number counts. */
  readonly seq: number;
  /** Budgets of this part that were made up to then are over, ms since the epoch. */
  readonly until: number;
  /** But for these: letters of their ids, see {@link keptName}. */
  readonly kept: ReadonlySet<string>;
}

/** Which part the budget of that id falls to. */
export function partOf(id: string): number {
  return Math.floor((LETTERS.indexOf(id.charAt(1)) * ENDING_PARTS) / LETTERS.length);
}

/** By which letters an ending names a budget. */
export function keptName(id: string): string {
  return id.slice(2, 2 + NAME_LETTERS);
}

/** How lists name an ending. */
export function endingIdOf(founder: Did, part: number): string {
  return `over/${founder}/${part}`;
}

/** Whether a list names an ending by this. */
export function isEndingId(rowId: string): boolean {
  return ROW_ID.test(rowId);
}

/** Whether the text says that it is an ending; nothing else is looked at. */
export function isEndingText(jws: string): boolean {
  return jws.startsWith(`${BEGINNING}.`);
}

/** Signs an ending. @throws STARLING_GRANT_MALFORMED where more are kept than {@link KEPT_MAX} */
export function signEnding(signer: FrequentSigner, ending: Ending): string {
  const often = { did: signer.did, sign: (message: Uint8Array) => signer.signOften(message) };
  const { founder, part, seq, until, kept } = ending;
  const names = [...kept].toSorted().join('');
  const claims = { iss: signer.did, founder, part, seq, until, kept: names };
  return encodeJws(often, BUDGET_ENDING_TYPE, claims, WHAT);
}

/** An ending that was read; nobody has looked at its signature. */
export interface ReadEnding {
  readonly ending: Ending;
  /** @throws STARLING_GRANT_INVALID */
  verify(): void;
}

/** Reads an ending, all of it but its signature. @throws STARLING_GRANT_MALFORMED */
export function readEnding(jws: string, successions: Pick<SuccessionView, 'origin'>): ReadEnding {
  const decoded = decodeJws(jws, BUDGET_ENDING_TYPE, WHAT);
  const claims = decoded.payload;
  if (!isObject(claims)) throw malformed('claims', 'it is no object');
  const { iss, founder, part, seq, until, kept, ...others } = claims;
  const [unknown] = Object.keys(others);
  if (unknown !== undefined) throw malformed('claims', `it has ${unknown}`);
  const issuer = didOf(iss);
  if (founder !== successions.origin(issuer)) {
    throw malformed('founder', 'its founder is not who signs it');
  }
  if (typeof kept !== 'string' || !NAMES.test(kept) || kept.length % NAME_LETTERS !== 0) {
    throw malformed('kept', 'it does not say which budgets are kept');
  }
  const names: string[] = [];
  for (let at = 0; at < kept.length; at += NAME_LETTERS) {
    names.push(kept.slice(at, at + NAME_LETTERS));
  }
  const ending = {
    founder: didOf(founder),
    part: countOf(part, 'part', ENDING_PARTS - 1),
    seq: countOf(seq, 'seq', Number.MAX_SAFE_INTEGER),
    until: countOf(until, 'until', Number.MAX_SAFE_INTEGER),
    kept: new Set(names),
  };
  return { ending, verify: () => decoded.verify(issuer) };
}
