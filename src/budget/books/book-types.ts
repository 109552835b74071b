/** The books of one node as the other files of the room see them. */
import type { EventEmitter } from 'node:events';
import type { Clock, Did, Logger } from '../../core/index.ts';
import type { SuccessionView } from '../../grants/index.ts';
import type { FrequentSigner } from '../../identity/index.ts';
import type { Table } from '../../store/index.ts';
import type { Account } from './accounts.ts';
import type { Proof, Standing, actsOf } from '../rows/ledger.ts';
import type { BudgetActs, BudgetRow, BudgetTerms } from '../types.ts';

/** What the books work with. */
export interface BooksComponents {
  readonly table: Table;
  readonly signer: FrequentSigner;
  readonly successions: Pick<SuccessionView, 'origin'>;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Whether the mesh has recorded that this one was put out. */
  readonly isPutOut: (owner: Did) => boolean;
  /** Whether this one is, or was, a member: budgets of anybody else are not kept. All are, where nothing is given. */
  readonly isKnown?: (owner: Did) => boolean;
}

/** An amount that may be spent by one call. */
export interface Hold {
  readonly rowId: string;
  readonly amount: number;
  /**
   * What was spent in the end; the rest is free again. More than was held is booked as far as this node has rights. Once;
   * gives what was booked.
   */
  settle(spent: number): number;
}

/** What happened to rows. */
export interface BooksEvents {
  /** Rows of this node that are newly on the disk. */
  own: [rowIds: readonly string[]];
  /** Rows of others that count newly. */
  others: [rowIds: readonly string[]];
  /** Rows that are here no more. */
  forgotten: [rowIds: readonly string[]];
  /** Somebody has contradicted itself. */
  proof: [rowId: string, proof: Proof];
}

/** A hold as it can be written down, for a later run of the node to take up. */
export interface HeldAmount {
  readonly rowId: string;
  readonly amount: number;
}

/** The books of one node. */
export interface Books {
  readonly events: EventEmitter<BooksEvents>;
  /** This node, by its first key. */
  readonly self: Did;
  load(): Promise<void>;
  /** Makes a budget of this node's; gives its id. @throws STARLING_LIMIT_EXCEEDED */
  found(terms: BudgetTerms): Promise<string>;
  ids(): readonly string[];
  /** How many there are. */
  count(): number;
  /** Ids of all that have this name. */
  named(name: string): readonly string[];
  terms(id: string): BudgetTerms | undefined;
  /** More than that nobody ever has of it. */
  limitOf(id: string): number;
  founderOf(id: string): Did | undefined;
  acts(id: string): ReturnType<typeof actsOf>;
  /** Whether nothing may be held of the budget any more. */
  isClosed(id: string): boolean;
  isInCharge(id: string, owner: Did): boolean;
  /** The row in which what is spent now counts. */
  rowIdNow(id: string): string;
  rows(rowId: string): ReadonlyMap<Did, BudgetRow>;
  proofs(rowId: string): readonly Proof[];
  isFrozen(rowId: string, owner: Did): boolean;
  standing(rowId: string): Standing;
  account(rowId: string): Account | undefined;
  /** What this node may spend or give now. */
  free(rowId: string): number;
  /** Resolves when the hold is on the disk. @throws STARLING_BUDGET_EXHAUSTED, STARLING_BUDGET_CLOSED */
  hold(rowId: string, amount: number): Promise<Hold>;
  /**
   * Takes up a hold of an earlier run, of which what was held is lost: as much of it as nobody has settled since. No more is
   * spent of it than that.
   */
  takeUp(held: HeldAmount): Promise<Hold>;
  /** @throws STARLING_BUDGET_EXHAUSTED, STARLING_BUDGET_CLOSED */
  give(rowId: string, to: Did, amount: number): Promise<void>;
  /** Writes what this node settles as who is in charge, into its row of the budget itself. */
  act(id: string, acts: BudgetActs): Promise<void>;
  /** Says what of {@link Account.lost} was spent; the rest is free again. */
  reconcile(rowId: string, spent: number): Promise<void>;
  /** Whether that one may hold rights of the budget. */
  mayHold(id: string, owner: Did): boolean;
  /** Takes signed rows in whatever order; gives how many were new, and tells which were not looked at. Never throws for bad input. */
  take(texts: readonly string[], refused?: RefusedRow): Promise<number>;
  /** All rows that may leave the node, signed, of one budget or one of its times. */
  texts(rowId: string): readonly SignedRow[];
  /** Signs this node's rows of those at once; more rows of one signature are cheaper for whoever gets them. */
  sign(rowIds: readonly string[]): void;
  /** The same as {@link texts}, by name alone: nothing is signed for it. */
  names(rowId: string): readonly NamedRow[];
  /** All that {@link texts} has something of: what founders said of budgets that are over, and then rows. */
  rowIds(): Iterable<string>;
  /** Forgets rows of times that are long over, and the oldest of this node's closed budgets once their books are final. */
  prune(): Promise<void>;
  /**
   * Says that budgets of this node are over, whoever has not said its last word, and forgets them; false where one stays: it is
   * another founder's, or too many that are kept would have to be told apart from it.
   */
  forget(ids: readonly string[]): Promise<boolean>;
  /** Owners of a closed budget whose last word is not here. */
  unsaid(id: string): readonly Did[];
  idle(): Promise<void>;
  /** Writes what is to be written, once more where the disk has refused, and then no more by itself. */
  close(): Promise<void>;
}

/** A row as lists name it: by owner, number, and the beginning of the hash of what it says. */
export interface NamedRow {
  readonly owner: Did;
  /** 0 for both rows of one that contradicts itself: they go to everybody. */
  readonly seq: number;
  readonly hash: string;
}

/** Hears of a row that nobody can read, and of a budget whose founder is not known here, or not yet. */
export type RefusedRow = (why: 'unreadable' | 'stranger') => void;

/** A row as it travels. */
export interface SignedRow extends NamedRow {
  readonly jws: string;
}
