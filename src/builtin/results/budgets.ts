/** What the tools of budgets return. */
import type { BudgetView, HistoryEntry } from '../../budget/index.ts';

/** A page of the budgets that `budget_list` shows, and how many there are in all. */
export interface BudgetListResult {
  readonly budgets: readonly BudgetView[];
  readonly total: number;
  /** Where the next page begins; absent of the last one. */
  readonly cursor?: number;
}

/** What `budget_history` tells, in the budget's unit. */
export interface BudgetHistoryResult {
  readonly unit: BudgetView['unit'];
  /** The newest first. */
  readonly entries: readonly HistoryEntry[];
}

/** What the owners gave. */
export interface BudgetRequestResult {
  readonly given: number;
  /** Whether all that was asked for was given. */
  readonly granted: boolean;
  /** By whom, and how much. */
  readonly by: Readonly<Record<string, number>>;
  /** Owners that can be reached and gave no answer. */
  readonly silent: readonly string[];
  readonly budget: BudgetView;
}

/** What was taken back, or what taking back would mean. */
export interface BudgetReclaimResult {
  readonly budget: BudgetView;
  /** What may be spent twice by it, in the budget's unit. */
  readonly twice: number;
  /** Nothing was done yet: it must be asked for again with `confirm`. */
  readonly confirm?: true;
}
