/**
 * Closed budgets until they are forgotten. Each owner of a closed budget that holds nothing any more says its last word:
 * its row says closed as well, and it never holds again. Once all have said so the books are final, and the founder may
 * say that the budget is over; then every node forgets its rows, and knows an old one that comes back by its date.
 */
import type { Did, Logger } from '../../core/index.ts';
import { messageOf } from '../../core/index.ts';
import { splitRowId } from '../rows/row-format.ts';
import type { Accounts } from './accounts.ts';
import type { Books } from './book-types.ts';
import type { Dated, Endings } from './endings.ts';
import type { KnownBudgets } from './known-budgets.ts';

/** The newest closed budgets of a node that are kept to be looked at. */
export const CLOSED_KEPT = 1000;

/** What the closings work with. */
export interface ClosingsComponents {
  readonly books: Pick<Books, 'self' | 'isClosed' | 'act' | 'rows' | 'standing'>;
  readonly accounts: Pick<Accounts, 'get'>;
  readonly known: KnownBudgets;
  readonly endings: Endings;
  readonly isPutOut: (owner: Did) => boolean;
  readonly logger: Logger;
}

/** Says last words, and which budgets may be forgotten. */
export class Closings {
  readonly #components: ClosingsComponents;

  constructor(components: ClosingsComponents) {
    this.#components = components;
  }

  /** Whether the founder has said that the budget is over, though rows of it may be here still. */
  isOver(id: string): boolean {
    const { endings, known } = this.#components;
    const [founder, terms] = [known.founder(id), known.terms(id)];
    return (
      founder !== undefined &&
      terms !== undefined &&
      endings.isOver(founder, { id, createdAt: terms.createdAt })
    );
  }

  /** Has this node say its last word of those budgets that are closed and of which it holds nothing. */
  sayLast(rowIds: readonly string[]): void {
    const { books, logger } = this.#components;
    for (const id of new Set(rowIds.map((rowId) => splitRowId(rowId)?.id ?? rowId))) {
      if (!this.#mayFinish(id)) continue;
      books
        .act(id, { closed: true })
        .catch((error: unknown) =>
          logger.warn({ id, error: messageOf(error) }, 'the last word on a budget was not written'),
        );
    }
  }

  /** The budgets of this node that are closed and final, the oldest first. */
  final(): readonly Dated[] {
    const { books, known } = this.#components;
    const parents = new Set<string>();
    const closed: string[] = [];
    for (const id of known.madeBy(books.self)) {
      const parent = known.terms(id)?.parent;
      if (books.isClosed(id)) closed.push(id);
      else if (parent !== undefined) parents.add(parent);
    }
    // What an open budget spends of is not forgotten before that one.
    const final = closed.filter((id) => !parents.has(id) && this.#isFinal(id));
    return this.dated(final).toSorted((a, b) => a.createdAt - b.createdAt);
  }

  /** When budgets that are known were made. */
  dated(ids: readonly string[]): readonly Dated[] {
    const { known } = this.#components;
    return ids.map((id) => ({ id, createdAt: known.terms(id)?.createdAt ?? 0 }));
  }

  /** Owners of a budget whose last word is not here. */
  unsaid(id: string): readonly Did[] {
    const { books, isPutOut, known } = this.#components;
    const last = books.rows(id);
    const unsaid = new Set<Did>();
    for (const rowId of known.rowIdsOf(id)) {
      const rows = books.rows(rowId);
      const standing = books.standing(rowId);
      for (const owner of standing.owners()) {
        const row = rows.get(owner);
        const isPart = row !== undefined || standing.quota(owner) > 0;
        const isLast = last.get(owner)?.acts?.closed === true && (row?.held ?? 0) === 0;
        if (isPart && !isLast && !isPutOut(owner)) unsaid.add(owner);
      }
    }
    return [...unsaid];
  }

  #isFinal(id: string): boolean {
    return this.unsaid(id).length === 0;
  }

  /** Whether this node has a part in the closed budget, holds nothing of it, and has not said so. */
  #mayFinish(id: string): boolean {
    const { accounts, books, known } = this.#components;
    if (!known.has(id) || !books.isClosed(id)) return false;
    if (accounts.get(id)?.acts?.closed === true || this.isOver(id)) return false;
    const own = known.rowIdsOf(id).map((rowId) => accounts.get(rowId));
    if (own.some((one) => one !== undefined && one.held + one.lost > 0)) return false;
    return own.some((one) => one !== undefined) || books.standing(id).quota(books.self) > 0;
  }
}
