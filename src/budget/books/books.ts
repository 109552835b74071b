/**
 * All budgets as one node knows them: the rows that it owns, which {@link createAccounts} keeps, and the signed rows of
 * others, which {@link RowIntake} takes. What this node may spend is reckoned with its own changes at once, whether they
 * are on the disk or not, and with gifts of others once their rows are here.
 */
import { EventEmitter } from 'node:events';
import { StarlingError, isCount, messageOf } from '../../core/index.ts';
import type { Did } from '../../core/index.ts';
import { isEndingId } from '../rows/ending-format.ts';
import { SUM_MAX, signRow, splitRowId } from '../rows/row-format.ts';
import { OWNERS_MAX } from '../types.ts';
import type { BudgetActs, BudgetRow, BudgetTerms } from '../types.ts';
import { createAccounts } from './accounts.ts';
import type { Account, Accounts } from './accounts.ts';
import type {
  Books,
  BooksComponents,
  BooksEvents,
  HeldAmount,
  Hold,
  NamedRow,
  RefusedRow,
  SignedRow,
} from './book-types.ts';
import { givenTooOften, noAmount, notLetIn, tooManyOwners, unknown } from './book-errors.ts';
import { CLOSED_KEPT, Closings } from './closings.ts';
import { Endings } from './endings.ts';
import { Founding } from './founding.ts';
import { GoneTimes } from './gone-times.ts';
import { Holds } from './holds.ts';
import { KnownBudgets } from './known-budgets.ts';
import { actsOf, standingOf } from '../rows/ledger.ts';
import type { Proof, Standing } from '../rows/ledger.ts';
import { OwnTexts } from './own-texts.ts';
import { RowIntake } from './row-intake.ts';
import { Shelves } from './shelves.ts';

/** Makes the books; nothing is read before `load`. */
export function createBooks(components: BooksComponents): Books {
  return new NodeBooks(components);
}

class NodeBooks implements Books {
  readonly events = new EventEmitter<BooksEvents>();
  readonly #components: BooksComponents;
  readonly #accounts: Accounts;
  readonly #known: KnownBudgets;
  readonly #shelves = new Shelves((id, owner) => this.acts(id).settled[owner] ?? -1);
  readonly #own: OwnTexts;
  readonly #intake: RowIntake;
  readonly #endings: Endings;
  readonly #closings: Closings;
  readonly #holds: Holds;
  readonly #founding: Founding;
  readonly #gone: GoneTimes;
  /** Rows of what is over leave the disk. */
  #erasing: Promise<void> = Promise.resolve();

  constructor(components: BooksComponents) {
    this.#components = components;
    const { clock, table, logger, signer } = components;
    this.#accounts = createAccounts({
      table,
      clock,
      logger,
      written: (rowIds) => this.#written(rowIds),
    });
    this.#known = new KnownBudgets(components);
    this.#own = new OwnTexts(this.#accounts, signer);
    this.#gone = new GoneTimes({ table, known: this.#known });
    this.#endings = new Endings(components);
    this.#closings = new Closings({
      ...components,
      books: this,
      accounts: this.#accounts,
      known: this.#known,
      endings: this.#endings,
    });
    this.#holds = new Holds({
      books: this,
      accounts: this.#accounts,
      known: this.#known,
      closings: this.#closings,
      logger,
    });
    this.#founding = new Founding({
      known: this.#known,
      endings: this.#endings,
      self: () => this.self,
      makePlace: () => this.#makePlace(),
      said: (endingId) => this.events.emit('own', [endingId]),
    });
    this.#intake = new RowIntake({
      ...components,
      accounts: this.#accounts,
      known: this.#known,
      shelves: this.#shelves,
      own: this.#own,
      endings: this.#endings,
      events: this.events,
      self: () => this.self,
      mayHold: (id, owner) => this.mayHold(id, owner),
      isKnown: components.isKnown ?? (() => true),
    });
  }

  get self(): Did {
    const { signer, successions } = this.#components;
    return successions.origin(signer.did);
  }

  async load(): Promise<void> {
    await this.#endings.load();
    await this.#gone.load();
    await this.#accounts.load();
    this.#written([...this.#accounts.all()].map(({ rowId }) => rowId));
    await this.#intake.load();
    await this.#dropOver();
    this.events.on('others', (rowIds) => this.#heard(rowIds));
    this.#closings.sayLast(this.ids());
  }

  found(wanted: BudgetTerms): Promise<string> {
    return this.#founding.found(wanted, async (id, terms) => {
      // A row that is too long must not be written.
      signRow(this.#components.signer, {
        budget: id,
        owner: this.self,
        seq: 1,
        spent: 0,
        held: 0,
        out: {},
        terms,
      });
      await this.#accounts.change(id, { terms });
    });
  }

  ids(): readonly string[] {
    return [...this.#known.ids()];
  }

  count(): number {
    return this.#known.size;
  }

  named(name: string): readonly string[] {
    return this.#known.named(name);
  }

  terms(id: string): BudgetTerms | undefined {
    return this.#known.terms(id);
  }

  limitOf(id: string): number {
    return this.#known.terms(id)?.limit ?? 0;
  }

  founderOf(id: string): Did | undefined {
    return this.#known.founder(id);
  }

  acts(id: string): ReturnType<typeof actsOf> {
    const acts = actsOf(
      this.#deciding(id).map((owner) => [owner, this.#row(id, owner)?.acts] as const),
      (owner) => this.isInCharge(id, owner),
    );
    return this.isClosed(id) && !acts.closed ? { ...acts, closed: true } : acts;
  }

  isClosed(id: string): boolean {
    // Who has said its last word holds nothing any more, whatever became of the founder's.
    if (this.#accounts.get(id)?.acts?.closed === true || this.#closings.isOver(id)) return true;
    return this.#deciding(id).some(
      (owner) => this.#row(id, owner)?.acts?.closed === true && this.isInCharge(id, owner),
    );
  }

  /** Those whose word closes a budget. */
  #deciding(id: string): readonly Did[] {
    return [this.founderOf(id), this.terms(id)?.successor].filter((one) => one !== undefined);
  }

  isInCharge(id: string, owner: Did): boolean {
    return this.#known.isInCharge(id, owner);
  }

  rowIdNow(id: string): string {
    return this.#known.rowIdNow(id);
  }

  rows(rowId: string): ReadonlyMap<Did, BudgetRow> {
    const rows = new Map(this.#shelves.find(rowId)?.ledger.rows());
    const own = this.#accounts.get(rowId);
    if (own === undefined) return rows;
    const { spent, held, lost, out, terms, acts } = own;
    const row = { budget: rowId, owner: this.self, seq: 0, spent, held: held + lost, out };
    return rows.set(this.self, {
      ...row,
      ...(terms === undefined ? {} : { terms }),
      ...(acts === undefined ? {} : { acts }),
    });
  }

  /** What one owner says; of this node with what is not on the disk yet. */
  #row(rowId: string, owner: Did): Pick<Account, 'out' | 'acts'> | undefined {
    const own = owner === this.self ? this.#accounts.get(rowId) : undefined;
    return own ?? this.#shelves.find(rowId)?.ledger.row(owner);
  }

  proofs(rowId: string): readonly Proof[] {
    return this.#shelves.find(rowId)?.ledger.proofs() ?? [];
  }

  isFrozen(rowId: string, owner: Did): boolean {
    return this.#shelves.find(rowId)?.ledger.isFrozen(owner) ?? false;
  }

  standing(rowId: string): Standing {
    const id = splitRowId(rowId)?.id ?? rowId;
    const [terms, founder] = [this.#known.terms(id), this.#known.founder(id)];
    if (terms === undefined || founder === undefined) throw unknown(rowId);
    // What was taken back was taken from the budget itself, whose times begin with their shares anew.
    const reclaimed = rowId === id ? this.acts(id).reclaimed : {};
    return standingOf({ terms, founder, rows: this.rows(rowId), reclaimed });
  }

  account(rowId: string): Account | undefined {
    return this.#accounts.get(rowId);
  }

  free(rowId: string): number {
    const shelf = this.#shelves.at(rowId);
    shelf.incoming ??= this.#incoming(rowId);
    const own = this.#accounts.get(rowId);
    if (own === undefined) return Math.max(0, shelf.incoming);
    return Math.max(0, shelf.incoming - own.given - own.spent - own.held - own.lost);
  }

  hold(rowId: string, amount: number): Promise<Hold> {
    return this.#holds.hold(rowId, amount);
  }

  takeUp(held: HeldAmount): Promise<Hold> {
    return this.#holds.takeUp(held);
  }

  async give(rowId: string, to: Did, amount: number): Promise<void> {
    const id = splitRowId(rowId)?.id ?? rowId;
    if (to === this.self)
      throw new StarlingError('STARLING_USAGE', 'a node gives nothing to itself');
    if (!isCount(amount)) throw noAmount(amount);
    if (this.founderOf(id) !== this.self && !this.mayHold(id, to)) {
      throw notLetIn(to);
    }
    if (amount > 0) this.#holds.requireRoom(rowId, amount);
    const account = this.#accounts.get(rowId);
    if ((account?.given ?? 0) + amount > SUM_MAX) throw givenTooOften(this.#known.terms(id)?.name);
    const names = Object.keys({ ...this.#known.terms(id)?.shares, ...account?.out });
    if (!names.includes(to) && names.length >= OWNERS_MAX - 1) {
      throw tooManyOwners();
    }
    const out = { ...account?.out, [to]: (account?.out[to] ?? 0) + amount };
    this.#requireShort(rowId, { out, ...(account?.acts && { acts: account.acts }) });
    await this.#accounts.change(rowId, { give: [to, amount] });
  }

  async act(id: string, acts: BudgetActs): Promise<void> {
    if (!this.#known.has(id)) throw unknown(id);
    const account = this.#accounts.get(id);
    const reclaimed = { ...account?.acts?.reclaimed, ...acts.reclaimed };
    const settled = { ...account?.acts?.settled, ...acts.settled };
    this.#requireShort(id, { out: account?.out ?? {}, acts: { ...acts, reclaimed, settled } });
    await this.#accounts.change(id, { acts });
  }

  /** What nobody could sign is not written: with the highest amounts that may come. @throws STARLING_LIMIT_EXCEEDED */
  #requireShort(rowId: string, named: Pick<BudgetRow, 'out' | 'acts'>): void {
    const most = Number.MAX_SAFE_INTEGER;
    const terms = this.#accounts.get(rowId)?.terms;
    const row = { budget: rowId, owner: this.self, seq: most, spent: most, held: most, ...named };
    signRow(this.#components.signer, terms === undefined ? row : { ...row, terms });
  }

  async reconcile(rowId: string, spent: number): Promise<void> {
    if (!isCount(spent)) throw noAmount(spent);
    const account = this.#accounts.get(rowId);
    if (account === undefined) return;
    const { lost } = account;
    await this.#accounts.change(rowId, { lost: -lost, spent: Math.min(lost, spent) });
    this.#closings.sayLast([rowId]);
  }

  mayHold(id: string, owner: Did): boolean {
    const founder = this.#known.founder(id);
    const terms = this.#known.terms(id);
    if (founder === undefined || terms === undefined) return false;
    if (owner === founder || owner === terms.successor) return true;
    return terms.shares[owner] !== undefined || this.#row(id, founder)?.out[owner] !== undefined;
  }

  take(texts: readonly string[], refused?: RefusedRow): Promise<number> {
    return this.#intake.take(texts, refused);
  }

  texts(rowId: string): readonly SignedRow[] {
    if (isEndingId(rowId)) return this.#endingTexts(rowId);
    const own = this.#own.of(rowId, this.self);
    return [...(own === undefined ? [] : [own]), ...this.#othersTexts(rowId)];
  }

  sign(rowIds: readonly string[]): void {
    this.#own.sign(rowIds, this.self);
  }

  names(rowId: string): readonly NamedRow[] {
    if (isEndingId(rowId)) return this.#endingTexts(rowId);
    const own = this.#own.nameOf(rowId, this.self);
    return [...(own === undefined ? [] : [own]), ...this.#othersTexts(rowId)];
  }

  /** Of who contradicts itself both rows go, whichever came first here. */
  #othersTexts(rowId: string): readonly SignedRow[] {
    const shelf = this.#shelves.find(rowId);
    if (shelf === undefined) return [];
    const proofs = [...shelf.proofs.values()].flatMap((both) =>
      both.map((row) => ({ ...row, seq: 0 })),
    );
    const others = [...shelf.texts.values()].filter(
      ({ owner, hash }) =>
        owner !== this.self && shelf.proofs.get(owner)?.some((row) => row.hash === hash) !== true,
    );
    return [...others, ...proofs];
  }

  #endingTexts(endingId: string): readonly SignedRow[] {
    const text = this.#endings.text(endingId);
    return text === undefined ? [] : [text];
  }

  *rowIds(): Iterable<string> {
    // First, so that nobody takes rows of what is over.
    yield* this.#endings.ids();
    yield* this.#shelves.rowIds();
    for (const { rowId } of this.#accounts.all()) if (!this.#shelves.has(rowId)) yield rowId;
  }

  unsaid(id: string): readonly Did[] {
    return this.#closings.unsaid(id);
  }

  forget(ids: readonly string[]): Promise<boolean> {
    return this.#founding.inTurn(async () => {
      const own = ids.filter((id) => this.founderOf(id) === this.self);
      const kept = this.#founding.all().filter(({ id }) => !own.includes(id));
      const said = await this.#endings.say(this.self, this.#closings.dated(own), kept);
      const areOver = own.length === ids.length && own.every((id) => this.#closings.isOver(id));
      if (said.length === 0) return areOver;
      this.events.emit('own', said);
      await this.#dropOver();
      return areOver;
    });
  }

  async prune(): Promise<void> {
    await this.#drop([...this.rowIds()].filter((rowId) => this.#known.isLongOver(rowId)));
    await this.#dropOver();
    const now = this.#components.clock.now();
    const final = this.#closings.final().filter(({ createdAt }) => createdAt <= now);
    await this.forget(final.slice(0, -CLOSED_KEPT).map(({ id }) => id));
  }

  /** Forgets the older half of the budgets that are closed and final. */
  async #makePlace(): Promise<void> {
    const final = this.#closings.final();
    await this.forget(final.slice(0, Math.ceil(final.length / 2)).map(({ id }) => id));
  }

  /** Endings have come, or rows that somebody else decides by. */
  #heard(rowIds: readonly string[]): void {
    this.#closings.sayLast(rowIds);
    if (!rowIds.some(isEndingId)) return;
    this.#erasing = this.#dropOver().catch((error: unknown) =>
      this.#components.logger.warn(
        { error: messageOf(error) },
        'rows of budgets that are over were not erased; they are at the next start',
      ),
    );
  }

  /** Forgets budgets that are over, but for those of which work under way holds something. */
  #dropOver(): Promise<void> {
    const over = new Set(this.ids().filter((id) => this.#closings.isOver(id)));
    if (over.size === 0) return Promise.resolve();
    const all = [...this.rowIds()].filter((rowId) => over.has(splitRowId(rowId)?.id ?? ''));
    for (const rowId of all) {
      if (!this.#accounts.isQuiet(rowId)) over.delete(splitRowId(rowId)?.id ?? '');
    }
    for (const id of over) this.#known.forget(id);
    return this.#drop(all.filter((rowId) => over.has(splitRowId(rowId)?.id ?? '')));
  }

  /** Forgets rows at once, and then erases them; what a full disk keeps is known to be over at the next start. */
  async #drop(rowIds: readonly string[]): Promise<void> {
    const quiet = rowIds.filter((rowId) => this.#accounts.isQuiet(rowId));
    if (quiet.length === 0) return;
    for (const rowId of quiet) this.#own.drop(rowId);
    const gone = this.#gone.of(quiet, (rowId) => this.#accounts.get(rowId) !== undefined);
    const erased = [...gone, ...this.#intake.forget(quiet), ...this.#accounts.forget(quiet)];
    this.events.emit('forgotten', quiet);
    if (erased.length > 0) await this.#components.table.batch(erased);
  }

  async idle(): Promise<void> {
    await this.#erasing;
    await this.#accounts.idle();
  }

  close(): Promise<void> {
    return this.#accounts.close();
  }

  #incoming(rowId: string): number {
    const id = splitRowId(rowId)?.id ?? rowId;
    if (!this.#known.has(id)) return 0;
    const own = this.#accounts.get(rowId);
    const gone = own === undefined ? 0 : own.given + own.spent + own.held + own.lost;
    const standing = this.standing(rowId);
    // `free` stops at 0, where less than nothing may be covered.
    const quota = standing.quota(this.self);
    const free = standing.free(this.self);
    return gone + (free > 0 ? free : Math.min(quota, 0));
  }

  /** Rows of this node that are on the disk. */
  #written(rowIds: readonly string[]): void {
    for (const rowId of rowIds) {
      const own = this.#accounts.get(rowId);
      const isNew = own?.terms !== undefined && !this.#known.has(rowId);
      if (isNew) {
        this.#known.learn(rowId, this.self, own.terms);
        this.#founding.learnt(rowId);
      }
      if (isNew || own?.acts !== undefined) this.#shelves.reckonAnew(rowId);
    }
    this.events.emit('own', rowIds);
  }
}
