/**
 * What work under way holds of this node's own rows: held when the work begins, settled when the work is over, and
 * taken up again by whatever goes on with the work after a restart.
 */
import { isCount } from '../../core/index.ts';
import type { Did, Logger } from '../../core/index.ts';
import { splitRowId } from '../rows/row-format.ts';
import type { Accounts } from './accounts.ts';
import { closed, exhausted, frozen, noAmount, unknown } from './book-errors.ts';
import type { Books, HeldAmount, Hold } from './book-types.ts';
import type { Closings } from './closings.ts';
import type { KnownBudgets } from './known-budgets.ts';

/** What the holds work with. */
export interface HoldsComponents {
  readonly books: Pick<Books, 'self' | 'free' | 'isClosed' | 'isFrozen'>;
  readonly accounts: Pick<Accounts, 'get' | 'change' | 'settle'>;
  readonly known: Pick<KnownBudgets, 'has' | 'terms'>;
  readonly closings: Pick<Closings, 'sayLast'>;
  readonly logger: Logger;
}

/** Holds, and settles what was held. */
export class Holds {
  readonly #components: HoldsComponents;

  constructor(components: HoldsComponents) {
    this.#components = components;
  }

  /** Resolves when the hold is on the disk. @throws what {@link requireRoom} throws, and what the disk says */
  async hold(rowId: string, amount: number): Promise<Hold> {
    this.requireRoom(rowId, amount);
    await this.#components.accounts.change(rowId, { held: amount });
    return this.#holdOf(rowId, amount);
  }

  /** Takes up a hold of an earlier run: as much of it as nobody has settled since. */
  async takeUp({ rowId, amount }: HeldAmount): Promise<Hold> {
    const { accounts } = this.#components;
    const taken = Math.min(amount, accounts.get(rowId)?.lost ?? 0);
    if (taken > 0) await accounts.change(rowId, { lost: -taken, held: taken });
    const hold = this.#holdOf(rowId, taken);
    return {
      ...hold,
      settle: (spent) => {
        // What was settled before is not booked twice: of that, only what went beyond all that was held is new.
        const beyond = taken > 0 && Number.isFinite(spent) ? Math.max(0, spent - amount) : 0;
        return hold.settle(Math.min(spent, taken) + beyond);
      },
    };
  }

  /**
   * Whether this node may hold or give so much of a row now.
   * @throws STARLING_BUDGET_EXHAUSTED, STARLING_BUDGET_CLOSED, and for an unknown row, a frozen one, and no amount
   */
  requireRoom(rowId: string, amount: number): void {
    const { books, known } = this.#components;
    const id = this.#idOf(rowId);
    const terms = known.terms(id);
    if (terms === undefined) throw unknown(rowId);
    if (!isCount(amount)) throw noAmount(amount);
    if (books.isClosed(id)) throw closed(id, terms);
    const { self } = books;
    if (isFrozen(books, self, id, rowId)) throw frozen(id, terms);
    const left = books.free(rowId);
    if (left < amount) throw exhausted(id, terms, { left, wanted: amount });
  }

  #holdOf(rowId: string, amount: number): Hold {
    const { accounts, books, closings, logger } = this.#components;
    const id = this.#idOf(rowId);
    let isOver = false;
    return {
      rowId,
      amount,
      settle: (spent) => {
        if (isOver) return 0;
        isOver = true;
        // Of what nobody could reckon all that was held may have been spent.
        const whole = Number.isNaN(spent) ? amount : Math.max(0, Math.ceil(spent));
        const more = whole > amount ? Math.min(whole - amount, books.free(rowId)) : 0;
        const booked = Math.min(amount, whole) + more;
        if (whole > booked) {
          logger.warn(
            { rowId, spent: whole, booked },
            'something cost more than was held, and than this node has',
          );
        }
        accounts.settle(rowId, amount, booked);
        if (books.isClosed(id)) closings.sayLast([rowId]);
        return booked;
      },
    };
  }

  /** The budget of a row. Each hold asks, and most rows are those of the budget itself. */
  #idOf(rowId: string): string {
    return this.#components.known.has(rowId) ? rowId : (splitRowId(rowId)?.id ?? rowId);
  }
}

function isFrozen(books: Pick<Books, 'isFrozen'>, self: Did, id: string, rowId: string): boolean {
  return books.isFrozen(id, self) || (rowId !== id && books.isFrozen(rowId, self));
}
