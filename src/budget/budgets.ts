/** The budgets of a node, by the names that people use: made, shown, given and taken back. */
import { EventEmitter } from 'node:events';
import { StarlingError, amountText, amountWord, printable } from '../core/index.ts';
import type { Clock, Did, Health, JsonObject, Logger, PeerId, Startable } from '../core/index.ts';
import type { ResourcePattern, SuccessionView } from '../grants/index.ts';
import type { FrequentSigner } from '../identity/index.ts';
import type { PeerView } from '../membership/index.ts';
import type { Network } from '../network/index.ts';
import type { Table } from '../store/index.ts';
import { createBooks } from './books.ts';
import type { Books, BudgetsByUse, Hold } from './book-types.ts';
import { byUseOf, requirePattern } from './budget-use.ts';
import { viewOf } from './budget-view.ts';
import { createHistory } from './history.ts';
import type { BudgetHistory } from './history.ts';
import { createRights } from './rights.ts';
import type { Asked, Donor, Rights } from './rights.ts';
import { BUDGET_NAME, isBudgetId, splitRowId } from './row-format.ts';
import { createRowSync } from './row-sync.ts';
import type { RowSync } from './row-sync.ts';
import { NAME_MAX, OWNERS_MAX } from './types.ts';
import type { BudgetTerms, BudgetView, HistoryEntry, Unit } from './types.ts';

/** Health warning while somebody has contradicted itself. */
const CONTRADICTED = 'budget-contradiction';
/** Health warning while calls that the node was cut off in hold amounts. */
const LOST = 'budget-lost-holds';

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
  /** Holds on a budget, and on those that it is part of. @throws STARLING_BUDGET_EXHAUSTED, STARLING_BUDGET_CLOSED */
  hold(id: string, amount: number, who: string): Promise<Spending>;
  /** Books that something was spent without a hold, as others report. */
  report(reference: string, amount: number, who: string): Promise<BudgetView>;
  /** Answers an owner that asks for rights in a row. */
  transfer(rowId: string, to: Did, wanted: number): Promise<JsonObject>;
  /** Whether the founder lets that one hold rights of the budget. */
  mayHold(id: string, did: Did): boolean;
  /** Tells each change of a budget's books, at that pace at the most, until what it gives is called. */
  watch(id: string, changed: () => void, paceMs: number): () => void;
  /** Budgets of this node whose `for` is a pattern with a wildcard, like `tool:search/*`. */
  patterns(): readonly { readonly pattern: ResourcePattern; readonly id: string }[];
  /** All budgets of which `for` is that. */
  forWhom(whom: string): readonly string[];
}

/** What is held of a budget, and of those that it is part of. */
export interface Spending {
  readonly amount: number;
  /** What was spent in the end; the rest is free again. Once. */
  settle(spent: number): void;
}

/** Makes the budgets; nothing is read before `start`. */
export function createBudgets(components: BudgetsComponents): Budgets {
  return new NodeBudgets(components);
}

class NodeBudgets implements Budgets {
  readonly events = new EventEmitter<{ change: [id: string] }>();
  readonly #components: BudgetsComponents;
  readonly #books: Books;
  readonly #sync: RowSync;
  readonly #rights: Rights;
  readonly #history: BudgetHistory;
  #whom: BudgetsByUse | undefined;
  #known = 0;

  constructor(components: BudgetsComponents) {
    this.#components = components;
    this.events.setMaxListeners(0);
    const { clock, logger, history } = components;
    this.#books = createBooks({
      ...components,
      isKnown: (owner) =>
        owner === components.signer.did ||
        components.isPutOut(owner) ||
        this.#peerOf(owner) !== undefined,
    });
    this.#history = createHistory({ table: history, clock, logger });
    this.#rights = createRights({
      books: this.#books,
      donors: (id) => this.#donors(id),
      clock,
      logger,
    });
    const ownersOf = (rowId: string): readonly PeerId[] => this.#ownersOf(rowId);
    this.#sync = createRowSync({ ...components, books: this.#books, ownersOf });
    this.#books.events.on('own', (rowIds) => this.#changed(rowIds));
    this.#books.events.on('others', (rowIds) => this.#changed(rowIds));
    this.#books.events.on('proof', (rowId, { owner }) => this.#contradicted(rowId, owner));
  }

  get self(): Did {
    return this.#books.self;
  }

  async start(): Promise<void> {
    await this.#books.load();
    await this.#books.prune();
    this.#tellLost();
    this.#sync.start();
    this.#rights.start();
  }

  async stop(): Promise<void> {
    this.#rights.stop();
    this.#sync.stop();
    await this.#books.idle();
    await this.#history.flush();
  }

  async create(init: BudgetInit): Promise<BudgetView> {
    const { name, unit, limit, shares = {}, for: whom, everyMs, parent, successor } = init;
    if (name.length > NAME_MAX || !BUDGET_NAME.test(name) || isBudgetId(name)) {
      throw new StarlingError(
        'STARLING_USAGE',
        `'${printable(name, 80)}' can't be the name of a budget`,
        {
          hint: `1 to ${NAME_MAX} of letters, digits, '.', '_' and '-', the first a letter or digit`,
        },
      );
    }
    const mine = this.#named(name).some(
      (id) => this.#books.founderOf(id) === this.self && !this.#books.acts(id).closed,
    );
    if (mine) {
      throw new StarlingError('STARLING_USAGE', `this node has a budget '${name}' already`, {
        hint: `see it with: starling budget show ${name}; end it with: starling budget close ${name}`,
      });
    }
    const shared = Object.values(shares).reduce((sum, one) => sum + one, 0);
    if (limit < 1 || shared > limit || Object.keys(shares).length >= OWNERS_MAX) {
      throw new StarlingError(
        'STARLING_USAGE',
        limit < 1
          ? 'a budget of nothing lets nobody spend'
          : `the shares are ${amountText(shared, unit)} in all, and the limit is ${amountText(limit, unit)}`,
        { hint: `shares fit into the limit, and go to ${OWNERS_MAX - 1} nodes at the most` },
      );
    }
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
    if (isBudgetId(reference) && this.#books.terms(reference) !== undefined) return reference;
    const named = this.#named(reference);
    const open = named.filter((id) => !this.#books.acts(id).closed);
    // A budget of this node that is closed is not replaced by one that somebody else calls the same.
    const own = named.filter((id) => this.#books.founderOf(id) === this.self);
    const ownOpen = own.filter((id) => open.includes(id));
    const found =
      [ownOpen, own.slice(-1), open, named.slice(-1)].find((ids) => ids.length > 0) ?? [];
    const [first, ...others] = found.length > 0 ? found : this.#beginning(reference);
    if (first === undefined) {
      throw new StarlingError(
        'STARLING_BUDGET_UNKNOWN',
        `no budget is called '${printable(reference, 80)}'`,
        {
          hint: 'see which there are: starling budget list',
          data: { budget: printable(reference, 80) },
        },
      );
    }
    if (others.length === 0) return first;
    throw new StarlingError(
      'STARLING_USAGE',
      `several budgets are called '${printable(reference, 80)}': ${[first, ...others].join(', ')}`,
      { hint: 'name one by its id: starling budget list' },
    );
  }

  async grant(reference: string, to: Did): Promise<BudgetView> {
    const id = this.idOf(reference);
    this.#requireInCharge(id);
    await this.#books.give(id, to, 0);
    this.#history.note(id, { what: 'granted', who: this.#nameOf(to) });
    return this.#view(id);
  }

  async give(reference: string, to: Did, amount: number): Promise<BudgetView> {
    const id = this.idOf(reference);
    await this.#worded(id, this.#books.give(this.#books.rowIdNow(id), to, amount));
    this.#history.note(id, { what: 'gave', amount, who: this.#nameOf(to) });
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
      this.#history.note(id, { what: 'gave', amount: lacks, who: this.#nameOf(owner) });
      spare -= lacks;
    }
    return this.#view(id);
  }

  async close(reference: string): Promise<BudgetView> {
    const id = this.idOf(reference);
    this.#requireInCharge(id);
    await this.#books.act(id, { closed: true });
    this.#history.note(id, { what: 'closed' });
    return this.#view(id);
  }

  history(reference: string, limit: number): Promise<readonly HistoryEntry[]> {
    return this.#history.list(this.idOf(reference), limit);
  }

  stranded(reference: string, owner: Did): number {
    const id = this.idOf(reference);
    this.#requireInCharge(id);
    if (!this.#components.isPutOut(owner)) {
      throw new StarlingError(
        'STARLING_CALL_REFUSED',
        `${this.#nameOf(owner)} is a member still: it may be spending its rights, whether it can be reached or not`,
        { hint: `put it out first: starling peers remove ${this.#nameOf(owner)}` },
      );
    }
    return Math.max(0, this.#books.standing(id).quota(owner));
  }

  async reclaim(reference: string, owner: Did): Promise<BudgetView> {
    const id = this.idOf(reference);
    const amount = this.stranded(reference, owner);
    const before = this.#books.acts(id).reclaimed[owner] ?? 0;
    await this.#books.act(id, { reclaimed: { [owner]: before + amount } });
    this.#history.note(id, { what: 'reclaimed', amount, who: this.#nameOf(owner) });
    return this.#view(id);
  }

  async reconcile(reference: string, spent: number): Promise<BudgetView> {
    const id = this.idOf(reference);
    await this.#books.reconcile(this.#books.rowIdNow(id), spent);
    this.#history.note(id, { what: 'settled', amount: spent });
    this.#tellLost();
    return this.#view(id);
  }

  async settle(reference: string, owner: Did): Promise<BudgetView> {
    const id = this.idOf(reference);
    this.#requireInCharge(id);
    const seqs = this.#rowIdsOf(id).flatMap((rowId) =>
      this.#books
        .proofs(rowId)
        .filter((one) => one.owner === owner)
        .flatMap(({ rows }) => rows.map(({ seq }) => seq)),
    );
    if (seqs.length === 0) {
      throw new StarlingError(
        'STARLING_USAGE',
        `${this.#nameOf(owner)} has not contradicted itself here`,
        {
          hint: `see: starling budget show ${this.#books.terms(id)?.name ?? id}`,
        },
      );
    }
    await this.#books.act(id, { settled: { [owner]: Math.max(...seqs) } });
    this.#history.note(id, { what: 'settled', who: this.#nameOf(owner) });
    this.#components.health.clear(CONTRADICTED);
    return this.#view(id);
  }

  async hold(id: string, amount: number, who: string): Promise<Spending> {
    const held: Hold[] = [];
    try {
      for (const one of this.#lineOf(id)) {
        held.push(await this.#worded(one, this.#rights.hold(one, amount)));
      }
    } catch (error) {
      for (const hold of held) hold.settle(0);
      this.#history.spent(id, who, amount, 'refused');
      throw error;
    }
    return {
      amount,
      settle: (spent) => {
        for (const hold of held) hold.settle(spent);
        this.#history.spent(id, who, Math.min(amount, spent));
      },
    };
  }

  async report(reference: string, amount: number, who: string): Promise<BudgetView> {
    const id = this.idOf(reference);
    (await this.hold(id, amount, who)).settle(amount);
    return this.#view(id);
  }

  async transfer(rowId: string, to: Did, wanted: number): Promise<JsonObject> {
    const id = splitRowId(rowId)?.id ?? '';
    if (this.#books.terms(id) === undefined || rowId !== this.#books.rowIdNow(id)) {
      throw new StarlingError('STARLING_USAGE', 'rights are given of the time that is now');
    }
    const { given, left, rows } = await this.#rights.give(rowId, to, wanted);
    if (given > 0) this.#history.note(id, { what: 'gave', amount: given, who: this.#nameOf(to) });
    return { given, left, rows: [...rows] };
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

  patterns(): readonly { readonly pattern: ResourcePattern; readonly id: string }[] {
    return this.#byUse().patterns;
  }

  /** Budgets of this node by what they are for; made anew when one comes or goes. */
  #byUse(): BudgetsByUse {
    this.#whom ??= byUseOf(this.#books);
    return this.#whom;
  }

  /** The budget, and those that it is part of. */
  #lineOf(id: string): readonly string[] {
    const line: string[] = [];
    for (let one: string | undefined = id; one !== undefined && !line.includes(one);) {
      line.push(one);
      one = this.#books.terms(one)?.parent;
    }
    return line;
  }

  /** Adds to what the books refuse how much is left, and the command that would help. */
  async #worded<Value>(id: string, doing: Promise<Value>): Promise<Value> {
    try {
      return await doing;
    } catch (error) {
      if (!(error instanceof StarlingError) || error.code !== 'STARLING_BUDGET_EXHAUSTED')
        throw error;
      const { left, wanted, frozen } = error.data;
      const terms = this.#books.terms(id);
      if (terms !== undefined && frozen === true) {
        const { selfName } = this.#components;
        throw new StarlingError('STARLING_BUDGET_EXHAUSTED', error.message, {
          hint: `on ${this.#nameOf(this.#books.founderOf(id) ?? this.self)}: starling budget reclaim ${terms.name} ${selfName} --settle`,
          data: error.data,
          cause: error,
        });
      }
      if (terms === undefined || typeof left !== 'number' || typeof wanted !== 'number')
        throw error;
      const { name, unit } = terms;
      throw new StarlingError(
        'STARLING_BUDGET_EXHAUSTED',
        `budget '${name}' has ${amountText(left, unit)} left on ${this.#components.selfName}, and the call may cost ${amountText(wanted, unit)}`,
        {
          hint: `on ${this.#components.selfName}: starling budget request ${name} ${amountWord(wanted - left, unit)}; who has the rest: starling budget show ${name}`,
          data: error.data,
          cause: error,
        },
      );
    }
  }

  #named(name: string): readonly string[] {
    return this.#books.ids().filter((id) => this.#books.terms(id)?.name === name);
  }

  #beginning(part: string): readonly string[] {
    return part.length < 5 ? [] : this.#books.ids().filter((id) => id.startsWith(part));
  }

  #rowIdsOf(id: string): readonly string[] {
    return [...this.#books.rowIds()].filter((rowId) => splitRowId(rowId)?.id === id);
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

  #requireInCharge(id: string): void {
    if (this.#books.isInCharge(id, this.self)) return;
    const founder = this.#nameOf(this.#books.founderOf(id) ?? ('' as Did));
    throw new StarlingError('STARLING_CALL_REFUSED', `the budget is that of ${founder}`, {
      hint: `run the same command on ${founder}`,
    });
  }

  #view(id: string): BudgetView {
    const { network, isPutOut } = this.#components;
    return viewOf(
      {
        books: this.#books,
        nameOf: (owner) => this.#nameOf(owner),
        peerOf: (owner) => this.#peerOf(owner),
        isConnected: ({ peerId }) => network.isConnected(peerId),
        isPutOut,
      },
      id,
      this.#books.rowIdNow(id),
    );
  }

  #nameOf(owner: Did): string {
    const { nameOf, selfName, successions } = this.#components;
    if (owner === this.self) return selfName;
    return this.#peerOf(owner)?.alias ?? nameOf(successions.current(owner)) ?? owner;
  }

  #peerOf(owner: Did): PeerView | undefined {
    const { peers, successions } = this.#components;
    return peers().find(({ did }) => successions.origin(did) === owner);
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

  #ownersOf(rowId: string): readonly PeerId[] {
    const id = splitRowId(rowId)?.id ?? rowId;
    const { successions, peers } = this.#components;
    return peers()
      .filter(({ did }) => this.#books.mayHold(id, successions.origin(did)))
      .map(({ peerId }) => peerId);
  }

  #changed(rowIds: readonly string[]): void {
    // A busy budget changes with each call, and what it is for does not.
    const isDecided = rowIds.some(
      (rowId) => this.#books.rows(rowId).get(this.self)?.acts !== undefined,
    );
    if (isDecided || this.#books.ids().length !== this.#known) {
      this.#known = this.#books.ids().length;
      this.#whom = undefined;
    }
    for (const rowId of new Set(rowIds.map((one) => splitRowId(one)?.id ?? one))) {
      this.events.emit('change', rowId);
    }
  }

  #contradicted(rowId: string, owner: Did): void {
    const id = splitRowId(rowId)?.id ?? rowId;
    const name = this.#books.terms(id)?.name ?? id;
    this.#history.note(id, { what: 'contradiction', who: this.#nameOf(owner) });
    this.#components.health.raise({
      code: CONTRADICTED,
      text: `${this.#nameOf(owner)} has signed two things of what it spent of budget '${name}': its state folder was set back, or it lies; what it gives counts no more`,
      hint: `when it is known why, on the node that made the budget: starling budget reclaim ${name} ${this.#nameOf(owner)} --settle`,
    });
  }

  #tellLost(): void {
    const lost = [...this.#books.rowIds()].filter(
      (rowId) => (this.#books.account(rowId)?.lost ?? 0) > 0,
    );
    if (lost.length === 0) return this.#components.health.clear(LOST);
    const names = lost.map(
      (rowId) => this.#books.terms(splitRowId(rowId)?.id ?? rowId)?.name ?? rowId,
    );
    return this.#components.health.raise({
      code: LOST,
      text: `this node was cut off in calls that had amounts held of ${names.slice(0, 5).join(', ')}: nobody knows whether these were spent, so they count as spent`,
      hint: `say what was spent: starling budget reclaim ${names[0] ?? '<name>'} --reconcile <amount>`,
    });
  }
}
