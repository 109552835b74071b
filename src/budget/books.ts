/**
 * All budgets as one node knows them: the rows that it owns, which {@link createAccounts} keeps, and the signed rows of
 * others. A row of somebody else is verified, written, and only then counts. What this node may spend is reckoned with
 * its own changes at once, whether they are on the disk or not, and with gifts of others once their rows are here.
 */
import { EventEmitter } from 'node:events';
import { StarlingError, messageOf } from '../core/index.ts';
import type { Did } from '../core/index.ts';
import type { Write } from '../store/index.ts';
import { createAccounts } from './accounts.ts';
import type { Account, Accounts } from './accounts.ts';
import { actsOf, createLedger, entriesOf, standingOf } from './ledger.ts';
import type { Ledger, Proof, Standing } from './ledger.ts';
import { budgetIdOf, readRow, signRow, splitRowId } from './row-format.ts';
import type { ReadRow } from './row-format.ts';
import type { Books, BooksComponents, BooksEvents, Hold, SignedRow } from './book-types.ts';
import { BUDGETS_MAX, OWNERS_MAX } from './types.ts';
import type { BudgetActs, BudgetRow, BudgetTerms } from './types.ts';

const ROW = 'row/';
const PROOF = 'proof/';
/** Budgets of all founders together, and of one other founder. */
const TOTAL_MAX = 50_000;
/** Times before the one now whose rows are kept. */
const TIMES_KEPT = 24;

/** Makes the books; nothing is read before `load`. */
export function createBooks(components: BooksComponents): Books {
  return new NodeBooks(components);
}

interface Shelf {
  readonly ledger: Ledger;
  readonly texts: Map<Did, SignedRow>;
  /** Both texts of each who has contradicted itself. */
  readonly proofs: Map<Did, readonly string[]>;
  /** What this node has got in all, but for what is not covered; undefined when it is to be reckoned anew. */
  incoming: number | undefined;
}

class NodeBooks implements Books {
  readonly events = new EventEmitter<BooksEvents>();
  readonly #components: BooksComponents;
  readonly #accounts: Accounts;
  readonly #shelves = new Map<string, Shelf>();
  readonly #founders = new Map<string, Did>();
  readonly #terms = new Map<string, BudgetTerms>();
  readonly #perFounder = new Map<Did, number>();
  readonly #signed = new Map<string, SignedRow>();

  constructor(components: BooksComponents) {
    this.#components = components;
    const { table, logger } = components;
    this.#accounts = createAccounts({ table, logger, written: (rowIds) => this.#written(rowIds) });
  }

  get self(): Did {
    const { signer, successions } = this.#components;
    return successions.origin(signer.did);
  }

  async load(): Promise<void> {
    const { table, logger, successions } = this.#components;
    await this.#accounts.load();
    this.#written([...this.#accounts.all()].map(({ rowId }) => rowId));
    const read: ReadText[] = [];
    for await (const [key, bytes] of table.entries(ROW)) {
      const jws = Buffer.from(bytes).toString('utf8');
      try {
        read.push({ jws, ...readRow(jws, successions) });
      } catch (error) {
        logger.warn({ key, error: messageOf(error) }, 'skipped a damaged row of a budget');
      }
    }
    for (const one of inOrder(read)) this.#count(one);
    for await (const [key, bytes] of table.entries(PROOF)) this.#loadProof(key, bytes);
  }

  async found(terms: BudgetTerms): Promise<string> {
    const id = budgetIdOf(this.self, terms.name, terms.createdAt);
    const own = this.#perFounder.get(this.self) ?? 0;
    if (own >= BUDGETS_MAX) {
      throw new StarlingError(
        'STARLING_LIMIT_EXCEEDED',
        `this node has made ${BUDGETS_MAX} budgets, which is the limit`,
        {
          hint: 'close some that are over: starling budget close <name>',
        },
      );
    }
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
    return id;
  }

  ids(): readonly string[] {
    return [...this.#terms.keys()];
  }

  terms(id: string): BudgetTerms | undefined {
    return this.#terms.get(id);
  }

  limitOf(id: string): number {
    return this.#terms.get(id)?.limit ?? 0;
  }

  founderOf(id: string): Did | undefined {
    return this.#founders.get(id);
  }

  acts(id: string): ReturnType<typeof actsOf> {
    return actsOf(this.rows(id), (owner) => this.isInCharge(id, owner));
  }

  isInCharge(id: string, owner: Did): boolean {
    const founder = this.#founders.get(id);
    if (founder === undefined) return false;
    if (owner === founder) return true;
    return this.#terms.get(id)?.successor === owner && this.#components.isPutOut(founder);
  }

  rowIdNow(id: string): string {
    const terms = this.#terms.get(id);
    if (terms?.everyMs === undefined) return id;
    const { createdAt, everyMs } = terms;
    return `${id}/${Math.max(0, Math.floor((this.#components.clock.now() - createdAt) / everyMs))}`;
  }

  rows(rowId: string): ReadonlyMap<Did, BudgetRow> {
    const rows = new Map(this.#shelves.get(rowId)?.ledger.rows());
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

  proofs(rowId: string): readonly Proof[] {
    return this.#shelves.get(rowId)?.ledger.proofs() ?? [];
  }

  isFrozen(rowId: string, owner: Did): boolean {
    return this.#shelves.get(rowId)?.ledger.isFrozen(owner) ?? false;
  }

  standing(rowId: string): Standing {
    const id = splitRowId(rowId)?.id ?? rowId;
    const [terms, founder] = [this.#terms.get(id), this.#founders.get(id)];
    if (terms === undefined || founder === undefined) throw unknown(rowId);
    // What was taken back was taken from the budget itself, whose times begin with their shares anew.
    const reclaimed = rowId === id ? this.acts(id).reclaimed : {};
    return standingOf({ terms, founder, rows: this.rows(rowId), reclaimed });
  }

  account(rowId: string): Account | undefined {
    return this.#accounts.get(rowId);
  }

  free(rowId: string): number {
    const shelf = this.#shelfOf(rowId);
    shelf.incoming ??= this.#incoming(rowId);
    const own = this.#accounts.get(rowId);
    if (own === undefined) return Math.max(0, shelf.incoming);
    return Math.max(0, shelf.incoming - own.given - own.spent - own.held - own.lost);
  }

  async hold(rowId: string, amount: number): Promise<Hold> {
    this.#requireRoom(rowId, amount);
    await this.#accounts.change(rowId, { held: amount });
    let isOver = false;
    return {
      rowId,
      amount,
      settle: (spent) => {
        if (isOver) return 0;
        isOver = true;
        const whole = Math.max(0, Math.ceil(spent));
        const more = whole > amount ? Math.min(whole - amount, this.free(rowId)) : 0;
        const booked = Math.min(amount, whole) + more;
        if (whole > booked) {
          this.#components.logger.warn(
            { rowId, spent: whole, booked },
            'something cost more than was held, and than this node has',
          );
        }
        this.#accounts.settle(rowId, amount, booked);
        return booked;
      },
    };
  }

  async give(rowId: string, to: Did, amount: number): Promise<void> {
    const id = splitRowId(rowId)?.id ?? rowId;
    if (to === this.self)
      throw new StarlingError('STARLING_USAGE', 'a node gives nothing to itself');
    if (this.founderOf(id) !== this.self && !this.mayHold(id, to)) {
      throw new StarlingError('STARLING_CALL_REFUSED', `${to} may hold no rights of this budget`, {
        hint: 'on the node that made the budget: starling budget grant <name> <peer>',
      });
    }
    if (amount > 0) this.#requireRoom(rowId, amount);
    const account = this.#accounts.get(rowId);
    const names = Object.keys({ ...this.#terms.get(id)?.shares, ...account?.out });
    if (!names.includes(to) && names.length >= OWNERS_MAX - 1) {
      throw new StarlingError(
        'STARLING_LIMIT_EXCEEDED',
        `a budget has ${OWNERS_MAX} owners at the most`,
        {
          hint: 'make a second budget for the others',
        },
      );
    }
    const out = { ...account?.out, [to]: (account?.out[to] ?? 0) + amount };
    this.#requireShort(rowId, { out, ...(account?.acts && { acts: account.acts }) });
    await this.#accounts.change(rowId, { give: [to, amount] });
  }

  async act(id: string, acts: BudgetActs): Promise<void> {
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
    const lost = this.#accounts.get(rowId)?.lost ?? 0;
    await this.#accounts.change(rowId, { lost: -lost, spent: Math.min(lost, spent) });
  }

  mayHold(id: string, owner: Did): boolean {
    const founder = this.#founders.get(id);
    const terms = this.#terms.get(id);
    if (founder === undefined || terms === undefined) return false;
    if (owner === founder || owner === terms.successor) return true;
    return (
      terms.shares[owner] !== undefined || this.rows(id).get(founder)?.out[owner] !== undefined
    );
  }

  async take(texts: readonly string[]): Promise<number> {
    const { logger, successions } = this.#components;
    const read: ReadText[] = [];
    for (const jws of texts) {
      try {
        read.push({ jws, ...readRow(jws, successions) });
      } catch (error) {
        logger.debug({ error: messageOf(error) }, 'a row of a budget refused');
      }
    }
    let taken = 0;
    // Terms let other rows in, and come first.
    const sorted = inOrder(read);
    const ofTerms = sorted.filter(({ row }) => row.terms !== undefined);
    for (const part of [ofTerms, sorted.filter(({ row }) => row.terms === undefined)]) {
      taken += await this.#takeAll(part);
    }
    return taken;
  }

  texts(rowId: string): readonly SignedRow[] {
    const shelf = this.#shelves.get(rowId);
    const proofs = [...(shelf?.proofs ?? [])].flatMap(([owner, both]) =>
      both.map((jws) => ({ owner, seq: 0, jws })),
    );
    const own = this.#signedOwn(rowId);
    // Of who contradicts itself both texts go, whichever came first here.
    const others = [...(shelf?.texts.values() ?? [])].filter(
      ({ owner, jws }) => owner !== this.self && shelf?.proofs.get(owner)?.includes(jws) !== true,
    );
    return [...(own === undefined ? [] : [own]), ...others, ...proofs];
  }

  *rowIds(): Iterable<string> {
    yield* this.#shelves.keys();
    for (const { rowId } of this.#accounts.all()) if (!this.#shelves.has(rowId)) yield rowId;
  }

  async prune(): Promise<void> {
    const over = [...this.rowIds()].filter((rowId) => this.#isLongOver(rowId));
    const writes: Write[] = [];
    for (const rowId of over) {
      const shelf = this.#shelves.get(rowId);
      for (const owner of shelf?.texts.keys() ?? []) writes.push({ key: keyOf(rowId, owner) });
      for (const owner of shelf?.proofs.keys() ?? []) {
        writes.push({ key: PROOF + keyOf(rowId, owner).slice(ROW.length) });
      }
      this.#shelves.delete(rowId);
      this.#signed.delete(rowId);
    }
    await this.#accounts.forget(over);
    if (writes.length > 0) await this.#components.table.batch(writes);
  }

  idle(): Promise<void> {
    return this.#accounts.idle();
  }

  #isLongOver(rowId: string): boolean {
    const { id, time } = splitRowId(rowId) ?? { id: rowId };
    if (time === undefined) return false;
    const now = splitRowId(this.rowIdNow(id))?.time ?? 0;
    return time < now - TIMES_KEPT;
  }

  #requireRoom(rowId: string, amount: number): void {
    const id = splitRowId(rowId)?.id ?? rowId;
    const terms = this.#terms.get(id);
    if (terms === undefined) throw unknown(rowId);
    if (!Number.isSafeInteger(amount) || amount < 0) {
      throw new StarlingError('STARLING_USAGE', `${amount} is no whole number from 0 on`);
    }
    if (this.acts(id).closed) {
      throw new StarlingError('STARLING_BUDGET_CLOSED', `budget '${terms.name}' is closed`, {
        hint: 'make another: starling budget create <name> --limit <amount>',
        data: { budget: id },
      });
    }
    if (this.isFrozen(rowId, this.self) || this.isFrozen(id, this.self)) {
      throw new StarlingError(
        'STARLING_BUDGET_EXHAUSTED',
        `this node has said two things of what it spent of '${terms.name}', so that its rights are frozen`,
        {
          hint: `on the node that made the budget: starling budget reclaim ${terms.name} <peer> --settle`,
          data: { budget: id, left: 0, name: terms.name, frozen: true },
        },
      );
    }
    const left = this.free(rowId);
    if (left >= amount) return;
    throw new StarlingError(
      'STARLING_BUDGET_EXHAUSTED',
      `budget '${terms.name}' has ${left} left on this node, and ${amount} is wanted`,
      {
        data: { budget: id, left, wanted: amount, unit: terms.unit, name: terms.name },
      },
    );
  }

  #incoming(rowId: string): number {
    const id = splitRowId(rowId)?.id ?? rowId;
    if (!this.#terms.has(id)) return 0;
    const own = this.#accounts.get(rowId);
    const gone = own === undefined ? 0 : own.given + own.spent + own.held + own.lost;
    const standing = this.standing(rowId);
    // `free` stops at 0, where less than nothing may be covered.
    const quota = standing.quota(this.self);
    const free = standing.free(this.self);
    return gone + (free > 0 ? free : Math.min(quota, 0));
  }

  #shelfOf(rowId: string): Shelf {
    const known = this.#shelves.get(rowId);
    if (known !== undefined) return known;
    const id = splitRowId(rowId)?.id ?? rowId;
    const shelf: Shelf = {
      ledger: createLedger((owner) => this.acts(id).settled[owner] ?? -1),
      texts: new Map(),
      proofs: new Map(),
      incoming: undefined,
    };
    this.#shelves.set(rowId, shelf);
    return shelf;
  }

  /** Rows of this node that are on the disk. */
  #written(rowIds: readonly string[]): void {
    for (const rowId of rowIds) {
      const own = this.#accounts.get(rowId);
      if (own?.terms !== undefined && !this.#terms.has(rowId))
        this.#learn(rowId, this.self, own.terms);
      if (own?.acts !== undefined) this.#reckonAnew(rowId);
    }
    this.events.emit('own', rowIds);
  }

  #learn(id: string, founder: Did, terms: BudgetTerms): void {
    this.#terms.set(id, terms);
    this.#founders.set(id, founder);
    this.#perFounder.set(founder, (this.#perFounder.get(founder) ?? 0) + 1);
    this.#reckonAnew(id);
  }

  /** What is decided on a budget concerns all its times. */
  #reckonAnew(id: string): void {
    for (const [rowId, shelf] of this.#shelves) {
      if (rowId === id || rowId.startsWith(`${id}/`)) shelf.incoming = undefined;
    }
  }

  async #takeAll(read: readonly ReadText[]): Promise<number> {
    const { logger, table } = this.#components;
    const sound: ReadText[] = [];
    for (const one of read) {
      try {
        if (!this.#isWanted(one)) continue;
        one.verify();
        sound.push(one);
      } catch (error) {
        logger.debug({ error: messageOf(error) }, 'a row of a budget refused');
      }
    }
    for (const { row } of sound.filter((one) => one.row.owner === this.self)) {
      if (this.#saysMore(row)) await this.#ownCameBack(row);
    }
    const others = sound.filter(({ row }) => row.owner !== this.self);
    if (others.length > 0) {
      await table.batch(
        others.map(({ row, jws }) => ({
          key: keyOf(row.budget, row.owner),
          value: Buffer.from(jws),
        })),
      );
    }
    const changed = new Set<string>();
    for (const one of sound) if (this.#count(one)) changed.add(one.row.budget);
    if (changed.size > 0) this.events.emit('others', [...changed]);
    return sound.length;
  }

  /** Cheap looks before a signature is verified. @throws why the row does not count */
  #isWanted({ row }: ReadText): boolean {
    const { id, time } = splitRowId(row.budget) ?? { id: '' };
    const isNew = !this.#terms.has(id);
    if (isNew && row.terms !== undefined) {
      if (this.#components.isKnown?.(row.owner) === false) return false;
      this.#requirePlace(row.owner);
    }
    if ((isNew && row.terms === undefined) || (!isNew && !this.mayHold(id, row.owner)))
      return false;
    if (time !== undefined && !this.#isSoundTime(row.budget, id, time)) return false;
    const shelf = this.#shelves.get(row.budget);
    const known = shelf?.ledger.row(row.owner);
    if (known === undefined) return true;
    if (shelf?.ledger.isFrozen(row.owner) === true) return false;
    return (
      row.seq > known.seq ||
      (row.seq === known.seq &&
        shelf?.texts.get(row.owner)?.jws !== undefined &&
        !isEqual(known, row))
    );
  }

  #isSoundTime(rowId: string, id: string, time: number): boolean {
    if (this.#terms.get(id)?.everyMs === undefined || this.#isLongOver(rowId)) return false;
    // A clock may be ahead, and not by more than one time.
    return time <= (splitRowId(this.rowIdNow(id))?.time ?? 0) + 1;
  }

  #requirePlace(founder: Did): void {
    const isMuch = (this.#perFounder.get(founder) ?? 0) >= BUDGETS_MAX;
    if (!isMuch && this.#terms.size < TOTAL_MAX) return;
    throw new StarlingError('STARLING_LIMIT_EXCEEDED', 'too many budgets are known already');
  }

  #saysMore(row: BudgetRow): boolean {
    const own = this.#accounts.durable(row.budget, this.self);
    if (own === undefined || row.seq > own.seq || row.spent > own.spent) return true;
    return entriesOf(row.out).some(([to, amount]) => amount > (own.out[to] ?? -1));
  }

  async #ownCameBack(row: BudgetRow): Promise<void> {
    this.#components.logger.warn(
      { budget: row.budget, seq: row.seq },
      'a later row of this node came back: the state folder was set back; what it says more counts as spent',
    );
    await this.#accounts.goOnFrom(row);
  }

  /** Lets a row count that is on the disk; true when it changes anything. */
  #count({ row, jws }: ReadText): boolean {
    if (row.terms !== undefined && !this.#terms.has(row.budget)) {
      this.#learn(row.budget, row.owner, row.terms);
    }
    const shelf = this.#shelfOf(row.budget);
    if (row.owner === this.self) {
      const own = this.#signedOwn(row.budget);
      const durable = this.#accounts.durable(row.budget, this.self);
      if (own?.seq === row.seq && durable !== undefined && shelf.ledger.take(durable) === 'new') {
        shelf.texts.set(this.self, own);
      }
    }
    const before = shelf.texts.get(row.owner);
    const taken = shelf.ledger.take(row);
    if (taken === 'known' || taken === 'frozen') return false;
    shelf.texts.set(row.owner, { owner: row.owner, seq: row.seq, jws });
    if (taken === 'proof' && before !== undefined) this.#keepProof(row, [before.jws, jws]);
    shelf.incoming = undefined;
    if (row.acts !== undefined || row.terms !== undefined) this.#reckonAnew(row.budget);
    return true;
  }

  #keepProof({ budget, owner }: BudgetRow, both: readonly string[]): void {
    const shelf = this.#shelfOf(budget);
    shelf.proofs.set(owner, both);
    const key = PROOF + keyOf(budget, owner).slice(ROW.length);
    this.#components.table
      .put(key, Buffer.from(JSON.stringify(both)))
      .catch((error: unknown) =>
        this.#components.logger.warn({ error: messageOf(error) }, 'a proof was not written'),
      );
    const proof = shelf.ledger.proofs().find((one) => one.owner === owner);
    if (proof !== undefined) this.events.emit('proof', budget, proof);
  }

  #loadProof(key: string, bytes: Uint8Array): void {
    const { logger, successions } = this.#components;
    try {
      const both = JSON.parse(Buffer.from(bytes).toString('utf8')) as readonly string[];
      for (const jws of both) {
        const { row } = readRow(jws, successions);
        const shelf = this.#shelfOf(row.budget);
        if (shelf.ledger.take(row) === 'proof') shelf.proofs.set(row.owner, both);
        shelf.incoming = undefined;
      }
    } catch (error) {
      logger.warn({ key, error: messageOf(error) }, 'skipped a damaged proof');
    }
  }

  #signedOwn(rowId: string): SignedRow | undefined {
    const row = this.#accounts.durable(rowId, this.self);
    if (row === undefined) return undefined;
    const known = this.#signed.get(rowId);
    if (known?.seq === row.seq) return known;
    const signed = { owner: this.self, seq: row.seq, jws: signRow(this.#components.signer, row) };
    this.#signed.set(rowId, signed);
    return signed;
  }
}

interface ReadText extends ReadRow {
  readonly jws: string;
}

function inOrder(read: readonly ReadText[]): readonly ReadText[] {
  const rank = ({ row }: ReadText): number => (row.terms === undefined ? 1 : 0);
  return read.toSorted((a, b) => rank(a) - rank(b) || a.row.seq - b.row.seq);
}

function isEqual(one: BudgetRow, other: BudgetRow): boolean {
  const given = entriesOf(one.out);
  return (
    one.spent === other.spent &&
    one.held === other.held &&
    given.length === entriesOf(other.out).length &&
    given.every(([to, amount]) => other.out[to] === amount)
  );
}

function keyOf(rowId: string, owner: Did): string {
  return `${ROW}${rowId}|${owner}`;
}

function unknown(rowId: string): StarlingError {
  return new StarlingError('STARLING_BUDGET_UNKNOWN', `no budget ${rowId} is known here`, {
    hint: 'see which there are: starling budget list',
  });
}
