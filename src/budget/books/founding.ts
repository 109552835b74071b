/**
 * New budgets of this node: that there is place for one, however many are made at once, and that it is not one of those that
 * are over. Of these a date says so; where a clock was set back, or a budget that is over was dated ahead, the node says
 * anew which are kept, so that the new one is dated as the clock has it.
 */
import { StarlingError } from '../../core/index.ts';
import type { Did } from '../../core/index.ts';
import { budgetIdOf } from '../rows/row-format.ts';
import { BUDGETS_MAX } from '../types.ts';
import type { BudgetTerms } from '../types.ts';
import type { Dated, Endings } from './endings.ts';
import type { KnownBudgets } from './known-budgets.ts';

/** What founding works with. */
export interface FoundingComponents {
  readonly known: Pick<KnownBudgets, 'countOf' | 'has' | 'madeBy' | 'terms'>;
  readonly endings: Pick<Endings, 'except' | 'isOver' | 'newestOver'>;
  readonly self: () => Did;
  /** Has budgets that are closed and final forgotten, as many as there is reason for. */
  readonly makePlace: () => Promise<void>;
  /** Hears of what this node has said of its budgets that are over. */
  readonly said: (endingId: string) => void;
}

/** The budgets of this node on their way to the disk. */
export class Founding {
  readonly #components: FoundingComponents;
  /** Those that are not known yet, and when each was made. */
  readonly #under = new Map<string, number>();
  #placing: Promise<void> | undefined;
  #words: Promise<unknown> = Promise.resolve();

  constructor(components: FoundingComponents) {
    this.#components = components;
  }

  /** Finds a place, an id and a date for a budget; `write` brings it to the disk. @throws STARLING_LIMIT_EXCEEDED, what `write` throws */
  async found(
    wanted: BudgetTerms,
    write: (id: string, terms: BudgetTerms) => Promise<void>,
  ): Promise<string> {
    while (this.#isFull()) {
      this.#placing ??= this.#makePlace().finally(() => {
        this.#placing = undefined;
      });
      await this.#placing;
    }
    let one = this.#free(wanted.name, wanted.createdAt);
    this.#under.set(one.id, one.createdAt);
    try {
      await this.inTurn(async () => {
        if (await this.#isKept(one)) return;
        this.#under.delete(one.id);
        one = this.#free(
          wanted.name,
          this.#components.endings.newestOver(this.#components.self()) + 1,
        );
        this.#under.set(one.id, one.createdAt);
      });
      await write(one.id, { ...wanted, createdAt: one.createdAt });
      return one.id;
    } finally {
      this.#under.delete(one.id);
    }
  }

  /** A budget is known now. */
  learnt(id: string): void {
    this.#under.delete(id);
  }

  /** All budgets of this node, those on their way to the disk, too. */
  all(): readonly Dated[] {
    const { known, self } = this.#components;
    const made = known
      .madeBy(self())
      .map((id) => ({ id, createdAt: known.terms(id)?.createdAt ?? 0 }));
    return [...made, ...[...this.#under].map(([id, createdAt]) => ({ id, createdAt }))];
  }

  /** What this node says of budgets that are over: one word after the other, since each says of all which are kept. */
  inTurn<T>(say: () => Promise<T>): Promise<T> {
    const said = this.#words.then(say);
    this.#words = said.catch(() => undefined);
    return said;
  }

  #isFull(): boolean {
    const { known, self } = this.#components;
    return known.countOf(self()) + this.#under.size >= BUDGETS_MAX;
  }

  async #makePlace(): Promise<void> {
    await this.#components.makePlace();
    if (!this.#isFull()) return;
    throw new StarlingError(
      'STARLING_LIMIT_EXCEEDED',
      `this node has ${BUDGETS_MAX} budgets that are open, or closed and not final, which is the limit`,
      {
        hint: 'close some that are over: starling budget close <name>; where a node has not said its last word: starling budget close <name> --forget',
      },
    );
  }

  /** The first date from then on at which no other budget of that name was made: the two would be one. */
  #free(name: string, from: number): Dated {
    const { known, self } = this.#components;
    for (let createdAt = from; ; createdAt += 1) {
      const id = budgetIdOf(self(), name, createdAt);
      if (!known.has(id) && !this.#under.has(id)) return { id, createdAt };
    }
  }

  /** Whether the budget is none of those that are over; it is said to be none where its date says otherwise and there is place. */
  async #isKept(one: Dated): Promise<boolean> {
    const { endings, said, self } = this.#components;
    if (!endings.isOver(self(), one)) return true;
    const endingId = await endings.except(self(), one, this.all());
    if (endingId === undefined) return false;
    said(endingId);
    return true;
  }
}
