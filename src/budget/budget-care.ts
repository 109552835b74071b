/** What the operator decides when something went wrong: holds of calls that were cut off, stranded rights, contradictions. */
import { StarlingError } from '../core/index.ts';
import type { Did, Health } from '../core/index.ts';
import type { Books } from './books/book-types.ts';
import type { BudgetNames } from './budget-names.ts';
import type { BudgetHistory } from './history.ts';
import { splitRowId } from './rows/row-format.ts';

/** Health warning while somebody has contradicted itself. */
const CONTRADICTED = 'budget-contradiction';
/** Health warning while calls that the node was cut off in hold amounts. */
const LOST = 'budget-lost-holds';
/** Budgets that a warning names. */
const NAMED_MAX = 5;

/** What the care works with. */
export interface CareComponents {
  readonly books: Books;
  readonly names: BudgetNames;
  readonly history: Pick<BudgetHistory, 'note'>;
  /** Whether the mesh has recorded that this one was put out. */
  readonly isPutOut: (did: Did) => boolean;
  readonly health: Pick<Health, 'raise' | 'clear'>;
}

/** Takes care of what went wrong with the budgets of a node. */
export class BudgetCare {
  readonly #components: CareComponents;

  constructor(components: CareComponents) {
    this.#components = components;
  }

  /** @throws STARLING_CALL_REFUSED where another node decides on the budget */
  requireInCharge(id: string): void {
    const { books, names } = this.#components;
    if (books.isInCharge(id, books.self)) return;
    const founder = names.owner(books.founderOf(id) ?? ('' as Did));
    throw new StarlingError('STARLING_CALL_REFUSED', `the budget is that of ${founder}`, {
      hint: `run the same command on ${founder}`,
    });
  }

  /** @throws STARLING_CALL_REFUSED where another node has made the budget: no other word has all forget it */
  requireFounder(id: string): void {
    const { books, names } = this.#components;
    this.requireInCharge(id);
    if (books.founderOf(id) === books.self) return;
    const name = books.terms(id)?.name ?? id;
    const founder = names.owner(books.founderOf(id) ?? ('' as Did));
    throw new StarlingError(
      'STARLING_CALL_REFUSED',
      `only ${founder}, which has made budget '${name}', could have all nodes forget it; a successor closes it`,
      { hint: `close it, so that nothing is spent of it any more: starling budget close ${name}` },
    );
  }

  /** What taking back the rights of an owner would give. @throws STARLING_CALL_REFUSED for a member */
  stranded(id: string, owner: Did): number {
    const { books, isPutOut, names } = this.#components;
    this.requireInCharge(id);
    if (!isPutOut(owner)) {
      throw new StarlingError(
        'STARLING_CALL_REFUSED',
        `${names.owner(owner)} is a member still: it may be spending its rights, whether it can be reached or not`,
        { hint: `put it out first: starling peers remove ${names.owner(owner)}` },
      );
    }
    return Math.max(0, books.standing(id).quota(owner));
  }

  /** Takes stranded rights back. @throws STARLING_CALL_REFUSED */
  async reclaim(id: string, owner: Did): Promise<void> {
    const { books, history, names } = this.#components;
    const amount = this.stranded(id, owner);
    const before = books.acts(id).reclaimed[owner] ?? 0;
    await books.act(id, { reclaimed: { [owner]: before + amount } });
    history.note(id, { what: 'reclaimed', amount, who: names.owner(owner) });
  }

  /** Says what of the lost holds was spent: of those of the time that is now, then of those before it. */
  async reconcile(id: string, spent: number): Promise<void> {
    const { books, history, names } = this.#components;
    let left = spent;
    const rowIds = names.rowIdsOf(id).filter((rowId) => (books.account(rowId)?.lost ?? 0) > 0);
    for (const rowId of rowIds.toSorted((a, b) => timeOf(b) - timeOf(a))) {
      const lost = books.account(rowId)?.lost ?? 0;
      await books.reconcile(rowId, Math.min(lost, left));
      left -= Math.min(lost, left);
    }
    history.note(id, { what: 'settled', amount: spent - left });
    this.tellLost();
  }

  /** Settles that an owner has said two things. @throws STARLING_CALL_REFUSED; STARLING_USAGE where it has not */
  async settle(id: string, owner: Did): Promise<void> {
    const { books, history, names } = this.#components;
    this.requireInCharge(id);
    const seqs = names.rowIdsOf(id).flatMap((rowId) =>
      books
        .proofs(rowId)
        .filter((one) => one.owner === owner)
        .flatMap(({ rows }) => rows.map(({ seq }) => seq)),
    );
    if (seqs.length === 0) {
      throw new StarlingError(
        'STARLING_USAGE',
        `${names.owner(owner)} has not contradicted itself here`,
        { hint: `see: starling budget show ${books.terms(id)?.name ?? id}` },
      );
    }
    await books.act(id, { settled: { [owner]: Math.max(...seqs) } });
    history.note(id, { what: 'settled', who: names.owner(owner) });
    this.tellContradictions();
  }

  /** Somebody has contradicted itself. */
  contradicted(rowId: string, owner: Did): void {
    const { history, names } = this.#components;
    const id = splitRowId(rowId)?.id ?? rowId;
    history.note(id, { what: 'contradiction', who: names.owner(owner) });
    this.tellContradictions();
  }

  /** Warns while somebody is frozen. */
  tellContradictions(): void {
    const { books, health, names } = this.#components;
    for (const rowId of books.rowIds()) {
      const liar = books.proofs(rowId).find(({ owner }) => books.isFrozen(rowId, owner));
      if (liar === undefined) continue;
      const name = books.terms(splitRowId(rowId)?.id ?? rowId)?.name ?? rowId;
      const who = names.owner(liar.owner);
      return health.raise({
        code: CONTRADICTED,
        text: `${who} has signed two things of what it spent of budget '${name}': its state folder was set back, or it lies; what it gives counts no more`,
        hint: `when it is known why, on the node that made the budget: starling budget reclaim ${name} ${who} --settle`,
      });
    }
    return health.clear(CONTRADICTED);
  }

  /** Warns while calls that this node was cut off in hold amounts. */
  tellLost(): void {
    const { books, health } = this.#components;
    const lost = [...books.rowIds()].filter((rowId) => (books.account(rowId)?.lost ?? 0) > 0);
    if (lost.length === 0) return health.clear(LOST);
    const names = [
      ...new Set(lost.map((rowId) => books.terms(splitRowId(rowId)?.id ?? rowId)?.name ?? rowId)),
    ];
    return health.raise({
      code: LOST,
      text: `this node was cut off in calls that had amounts held of ${names.slice(0, NAMED_MAX).join(', ')}: nobody knows whether these were spent, so they count as spent`,
      hint: `say what was spent: starling budget reclaim ${names[0] ?? '<name>'} --reconcile <amount>`,
    });
  }
}

function timeOf(rowId: string): number {
  return splitRowId(rowId)?.time ?? 0;
}
