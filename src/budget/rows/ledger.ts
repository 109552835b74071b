/**
 * A bounded counter with escrow (Balegas et al. 2015, "Extending eventually consistent cloud databases for
 * enforcing numeric invariants"): one budget, or one of its times, as the rows of its owners that are here. Each
 * owner alone writes its row, and a higher number takes the place of a lower one. What an owner has is
 *
 *   begun with + received − given − spent − held,
 *
 * and a gift counts once the row of its giver is here. Two rows of one number, and a row that takes back what an
 * earlier one said, are proof that their owner lies, or that its state folder was set back: from then on that owner's
 * later rows wait until whoever is in charge has settled that. Pure.
 */
import { isObject } from '../../core/index.ts';
import type { Did } from '../../core/index.ts';
import type { BudgetActs, BudgetRow, BudgetTerms } from '../types.ts';

/** What became of a row. */
export type Taken =
  /** It counts. */
  | 'new'
  /** It, or a later one, is here. */
  | 'known'
  /** It contradicts one that is here: both are kept as proof, and the owner is frozen. */
  | 'proof'
  /** Its owner is frozen. */
  | 'frozen';

/** Two rows that one honest owner can't both have signed. */
export interface Proof {
  readonly owner: Did;
  readonly rows: readonly [BudgetRow, BudgetRow];
}

/** Who decides on a budget: the founder, or a successor once the founder is put out. */
export type IsInCharge = (owner: Did) => boolean;

/** Rows of one budget, or of one of its times. */
export interface Ledger {
  /** Takes a row whose signature holds. */
  take(row: BudgetRow): Taken;
  row(owner: Did): BudgetRow | undefined;
  rows(): ReadonlyMap<Did, BudgetRow>;
  proofs(): readonly Proof[];
  isFrozen(owner: Did): boolean;
}

/** Makes a ledger; `settledUpTo` says up to which number an owner's contradictions are settled. */
export function createLedger(settledUpTo: (owner: Did) => number): Ledger {
  return new OwnersRows(settledUpTo);
}

class OwnersRows implements Ledger {
  readonly #rows = new Map<Did, BudgetRow>();
  readonly #proofs = new Map<Did, Proof>();
  readonly #settledUpTo: (owner: Did) => number;

  constructor(settledUpTo: (owner: Did) => number) {
    this.#settledUpTo = settledUpTo;
  }

  take(row: BudgetRow): Taken {
    const { owner } = row;
    const known = this.#rows.get(owner);
    if (known === undefined) {
      this.#rows.set(owner, row);
      return 'new';
    }
    const isFrozen = this.isFrozen(owner);
    if (row.seq < known.seq || isSame(row, known)) return 'known';
    if (row.seq === known.seq || takesBack(known, row)) {
      // After a settled contradiction the row that goes on may be any that the owner has agreed to.
      if (row.seq > known.seq && this.#proofs.has(owner) && !isFrozen) return this.#goOn(row);
      if (isFrozen) return 'frozen';
      this.#proofs.set(owner, { owner, rows: [known, row] });
      this.#rows.set(owner, joined(known, row));
      return 'proof';
    }
    if (isFrozen) return 'frozen';
    return this.#goOn(row);
  }

  row(owner: Did): BudgetRow | undefined {
    return this.#rows.get(owner);
  }

  rows(): ReadonlyMap<Did, BudgetRow> {
    return this.#rows;
  }

  proofs(): readonly Proof[] {
    return [...this.#proofs.values()];
  }

  isFrozen(owner: Did): boolean {
    const proof = this.#proofs.get(owner);
    if (proof === undefined) return false;
    return Math.max(proof.rows[0].seq, proof.rows[1].seq) > this.#settledUpTo(owner);
  }

  #goOn(row: BudgetRow): 'new' {
    // What was signed once was signed: a settled owner can't take back a gift or what it has spent.
    const known = this.#rows.get(row.owner);
    const isWhole = known === undefined || !this.#proofs.has(row.owner);
    this.#rows.set(row.owner, isWhole ? row : { ...joined(known, row), held: row.held });
    return 'new';
  }
}

/** What can be said of a budget by the rows that are here. */
export interface Standing {
  /** What the owner has by its own row; below 0 only of one that lies, and while rows are missing. */
  quota(owner: Did): number;
  /** The part of it that is covered: what somebody gave who does not have as much counts for nothing. */
  free(owner: Did): number;
  /** All whom rows, shares or gifts name, the founder first. */
  owners(): readonly Did[];
}

/** The rows of a budget with what decides on them. */
export interface StandingInit {
  readonly terms: BudgetTerms;
  readonly founder: Did;
  readonly rows: ReadonlyMap<Did, BudgetRow>;
  readonly reclaimed: Readonly<Record<Did, number>>;
}

/** Reckons what each owner has. */
export function standingOf({ terms, founder, rows, reclaimed }: StandingInit): Standing {
  const received = new Map<Did, number>();
  for (const { out } of rows.values()) {
    for (const [to, amount] of entriesOf(out)) received.set(to, (received.get(to) ?? 0) + amount);
  }
  const shared = sum(Object.values(terms.shares));
  const takenBack = sum(Object.values(reclaimed));
  const begunWith = (owner: Did): number =>
    owner === founder ? terms.limit - shared + takenBack : (terms.shares[owner] ?? 0);
  const quota = (owner: Did): number => {
    const row = rows.get(owner);
    const gone = row === undefined ? 0 : sum(Object.values(row.out)) + row.spent + row.held;
    return begunWith(owner) + (received.get(owner) ?? 0) - gone - (reclaimed[owner] ?? 0);
  };
  const coveredOf = (owner: Did, lacks: ReadonlyMap<Did, number>): number => {
    let covered = quota(owner);
    for (const [giver, { out }] of rows) {
      if (giver !== owner) covered -= Math.min(out[owner] ?? 0, lacks.get(giver) ?? 0);
    }
    return covered;
  };
  let known: ReadonlyMap<Did, number> | undefined;
  const lacks = (): ReadonlyMap<Did, number> => (known ??= lacksOf([...rows.keys()], coveredOf));
  return {
    quota,
    free: (owner) => Math.max(0, coveredOf(owner, lacks())),
    owners: () => [
      ...new Set<Did>([
        founder,
        ...rows.keys(),
        ...entriesOf(terms.shares).map(([owner]) => owner),
        ...received.keys(),
      ]),
    ],
  };
}

/**
 * What each owner has given, spent or held beyond what it has. Who was given what nobody had, lacks it as well: a lack goes
 * from gift to gift, as often as there are owners at the most.
 */
function lacksOf(
  owners: readonly Did[],
  coveredOf: (owner: Did, lacks: ReadonlyMap<Did, number>) => number,
): ReadonlyMap<Did, number> {
  const lacks = new Map<Did, number>();
  for (let round = 0; round <= owners.length; round += 1) {
    let isChanged = false;
    for (const owner of owners) {
      const lack = -coveredOf(owner, lacks);
      if (lack <= (lacks.get(owner) ?? 0)) continue;
      lacks.set(owner, lack);
      isChanged = true;
    }
    if (!isChanged) break;
  }
  return lacks;
}

/** All acts that count: those of the founder's row, and of a successor's while that one is in charge. */
export function actsOf(
  said: Iterable<readonly [Did, BudgetActs | undefined]>,
  isInCharge: IsInCharge,
): Required<Omit<BudgetActs, 'closed'>> & { readonly closed: boolean } {
  const reclaimed: Record<Did, number> = {};
  const settled: Record<Did, number> = {};
  let closed = false;
  for (const [owner, acts] of said) {
    if (acts === undefined || !isInCharge(owner)) continue;
    closed ||= acts.closed === true;
    raise(reclaimed, acts.reclaimed ?? {});
    raise(settled, acts.settled ?? {});
  }
  return { reclaimed, settled, closed };
}

/** The entries of a record of owners. */
export function entriesOf(
  record: Readonly<Record<Did, number>>,
): readonly (readonly [Did, number])[] {
  return Object.entries(record) as [Did, number][];
}

/** In each place the higher amount of the two. */
export function raise(
  into: Record<Did, number>,
  by: Readonly<Record<Did, number>>,
): Record<Did, number> {
  for (const [owner, amount] of entriesOf(by)) into[owner] = Math.max(into[owner] ?? 0, amount);
  return into;
}

/** The two at once: nothing is forgotten that one of them says. */
function joined(one: BudgetRow, other: BudgetRow): BudgetRow {
  const last = one.seq > other.seq ? one : other;
  const first = last === one ? other : one;
  const acts = joinedActs(first.acts, last.acts);
  const terms = first.terms ?? last.terms;
  return {
    budget: last.budget,
    owner: last.owner,
    seq: last.seq,
    spent: Math.max(one.spent, other.spent),
    held: Math.max(one.held, other.held),
    out: raise({ ...one.out }, other.out),
    ...(terms === undefined ? {} : { terms }),
    ...(acts === undefined ? {} : { acts }),
  };
}

function joinedActs(
  one: BudgetActs | undefined,
  other: BudgetActs | undefined,
): BudgetActs | undefined {
  if (one === undefined || other === undefined) return one ?? other;
  return {
    ...(one.closed === true || other.closed === true ? { closed: true } : {}),
    reclaimed: raise({ ...one.reclaimed }, other.reclaimed ?? {}),
    settled: raise({ ...one.settled }, other.settled ?? {}),
  };
}

/** What was spent, given or settled is so for ever, and so are the terms. */
function takesBack(before: BudgetRow, after: BudgetRow): boolean {
  if (after.spent < before.spent || lowers(before.out, after.out)) return true;
  if (before.terms !== undefined && !isSameValue(before.terms, after.terms)) return true;
  const [was, is] = [before.acts, after.acts];
  if (was?.closed === true && is?.closed !== true) return true;
  return (
    lowers(was?.reclaimed ?? {}, is?.reclaimed ?? {}) ||
    lowers(was?.settled ?? {}, is?.settled ?? {})
  );
}

function lowers(
  before: Readonly<Record<Did, number>>,
  after: Readonly<Record<Did, number>>,
): boolean {
  return entriesOf(before).some(([owner, amount]) => (after[owner] ?? -1) < amount);
}

/** Whether two rows say the same, in whatever order their words come. */
export function isSame(one: BudgetRow, other: BudgetRow): boolean {
  return one.seq === other.seq && isSameValue(one, other);
}

/** Both were read or made with their keys in one order. */
function isSameValue(one: unknown, other: unknown): boolean {
  return one === other || sortedText(one) === sortedText(other);
}

/** The text of a value, the same in whatever order its fields come. Not by a replacer: each row that comes is hashed by it. */
export function sortedText(value: unknown): string {
  if (!isObject(value)) return JSON.stringify(value);
  let text = '';
  for (const key of Object.keys(value).toSorted()) {
    const inner = value[key];
    if (inner === undefined) continue;
    text += `${text === '' ? '' : ','}${JSON.stringify(key)}:${sortedText(inner)}`;
  }
  return `{${text}}`;
}

function sum(amounts: readonly number[]): number {
  return amounts.reduce((total, amount) => total + amount, 0);
}
