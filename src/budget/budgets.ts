/** The budgets of a node, by the names that people use: made, shown, given and taken back. */
import { EventEmitter } from 'node:events';
import { StarlingError, createScope, messageOf } from '../core/index.ts';
import type { Did, JsonObject, PeerId, Scope } from '../core/index.ts';
import type { ResourceTarget } from '../grants/index.ts';
import type { Books, HeldAmount } from './books/book-types.ts';
import { createBooks } from './books/books.ts';
import { BudgetCare } from './budget-care.ts';
import { BudgetNames } from './budget-names.ts';
import { BudgetUses } from './budget-use.ts';
import { viewOf } from './budget-view.ts';
import type {
  BudgetInit,
  BudgetLevel,
  BudgetPage,
  BudgetSums,
  Budgets,
  BudgetsComponents,
} from './budgets-types.ts';
import { createHistory } from './history.ts';
import type { BudgetHistory } from './history.ts';
import { holdAll, takeUpAll, worded } from './holding.ts';
import type { HoldingComponents, Spending } from './holding.ts';
import { nameTaken, termsOf } from './new-budget.ts';
import { createRights } from './rights.ts';
import type { Asked, Donor, Rights } from './rights.ts';
import { splitRowId } from './rows/row-format.ts';
import { createRowSync } from './sync/row-sync.ts';
import type { RowSync } from './sync/row-sync.ts';
import type { BudgetView, Cost, HistoryEntry, Unit } from './types.ts';

/** How often times that are long over are looked for. */
const PRUNE_MS = 3_600_000;

/** Makes the budgets; nothing is read before `start`. */
export function createBudgets(components: BudgetsComponents): Budgets {
  return new NodeBudgets(components);
}

class NodeBudgets implements Budgets {
  readonly events = new EventEmitter<{ change: [id: string] }>();
  readonly #components: BudgetsComponents;
  readonly #books: Books;
  readonly #names: BudgetNames;
  readonly #uses: BudgetUses;
  readonly #care: BudgetCare;
  readonly #sync: RowSync;
  readonly #rights: Rights;
  readonly #history: BudgetHistory;
  /** Names of budgets that are being made. */
  readonly #making = new Set<string>();
  #life: Scope | undefined;

  constructor(components: BudgetsComponents) {
    this.#components = components;
    this.events.setMaxListeners(0);
    const { clock, logger, history, isPutOut, health } = components;
    this.#books = createBooks({
      ...components,
      isKnown: (owner) =>
        owner === components.signer.did ||
        isPutOut(owner) ||
        this.#names.peerOf(owner) !== undefined,
    });
    this.#uses = new BudgetUses(this.#books);
    this.#names = new BudgetNames(this.#books, components);
    this.#history = createHistory({ table: history, clock, logger });
    const books = this.#books;
    this.#care = new BudgetCare({
      books,
      names: this.#names,
      history: this.#history,
      isPutOut,
      health,
    });
    this.#rights = createRights({ books, donors: (id) => this.#donors(id), clock, logger });
    const ownersOf = (rowId: string): readonly PeerId[] => this.#names.peersOf(rowId);
    this.#sync = createRowSync({ ...components, books, ownersOf });
    books.events.on('own', (rowIds) => this.#changed(rowIds));
    books.events.on('others', (rowIds) => this.#changed(rowIds));
    books.events.on('forgotten', (rowIds) => this.#forgotten(rowIds));
    books.events.on('proof', (rowId, { owner }) => this.#care.contradicted(rowId, owner));
  }

  get self(): Did {
    return this.#books.self;
  }

  async start(): Promise<void> {
    await this.#books.load();
    await this.#books.prune();
    this.#care.tellLost();
    this.#care.tellContradictions();
    this.#sync.start();
    this.#rights.start();
    this.#life = createScope(this.#components.clock);
    this.#pruneSoon();
  }

  async stop(): Promise<void> {
    this.#life?.close();
    this.#rights.stop();
    this.#sync.stop();
    await this.#books.idle();
    await this.#books.close();
    await this.#history.flush();
  }

  async create(init: BudgetInit): Promise<BudgetView> {
    const terms = termsOf(this.#books, this.#names, init, this.#components.clock.now());
    if (this.#making.has(init.name)) throw nameTaken(init.name);
    this.#making.add(init.name);
    try {
      const id = await this.#books.found(terms);
      this.#history.note(id, { what: 'created', amount: terms.limit });
      return this.#view(id);
    } finally {
      this.#making.delete(init.name);
    }
  }

  list({ closed = false, from = 0, limit }: BudgetPage = {}): ReturnType<Budgets['list']> {
    const ids = closed ? this.#books.ids() : this.#open();
    const page = ids.slice(from, limit === undefined ? undefined : from + limit);
    return { budgets: page.map((id) => this.#view(id)), total: ids.length };
  }

  sums(): readonly BudgetSums[] {
    return this.#open().map((id) => {
      const { unit, limit } = this.#names.termsOf(id);
      const rowId = this.#books.rowIdNow(id);
      const rows = [...this.#books.rows(rowId).values()];
      return {
        unit,
        limit,
        spent: rows.reduce((sum, row) => sum + row.spent, 0),
        held: rows.reduce((sum, row) => sum + row.held, 0),
        free: this.#books.free(rowId),
      };
    });
  }

  #open(): readonly string[] {
    return this.#books.ids().filter((id) => !this.#books.isClosed(id));
  }

  show(reference: string): BudgetView {
    return this.#view(this.idOf(reference));
  }

  idOf(reference: string): string {
    return this.#names.idOf(reference);
  }

  knows(id: string): boolean {
    return this.#books.terms(id) !== undefined;
  }

  isFounder(id: string, did: Did): boolean {
    return this.#books.founderOf(id) === this.#components.successions.origin(did);
  }

  isInCharge(id: string): boolean {
    return this.#books.isInCharge(id, this.self);
  }

  linesOf(ids: readonly string[]): readonly string[] {
    return this.#names.linesOf(ids);
  }

  unitOf(id: string): Unit {
    return this.#names.termsOf(id).unit;
  }

  freeOf(id: string): number {
    const line = this.#names.linesOf([id]);
    return Math.min(...line.map((one) => this.#books.free(this.#books.rowIdNow(one))));
  }

  levelOf(id: string): BudgetLevel {
    const { name, unit, limit } = this.#names.termsOf(id);
    let used = 0;
    for (const { spent, held } of this.#books.rows(this.#books.rowIdNow(id)).values()) {
      used += spent + held;
    }
    return { name, unit, limit, used };
  }

  async grant(reference: string, to: Did): Promise<BudgetView> {
    const id = this.idOf(reference);
    this.#care.requireInCharge(id);
    await this.#books.give(id, to, 0);
    this.#history.note(id, { what: 'granted', who: this.#names.owner(to) });
    return this.#view(id);
  }

  async give(reference: string, to: Did, amount: number): Promise<BudgetView> {
    const id = this.idOf(reference);
    const giving = this.#books.give(this.#books.rowIdNow(id), to, amount);
    await worded(this.#holding(), id, giving);
    this.#history.note(id, { what: 'gave', amount, who: this.#names.owner(to) });
    return this.#view(id);
  }

  async request(reference: string, amount: number): Promise<Asked & { readonly view: BudgetView }> {
    const id = this.idOf(reference);
    const asked = await this.#rights.request(id, amount);
    if (asked.given > 0) this.#history.note(id, { what: 'received', amount: asked.given });
    return { ...asked, view: this.#view(id) };
  }

  async rebalance(reference: string): Promise<BudgetView> {
    const id = this.idOf(reference);
    const rowId = this.#books.rowIdNow(id);
    const others = this.#donors(id).map(({ owner }) => owner);
    const standing = this.#books.standing(rowId);
    const free = this.#books.free(rowId);
    const all = others.reduce((sum, owner) => sum + Math.max(0, standing.quota(owner)), free);
    const each = Math.floor(all / (others.length + 1));
    let spare = free - each;
    for (const owner of others) {
      const lacks = Math.min(spare, each - Math.max(0, standing.quota(owner)));
      if (lacks <= 0) continue;
      await this.#books.give(rowId, owner, lacks);
      this.#history.note(id, { what: 'gave', amount: lacks, who: this.#names.owner(owner) });
      spare -= lacks;
    }
    return this.#view(id);
  }

  async close(reference: string): Promise<BudgetView> {
    const id = this.idOf(reference);
    this.#care.requireInCharge(id);
    await this.#books.act(id, { closed: true });
    this.#history.note(id, { what: 'closed' });
    return this.#view(id);
  }

  async forget(reference: string): Promise<BudgetView> {
    const id = this.idOf(reference);
    this.#care.requireFounder(id);
    await this.#books.act(id, { closed: true });
    const view = this.#view(id);
    if (!(await this.#books.forget([id]))) throw notForgotten(view.name);
    return { ...view, forgotten: true };
  }

  history(reference: string, limit: number): Promise<readonly HistoryEntry[]> {
    return this.#history.list(this.idOf(reference), limit);
  }

  stranded(reference: string, owner: Did): number {
    return this.#care.stranded(this.idOf(reference), owner);
  }

  async reclaim(reference: string, owner: Did): Promise<BudgetView> {
    const id = this.idOf(reference);
    await this.#care.reclaim(id, owner);
    return this.#view(id);
  }

  async reconcile(reference: string, spent: number): Promise<BudgetView> {
    const id = this.idOf(reference);
    await this.#care.reconcile(id, spent);
    return this.#view(id);
  }

  async settle(reference: string, owner: Did): Promise<BudgetView> {
    const id = this.idOf(reference);
    await this.#care.settle(id, owner);
    return this.#view(id);
  }

  hold(ids: readonly string[], cost: Cost, who: string): Promise<Spending> {
    return holdAll(this.#holding(), ids, cost, who);
  }

  async takeUp(held: readonly HeldAmount[], who: string): Promise<Spending> {
    const spending = await takeUpAll(this.#holding(), held, who);
    // What somebody goes on with is lost no more.
    this.#care.tellLost();
    return spending;
  }

  async report(reference: string, amount: number, who: string): Promise<BudgetView> {
    const id = this.idOf(reference);
    const cost = { [this.unitOf(id)]: amount };
    (await this.hold([id], cost, who)).settle(cost);
    return this.#view(id);
  }

  async transfer(rowId: string, to: Did, wanted: number): Promise<JsonObject> {
    const id = splitRowId(rowId)?.id ?? '';
    if (this.#books.terms(id) === undefined || rowId !== this.#books.rowIdNow(id)) {
      throw new StarlingError('STARLING_USAGE', 'rights are given of the time that is now');
    }
    const { given, left, rows } = await this.#rights.give(rowId, to, wanted);
    if (given > 0) {
      this.#history.note(id, { what: 'gave', amount: given, who: this.#names.owner(to) });
    }
    return { given, left, rows: [...rows] };
  }

  rowCount(): number {
    return [...this.#books.rowIds()].reduce((sum, rowId) => sum + this.#books.rows(rowId).size, 0);
  }

  mayHold(id: string, did: Did): boolean {
    return this.#books.mayHold(id, this.#components.successions.origin(did));
  }

  watch(id: string, changed: () => void, paceMs: number): () => void {
    let cancel: (() => void) | undefined;
    const heard = (other: string): void => {
      if (other !== id || cancel !== undefined) return;
      cancel = this.#components.clock.schedule(paceMs, () => {
        cancel = undefined;
        changed();
      });
    };
    this.events.on('change', heard);
    return () => {
      this.events.off('change', heard);
      cancel?.();
    };
  }

  forWhom(whom: string): readonly string[] {
    return this.#uses.byFor.get(whom) ?? [];
  }

  get hasPurposes(): boolean {
    return this.#uses.byFor.size > 0;
  }

  purposes(): Iterable<readonly [whom: string, ids: readonly string[]]> {
    return this.#uses.byFor;
  }

  matching(target: ResourceTarget): readonly string[] {
    return this.#uses.matching(target);
  }

  #holding(): HoldingComponents {
    const { selfName } = this.#components;
    return {
      books: this.#books,
      rights: this.#rights,
      history: this.#history,
      names: this.#names,
      selfName,
    };
  }

  /** Times that are long over are forgotten while the node runs, too. */
  #pruneSoon(): void {
    this.#life?.after(PRUNE_MS, () => {
      this.#books.prune().then(
        () => this.#pruneSoon(),
        (error: unknown) => {
          const { logger } = this.#components;
          logger.warn(
            { error: messageOf(error) },
            'times of budgets that are over were not forgotten',
          );
          this.#pruneSoon();
        },
      );
    });
  }

  #view(id: string): BudgetView {
    const { network, isPutOut } = this.#components;
    return viewOf(
      {
        books: this.#books,
        nameOf: (owner) => this.#names.owner(owner),
        peerOf: (owner) => this.#names.peerOf(owner),
        isConnected: ({ peerId }) => network.isConnected(peerId),
        isPutOut,
      },
      id,
      this.#books.rowIdNow(id),
    );
  }

  #donors(id: string): readonly Donor[] {
    const { callPeer, network, successions, peers } = this.#components;
    return peers().flatMap((peer): readonly Donor[] => {
      const owner = successions.origin(peer.did);
      if (!network.isConnected(peer.peerId) || !this.#books.mayHold(id, owner)) return [];
      return [
        { owner, ask: (args, timeoutMs) => callPeer(peer, 'budget_transfer', args, timeoutMs) },
      ];
    });
  }

  #forgotten(rowIds: readonly string[]): void {
    const { logger } = this.#components;
    this.#changed(rowIds);
    this.#care.tellLost();
    this.#care.tellContradictions();
    // Of a time that is over the budget is there still, and so is its history.
    const ids = rowIds.filter((rowId) => !this.knows(splitRowId(rowId)?.id ?? rowId));
    this.#history
      .forget(ids)
      .catch((error: unknown) =>
        logger.warn({ error: messageOf(error) }, 'the history of budgets that are over stays'),
      );
  }

  #changed(rowIds: readonly string[]): void {
    for (const id of new Set(rowIds.map((one) => splitRowId(one)?.id ?? one))) {
      this.#uses.look(id);
      this.events.emit('change', id);
    }
  }
}

/** More of this node's budgets are open than the word on those that are over can name. */
function notForgotten(name: string): StarlingError {
  return new StarlingError(
    'STARLING_LIMIT_EXCEEDED',
    `budget '${name}' is closed, and stays known: too many that were made before it are open`,
    { hint: 'close some that are over, and try again: starling budget close <name> --forget' },
  );
}
