/** The words of budgets: what one is, what its owners' rows say, and what is shown of it. Amounts are whole numbers of a unit. */
import type { CountedUnit, Did } from '../core/index.ts';

/** What a budget counts. Units are never converted into each other; `usd` is counted in micro-dollars. */
export const UNITS = ['tokens', 'calls', 'usd'] as const satisfies readonly CountedUnit[];

/** See {@link UNITS}. */
export type Unit = CountedUnit;

/** Amounts by their units; what is not named is nothing. */
export type Cost = Readonly<{ [Name in Unit]?: number }>;

/** Owners of one budget. */
export const OWNERS_MAX = 64;
/** Budgets that one founder may have at others, and all founders together. */
export const BUDGETS_MAX = 10_000;
/** Length of a budget's name. */
export const NAME_MAX = 64;

/** What the founder says of a budget. */
export interface BudgetTerms {
  readonly name: string;
  readonly unit: Unit;
  readonly limit: number;
  /** When the budget was made, ms since the epoch. */
  readonly createdAt: number;
  /** The rights that each owner begins with; the founder has the rest. */
  readonly shares: Readonly<Record<Did, number>>;
  /** What counts against the budget at its founder: `client:claude`, `agent:coder`, `tool:search/*`, `task:<id>`, … */
  readonly for?: string;
  /** The limit is for each such time, ms; the first begins at `createdAt`. */
  readonly everyMs?: number;
  /** The budget from which this one's spending is taken as well: its id. */
  readonly parent?: string;
  /** Who acts for the founder once the mesh has recorded that the founder is put out. */
  readonly successor?: Did;
}

/** What whoever is in charge of a budget has settled since it was made. */
export interface BudgetActs {
  readonly closed?: true;
  /** Rights that were taken back from owners that were put out. */
  readonly reclaimed?: Readonly<Record<Did, number>>;
  /** Owners whose two rows of one number are settled: up to that number. */
  readonly settled?: Readonly<Record<Did, number>>;
}

/** The row of one owner: that one alone signs it, and a higher number takes the place of a lower one. */
export interface BudgetRow {
  /** Id of the budget, with the number of its time where it has such: `b7…/12`. */
  readonly budget: string;
  /** The first key of who signs. */
  readonly owner: Did;
  readonly seq: number;
  readonly spent: number;
  readonly held: number;
  /** All that was ever given, to whom; an entry of the founder's, 0 included, lets that one hold rights. */
  readonly out: Readonly<Record<Did, number>>;
  /** Of the founder's row of the budget itself. */
  readonly terms?: BudgetTerms;
  readonly acts?: BudgetActs;
}

/** What one node has of a budget, by its last row that is here. */
export interface OwnerView {
  /** This node's name for it. */
  readonly node: string;
  readonly did: Did;
  /** What it may spend or give. */
  readonly rights: number;
  readonly spent: number;
  readonly held: number;
  readonly state: 'here' | 'reachable' | 'unreachable' | 'put-out' | 'frozen';
  /** Since when nothing was heard of it, ms since the epoch; of `unreachable` only, where it was heard of at all. */
  readonly since?: number;
  /** What is meant by its state, in words. */
  readonly note?: string;
}

/** One budget. Amounts are whole numbers of the unit; of `usd` micro-dollars. */
export interface BudgetView {
  readonly id: string;
  readonly name: string;
  readonly unit: Unit;
  readonly limit: number;
  readonly spent: number;
  readonly held: number;
  /** What this node may spend now, without asking anybody. */
  readonly free: number;
  /** Of what is held: by calls that this node was cut off in, until somebody says what became of them. */
  readonly lost?: number;
  /** What nodes that are out of reach may spend. */
  readonly outOfReach?: number;
  readonly founder: string;
  readonly createdAt: number;
  readonly for?: string;
  /** The limit is for each such time, ms; `time` is the number of the one now. */
  readonly everyMs?: number;
  readonly time?: number;
  readonly parent?: string;
  readonly closed?: true;
  /** All nodes that hear of it forget it; this one once it holds nothing of it any more. */
  readonly forgotten?: true;
  /** What was taken back from nodes that were put out, and may thereby be spent twice. */
  readonly reclaimed?: number;
  readonly nodes: readonly OwnerView[];
  /** The same by the names of Network-AI's `FederatedBudget`. */
  readonly task_id?: string;
  readonly global_budget: number;
  readonly machine_allocations: Readonly<Record<string, number>>;
  readonly spent_by_machine: Readonly<Record<string, number>>;
}

/** One thing that happened. */
export interface HistoryEntry {
  /** ms since the epoch; of what was spent the beginning of the hour. */
  readonly at: number;
  readonly what:
    | 'created'
    | 'granted'
    | 'gave'
    | 'received'
    | 'closed'
    | 'reclaimed'
    | 'settled'
    | 'spent'
    | 'refused'
    | 'contradiction';
  readonly amount?: number;
  /** Who did it, or for whom. */
  readonly who?: string;
  /** Of `spent` and `refused`: how many calls. */
  readonly calls?: number;
}
