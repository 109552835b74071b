/** Which budgets a node knows: their terms, who made them, who decides on them, and which of their times is now. */
import { StarlingError } from '../../core/index.ts';
import type { Clock, Did } from '../../core/index.ts';
import { splitRowId } from '../rows/row-format.ts';
import { BUDGETS_MAX } from '../types.ts';
import type { BudgetTerms } from '../types.ts';

/** Budgets of all founders together. */
const TOTAL_MAX = 50_000;
/** Times before the one now whose rows are kept. */
const TIMES_KEPT = 24;

/** What the known budgets work with. */
export interface KnownBudgetsComponents {
  readonly clock: Pick<Clock, 'now'>;
  /** Whether the mesh has recorded that this one was put out. */
  readonly isPutOut: (owner: Did) => boolean;
}

interface Known {
  readonly founder: Did;
  readonly terms: BudgetTerms;
}

/** Finds budgets by id and by name; nothing is on the disk of it. */
export class KnownBudgets {
  readonly #components: KnownBudgetsComponents;
  readonly #known = new Map<string, Known>();
  readonly #perFounder = new Map<Did, number>();
  readonly #named = new Map<string, string[]>();
  /** The newest time of each budget whose row of this node was forgotten. */
  readonly #gone = new Map<string, number>();

  constructor(components: KnownBudgetsComponents) {
    this.#components = components;
  }

  get size(): number {
    return this.#known.size;
  }

  ids(): Iterable<string> {
    return this.#known.keys();
  }

  /** Ids of all that have this name, in the order in which they became known. */
  named(name: string): readonly string[] {
    return this.#named.get(name) ?? [];
  }

  has(id: string): boolean {
    return this.#known.has(id);
  }

  terms(id: string): BudgetTerms | undefined {
    return this.#known.get(id)?.terms;
  }

  founder(id: string): Did | undefined {
    return this.#known.get(id)?.founder;
  }

  learn(id: string, founder: Did, terms: BudgetTerms): void {
    this.#known.set(id, { founder, terms });
    this.#perFounder.set(founder, this.countOf(founder) + 1);
    const named = this.#named.get(terms.name);
    if (named === undefined) this.#named.set(terms.name, [id]);
    else named.push(id);
  }

  /** Forgets a budget that is over. */
  forget(id: string): void {
    const known = this.#known.get(id);
    if (known === undefined) return;
    this.#known.delete(id);
    const { founder, terms } = known;
    const count = this.countOf(founder) - 1;
    if (count > 0) this.#perFounder.set(founder, count);
    else this.#perFounder.delete(founder);
    this.#gone.delete(id);
    const named = this.named(terms.name).filter((one) => one !== id);
    if (named.length > 0) this.#named.set(terms.name, [...named]);
    else this.#named.delete(terms.name);
  }

  /** Ids of all that this one has made. */
  madeBy(founder: Did): readonly string[] {
    return [...this.#known].flatMap(([id, known]) => (known.founder === founder ? [id] : []));
  }

  /** The rows that there may be of a budget: its own, and those of its times. */
  rowIdsOf(id: string): readonly string[] {
    if (this.terms(id)?.everyMs === undefined) return [id];
    const now = this.#timeNow(id);
    const ids = [id];
    for (let time = Math.max(0, now - TIMES_KEPT); time <= now + 1; time += 1) {
      ids.push(`${id}/${time}`);
    }
    return ids;
  }

  /** How many budgets that one has made. */
  countOf(founder: Did): number {
    return this.#perFounder.get(founder) ?? 0;
  }

  /** @throws STARLING_LIMIT_EXCEEDED where no further budget of that founder is kept */
  requirePlace(founder: Did): void {
    if (this.countOf(founder) < BUDGETS_MAX && this.size < TOTAL_MAX) return;
    throw new StarlingError('STARLING_LIMIT_EXCEEDED', 'too many budgets are known already');
  }

  /** Whether that one decides on the budget: its founder, or its successor once the founder is put out. */
  isInCharge(id: string, owner: Did): boolean {
    const known = this.#known.get(id);
    if (known === undefined) return false;
    if (owner === known.founder) return true;
    return known.terms.successor === owner && this.#components.isPutOut(known.founder);
  }

  /** The row in which what is spent now counts: where a clock was set back, none that was forgotten, whose books are closed. */
  rowIdNow(id: string): string {
    const terms = this.terms(id);
    if (terms?.everyMs === undefined) return id;
    const { createdAt, everyMs } = terms;
    const byClock = Math.floor((this.#components.clock.now() - createdAt) / everyMs);
    return `${id}/${Math.max(0, byClock, this.newestGone(id) + 1)}`;
  }

  /** The newest time of the budget whose row of this node was forgotten; -1 where none was. */
  newestGone(id: string): number {
    return this.#gone.get(id) ?? -1;
  }

  /** The row of this node of that time is, or will be, forgotten: nothing is spent in it any more. */
  goneBy(id: string, time: number): void {
    this.#gone.set(id, Math.max(time, this.newestGone(id)));
  }

  /** Whether the row is that of a time which nobody asks for any more. */
  isLongOver(rowId: string): boolean {
    const { id, time } = splitRowId(rowId) ?? { id: rowId };
    return time !== undefined && time < this.#timeNow(id) - TIMES_KEPT;
  }

  /** Whether the budget has such a time; a clock may be ahead, and not by more than one. */
  isSoundTime(rowId: string, id: string, time: number): boolean {
    if (this.terms(id)?.everyMs === undefined || this.isLongOver(rowId)) return false;
    return time <= this.#timeNow(id) + 1;
  }

  #timeNow(id: string): number {
    return splitRowId(this.rowIdNow(id))?.time ?? 0;
  }
}
