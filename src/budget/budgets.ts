/** The budgets of a node, by the names that people use: made, shown, given and taken back. */
import { EventEmitter } from 'node:events';
import { StarlingError, amountText, createScope, messageOf, printable } from '../core/index.ts';
import type {
  Clock,
  Did,
  Health,
  JsonObject,
  Logger,
  PeerId,
  Scope,
  Startable,
} from '../core/index.ts';
import type { ResourcePattern, SuccessionView } from '../grants/index.ts';
import type { FrequentSigner } from '../identity/index.ts';
import type { PeerView } from '../membership/index.ts';
import type { Network } from '../network/index.ts';
import type { Table } from '../store/index.ts';
import { createBooks } from './books.ts';
import type { Books, BudgetsByUse } from './book-types.ts';
import { BudgetCare } from './budget-care.ts';
import { BudgetNames } from './budget-names.ts';
import { byUseOf, requirePattern } from './budget-use.ts';
import { viewOf } from './budget-view.ts';
import { createHistory } from './history.ts';
import { holdAll, worded } from './holding.ts';
import type { HoldingComponents, Spending } from './holding.ts';
import type { BudgetHistory } from './history.ts';
import { createRights } from './rights.ts';
import type { Asked, Donor, Rights } from './rights.ts';
import { BUDGET_NAME, isBudgetId, splitRowId } from './row-format.ts';
import { createRowSync } from './row-sync.ts';
import type { RowSync } from './row-sync.ts';
import { NAME_MAX, OWNERS_MAX } from './types.ts';
import type { BudgetTerms, BudgetView, Cost, HistoryEntry, Unit } from './types.ts';

/** How often times that are long over are looked for. */
const PRUNE_MS = 3_600_000;

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
  list(): readonly BudgetView[];
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
  /** Budgets of this node whose `for` is a pattern with a wildcard, like `tool:search/*`. */
  patterns(): readonly { readonly pattern: ResourcePattern; readonly id: string }[];
  /** All open budgets of this node of which `for` is that. */
  forWhom(whom: string): readonly string[];
  /** All that open budgets of this node are for. */
  purposes(): Iterable<readonly [whom: string, ids: readonly string[]]>;
}

/** How far a budget is, by what this node knows of all owners. */
export interface BudgetLevel {
  readonly name: string;
  readonly unit: Unit;
  readonly limit: number;
  /** Spent and held, of the time that is now. */
  readonly used: number;
}

/** Makes the budgets; nothing is read before `start`. */
export function createBudgets(components: BudgetsComponents): Budgets {
  return new NodeBudgets(components);
}

class NodeBudgets implements Budgets {
  readonly events = new EventEmitter<{ change: [id: string] }>();
  readonly #components: BudgetsComponents;
  readonly #books: Books;
  readonly #names: BudgetNames;
  readonly #care: BudgetCare;
  readonly #sync: RowSync;
  readonly #rights: Rights;
  readonly #history: BudgetHistory;
  #whom: BudgetsByUse | undefined;
  #known = 0;
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
    await this.#history.flush();
  }

  async create(init: BudgetInit): Promise<BudgetView> {
    const { name, unit, limit, shares = {}, for: whom, everyMs, parent, successor } = init;
    checkName(name);
    const mine = this.#names
      .named(name)
      .some((id) => this.#books.founderOf(id) === this.self && !this.#books.acts(id).closed);
    if (mine) {
      throw new StarlingError('STARLING_USAGE', `this node has a budget '${name}' already`, {
        hint: `see it with: starling budget show ${name}; end it with: starling budget close ${name}`,
      });
    }
    checkShares(limit, shares, unit);
    const terms: BudgetTerms = {
      name,
      unit,
      limit,
      createdAt: this.#components.clock.now(),
      shares,
      ...(whom === undefined ? {} : { for: whom }),
      ...(everyMs === undefined ? {} : { everyMs }),
      ...(parent === undefined ? {} : { parent: this.idOf(parent) }),
      ...(successor === undefined ? {} : { successor }),
    };
    if (terms.parent !== undefined) this.#requireUnit(terms.parent, unit);
    requirePattern(whom);
    const id = await this.#books.found(terms);
    this.#history.note(id, { what: 'created', amount: limit });
    return this.#view(id);
  }

  list(): readonly BudgetView[] {
    return this.#books.ids().map((id) => this.#view(id));
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
    return this.#byUse().byFor.get(whom) ?? [];
  }

  purposes(): Iterable<readonly [whom: string, ids: readonly string[]]> {
    return this.#byUse().byFor;
  }

  patterns(): readonly { readonly pattern: ResourcePattern; readonly id: string }[] {
    return this.#byUse().patterns;
  }

  /** Budgets of this node by what they are for; made anew when one comes or goes. */
  #byUse(): BudgetsByUse {
    this.#whom ??= byUseOf(this.#books);
    return this.#whom;
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

  #requireUnit(id: string, unit: Unit): void {
    const terms = this.#books.terms(id);
    if (terms?.unit === unit) return;
    throw new StarlingError(
      'STARLING_USAGE',
      `budget '${terms?.name ?? id}' is in ${terms?.unit ?? '?'}, and the one below it in ${unit}`,
      {
        hint: 'units are never converted: make both in one unit',
      },
    );
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

  #changed(rowIds: readonly string[]): void {
    // A busy budget changes with each call, and what it is for does not.
    const isDecided = rowIds.some((rowId) => this.#books.account(rowId)?.acts !== undefined);
    if (isDecided || this.#books.ids().length !== this.#known) {
      this.#known = this.#books.ids().length;
      this.#whom = undefined;
    }
    for (const rowId of new Set(rowIds.map((one) => splitRowId(one)?.id ?? one))) {
      this.events.emit('change', rowId);
    }
  }
}

/** @throws STARLING_USAGE */
function checkName(name: string): void {
  if (name.length <= NAME_MAX && BUDGET_NAME.test(name) && !isBudgetId(name)) return;
  throw new StarlingError(
    'STARLING_USAGE',
    `'${printable(name, 80)}' can't be the name of a budget`,
    {
      hint: `1 to ${NAME_MAX} of letters, digits, '.', '_' and '-', the first a letter or digit`,
    },
  );
}

/** @throws STARLING_USAGE */
function checkShares(limit: number, shares: Readonly<Record<Did, number>>, unit: Unit): void {
  const shared = Object.values(shares).reduce((sum, one) => sum + one, 0);
  if (limit >= 1 && shared <= limit && Object.keys(shares).length < OWNERS_MAX) return;
  throw new StarlingError(
    'STARLING_USAGE',
    limit < 1
      ? 'a budget of nothing lets nobody spend'
      : `the shares are ${amountText(shared, unit)} in all, and the limit is ${amountText(limit, unit)}`,
    { hint: `shares fit into the limit, and go to ${OWNERS_MAX - 1} nodes at the most` },
  );
}
