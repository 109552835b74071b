/** The budgets of a node as others see them: what they work with, and what can be asked of them. */
import type { EventEmitter } from 'node:events';
import type { Clock, Did, Health, JsonObject, Logger, Startable } from '../core/index.ts';
import type { ResourceTarget, SuccessionView } from '../grants/index.ts';
import type { FrequentSigner } from '../identity/index.ts';
import type { PeerView } from '../membership/index.ts';
import type { Network } from '../network/index.ts';
import type { Table } from '../store/index.ts';
import type { HeldAmount } from './books/book-types.ts';
import type { Spending } from './holding.ts';
import type { Asked } from './rights.ts';
import type { BudgetView, Cost, HistoryEntry, Unit } from './types.ts';

/** What budgets work with. */
export interface BudgetsComponents {
  readonly table: Table;
  readonly history: Table;
  readonly signer: FrequentSigner;
  readonly successions: Pick<SuccessionView, 'origin' | 'current'>;
  readonly network: Network;
  readonly selfName: string;
  readonly peers: () => readonly PeerView[];
  /** What a peer is called here, or was before it was put out. */
  readonly nameOf: (did: Did) => string | undefined;
  /** Whether the mesh has recorded that this one was put out. */
  readonly isPutOut: (did: Did) => boolean;
  /** Calls a tool of a peer's built-in server as this node. */
  readonly callPeer: (
    peer: PeerView,
    tool: string,
    args: JsonObject,
    timeoutMs: number,
  ) => Promise<JsonObject>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly health: Pick<Health, 'raise' | 'clear'>;
}

/** A new budget. */
export interface BudgetInit {
  readonly name: string;
  readonly unit: Unit;
  readonly limit: number;
  /** Rights that others begin with. */
  readonly shares?: Readonly<Record<Did, number>>;
  readonly for?: string | undefined;
  readonly everyMs?: number | undefined;
  readonly parent?: string | undefined;
  readonly successor?: Did | undefined;
}

/** The budgets of one node. */
export interface Budgets extends Startable {
  /** `change` hears the ids of budgets whose books have changed. */
  readonly events: EventEmitter<{ change: [id: string] }>;
  /** This node, by its first key. */
  readonly self: Did;
  /** @throws STARLING_USAGE, STARLING_LIMIT_EXCEEDED */
  create(init: BudgetInit): Promise<BudgetView>;
  /** Those of a page, in the order in which they became known, and how many there are on all. */
  list(page?: BudgetPage): { readonly budgets: readonly BudgetView[]; readonly total: number };
  /** Those of all open budgets. */
  sums(): readonly BudgetSums[];
  /** By name, id or the beginning of one. @throws STARLING_BUDGET_UNKNOWN; STARLING_USAGE where several go by that name */
  show(reference: string): BudgetView;
  /** The id that is meant. @throws STARLING_BUDGET_UNKNOWN, STARLING_USAGE */
  idOf(reference: string): string;
  /** Lets a node hold rights. @throws STARLING_CALL_REFUSED where this node is not the founder's */
  grant(reference: string, to: Did): Promise<BudgetView>;
  give(reference: string, to: Did, amount: number): Promise<BudgetView>;
  request(reference: string, amount: number): Promise<Asked & { readonly view: BudgetView }>;
  /** Gives every owner that can be reached an equal part of what this node has. */
  rebalance(reference: string): Promise<BudgetView>;
  close(reference: string): Promise<BudgetView>;
  /** Closes the budget and forgets it at every node, also where not every owner has said its last word; what it was. */
  forget(reference: string): Promise<BudgetView>;
  history(reference: string, limit: number): Promise<readonly HistoryEntry[]>;
  /** What taking back the rights of an owner that was put out would give, and may thereby be spent twice. */
  stranded(reference: string, owner: Did): number;
  reclaim(reference: string, owner: Did): Promise<BudgetView>;
  /** Says what of the lost holds was spent. */
  reconcile(reference: string, spent: number): Promise<BudgetView>;
  /** Settles that an owner, or this node, has said two things. */
  settle(reference: string, owner: Did): Promise<BudgetView>;
  /** Whether the id is that of a budget which is known here. */
  knows(id: string): boolean;
  /** Whether that one, by any of its keys, has made the budget. */
  isFounder(id: string, did: Did): boolean;
  /** Whether this node decides on the budget. */
  isInCharge(id: string): boolean;
  /** Those budgets, and all that they are part of, each once. */
  linesOf(ids: readonly string[]): readonly string[];
  /** @throws STARLING_BUDGET_UNKNOWN for what is no id of a budget that is known here */
  unitOf(id: string): Unit;
  /** What may be held of it now without asking anybody. @throws STARLING_BUDGET_UNKNOWN */
  freeOf(id: string): number;
  /** @throws STARLING_BUDGET_UNKNOWN */
  levelOf(id: string): BudgetLevel;
  /**
   * Holds on budgets, and on those that they are part of, each in its unit. All are on the disk when this resolves, or none.
   * @throws STARLING_BUDGET_EXHAUSTED, STARLING_BUDGET_CLOSED, STARLING_BUDGET_UNKNOWN
   */
  hold(ids: readonly string[], cost: Cost, who: string): Promise<Spending>;
  /** Takes up what an earlier run of this node has held and written down: as much as nobody has settled since. */
  takeUp(held: readonly HeldAmount[], who: string): Promise<Spending>;
  /** Books that something was spent without a hold, as others report. */
  report(reference: string, amount: number, who: string): Promise<BudgetView>;
  /** Answers an owner that asks for rights in a row. */
  transfer(rowId: string, to: Did, wanted: number): Promise<JsonObject>;
  /** How many rows there are: an owner's of a budget, or of one of its times. */
  rowCount(): number;
  /** Whether the founder lets that one hold rights of the budget. */
  mayHold(id: string, did: Did): boolean;
  /** Tells each change of a budget's books, at that pace at the most, until what it gives is called. */
  watch(id: string, changed: () => void, paceMs: number): () => void;
  /** Open budgets of this node whose `for` is a pattern with a wildcard that matches, like `tool:search/*`. */
  matching(target: ResourceTarget): readonly string[];
  /** All open budgets of this node of which `for` is that. */
  forWhom(whom: string): readonly string[];
  /** Whether any open budget of this node is for anybody or anything. */
  readonly hasPurposes: boolean;
  /** All that open budgets of this node are for. */
  purposes(): Iterable<readonly [whom: string, ids: readonly string[]]>;
}

/** Which budgets are listed; all that are open where nothing is said. */
export interface BudgetPage {
  /** The closed ones, too. */
  readonly closed?: boolean;
  /** So many before it are left out. */
  readonly from?: number;
  readonly limit?: number;
}

/** How far an open budget is, in sums over all owners, of the time that is now. */
export interface BudgetSums {
  readonly unit: Unit;
  readonly limit: number;
  readonly spent: number;
  readonly held: number;
  /** What this node may spend without asking anybody. */
  readonly free: number;
}

/** How far a budget is, by what this node knows of all owners. */
export interface BudgetLevel {
  readonly name: string;
  readonly unit: Unit;
  readonly limit: number;
  /** Spent and held, of the time that is now. */
  readonly used: number;
}
