/**
 * The rows that this node itself owns, on its disk. A change counts at once against what is free, and is told as done
 * once it is on the disk; what changes while the disk is busy goes with the next write, so that many callers share one.
 * Each write has a number of its own: by it the row is signed when it leaves the node, so that no two rows with one
 * number are ever signed, and only what is on the disk leaves.
 */
import { StarlingError, messageOf } from '../../core/index.ts';
import type { Clock, Did, Logger } from '../../core/index.ts';
import type { Table, Write } from '../../store/index.ts';
import { raise } from '../rows/ledger.ts';
import type { BudgetActs, BudgetRow, BudgetTerms } from '../types.ts';

const KEY = 'own/';
/** Turns of the event loop that a change waits at the most for others: more = larger groups, and later acknowledgements. */
const TURNS_MAX = 16;
/** What was settled while the disk refused is tried again so often. */
const AGAIN_MS = 5000;

/** What this node owns of one budget, or of one of its times. */
export interface Account {
  readonly rowId: string;
  /** With what is not on the disk yet. */
  readonly spent: number;
  readonly held: number;
  /** Of what is held: by calls that this node was cut off in. */
  readonly lost: number;
  readonly out: Readonly<Record<Did, number>>;
  readonly given: number;
  readonly terms?: BudgetTerms | undefined;
  readonly acts?: BudgetActs | undefined;
}

/** A change of an account. Amounts are added; they may be negative for `held` and `lost` only. */
export interface Change {
  readonly spent?: number;
  readonly held?: number;
  readonly lost?: number;
  /** To whom, and how much; 0 lets that one hold rights. */
  readonly give?: readonly [to: Did, amount: number];
  readonly terms?: BudgetTerms;
  readonly acts?: BudgetActs;
}

/** The rows of this node. */
export interface Accounts {
  /** Reads what is on the disk. What was held then may have been spent: it is `lost` from now on. */
  load(): Promise<void>;
  get(rowId: string): Account | undefined;
  all(): Iterable<Account>;
  /**
   * Counts at once; resolves when it is on the disk. A change that was refused has never been.
   * @throws STARLING_STATE_UNUSABLE, STARLING_LIMIT_EXCEEDED as the store does
   */
  change(rowId: string, change: Change): Promise<void>;
  /** Counts at once, and is on the disk with the next write; until then a crash leaves it held. */
  settle(rowId: string, held: number, spent: number): void;
  /** The row as it is on the disk; only that may leave the node. */
  durable(rowId: string, owner: Did): BudgetRow | undefined;
  /** A row of this node came back that is newer than its own: goes on from that, what it says more counts as spent. */
  goOnFrom(row: BudgetRow): Promise<void>;
  /** Whether nothing is held in this run and nothing waits to be written, so that the row can be forgotten. */
  isQuiet(rowId: string): boolean;
  /** Forgets quiet rows; gives what is to be erased from the disk. */
  forget(rowIds: readonly string[]): readonly Write[];
  /** Resolves when nothing is being written; never rejects. */
  idle(): Promise<void>;
  /** Writes what the disk has refused once more, and does not try again by itself; never rejects. */
  close(): Promise<void>;
}

interface Own extends Account {
  seq: number;
  spent: number;
  held: number;
  lost: number;
  out: Record<Did, number>;
  given: number;
  terms?: BudgetTerms | undefined;
  acts?: BudgetActs | undefined;
  durable: Snapshot | undefined;
}

interface Snapshot {
  readonly seq: number;
  readonly spent: number;
  readonly held: number;
  readonly lost: number;
  readonly out: Readonly<Record<Did, number>>;
  readonly terms?: BudgetTerms | undefined;
  readonly acts?: BudgetActs | undefined;
}

interface Waiter {
  /** Does the change; gives what undoes it, and nothing that others have changed since. */
  readonly apply: () => () => void;
  undo: () => void;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** Makes the accounts over a table; nothing is read before `load`. `written` hears which rows are newly on the disk. */
export function createAccounts(components: {
  readonly table: Table;
  readonly clock: Pick<Clock, 'schedule'>;
  readonly logger: Logger;
  readonly written?: (rowIds: readonly string[]) => void;
}): Accounts {
  return new DiskAccounts(components);
}

class DiskAccounts implements Accounts {
  readonly #table: Table;
  readonly #clock: Pick<Clock, 'schedule'>;
  readonly #logger: Logger;
  readonly #written: (rowIds: readonly string[]) => void;
  readonly #own = new Map<string, Own>();
  readonly #dirty = new Set<Own>();
  /** What is being written now. */
  #group: readonly Own[] = [];
  #waiters: Waiter[] = [];
  /** Changes and settles so far, by which it is seen whether more come. */
  #changes = 0;
  #writing: Promise<void> | undefined;
  /** Forgets that the disk is to be tried again. */
  #cancelAgain: (() => void) | undefined;
  #isFailing = false;
  #isClosed = false;

  constructor(components: Parameters<typeof createAccounts>[0]) {
    this.#table = components.table;
    this.#clock = components.clock;
    this.#logger = components.logger;
    this.#written = components.written ?? (() => undefined);
  }

  async load(): Promise<void> {
    this.#isClosed = false;
    for await (const [key, bytes] of this.#table.entries(KEY)) {
      const rowId = key.slice(KEY.length);
      const kept = readSnapshot(bytes);
      if (kept === undefined) {
        // To forget what was spent would give it a second time.
        throw new StarlingError(
          'STARLING_STATE_UNUSABLE',
          `the books of budget ${rowId} are damaged`,
          {
            hint: 'restore the state folder from a backup; what others know of this node is taken on then',
          },
        );
      }
      const lost = kept.lost + kept.held;
      const own: Own = {
        ...ownOf(rowId, kept),
        held: 0,
        lost,
        durable: { ...kept, held: 0, lost },
      };
      this.#own.set(rowId, own);
    }
  }

  get(rowId: string): Account | undefined {
    return this.#own.get(rowId);
  }

  all(): Iterable<Account> {
    return this.#own.values();
  }

  change(rowId: string, change: Change): Promise<void> {
    const own = this.#ownOf(rowId);
    return this.#write(own, () => apply(own, change));
  }

  settle(rowId: string, held: number, spent: number): void {
    const own = this.#ownOf(rowId);
    own.held -= held;
    own.spent += spent;
    this.#changes += 1;
    this.#dirty.add(own);
    this.#writing ??= this.#drain();
  }

  durable(rowId: string, owner: Did): BudgetRow | undefined {
    const kept = this.#own.get(rowId)?.durable;
    if (kept === undefined) return undefined;
    const { seq, spent, held, lost, out, terms, acts } = kept;
    return {
      budget: rowId,
      owner,
      seq,
      spent,
      held: held + lost,
      out,
      ...(terms === undefined ? {} : { terms }),
      ...(acts === undefined ? {} : { acts }),
    };
  }

  goOnFrom(row: BudgetRow): Promise<void> {
    const own = this.#ownOf(row.budget);
    return this.#write(own, () => raiseTo(own, row));
  }

  isQuiet(rowId: string): boolean {
    const own = this.#own.get(rowId);
    return (
      own === undefined || (own.held === 0 && !this.#dirty.has(own) && !this.#group.includes(own))
    );
  }

  forget(rowIds: readonly string[]): readonly Write[] {
    const quiet = rowIds.filter((rowId) => this.#own.has(rowId) && this.isQuiet(rowId));
    for (const rowId of quiet) this.#own.delete(rowId);
    return quiet.map((rowId) => ({ key: KEY + rowId }));
  }

  async idle(): Promise<void> {
    while (this.#writing !== undefined) await this.#writing;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#cancelAgain?.();
    this.#cancelAgain = undefined;
    if (this.#dirty.size > 0) this.#writing ??= this.#drain();
    await this.idle();
  }

  #ownOf(rowId: string): Own {
    const known = this.#own.get(rowId);
    if (known !== undefined) return known;
    const fresh = ownOf(rowId, { seq: 0, spent: 0, held: 0, lost: 0, out: {} });
    this.#own.set(rowId, fresh);
    return fresh;
  }

  #write(own: Own, change: () => () => void): Promise<void> {
    const undo = change();
    return new Promise((resolve, reject) => {
      this.#waiters.push({ apply: change, undo, resolve, reject });
      this.#changes += 1;
      this.#dirty.add(own);
      this.#writing ??= this.#drain();
    });
  }

  async #drain(): Promise<void> {
    while (this.#dirty.size > 0) {
      await this.#gather();
      const group = [...this.#dirty];
      this.#group = group;
      const waiters = this.#waiters;
      this.#dirty.clear();
      this.#waiters = [];
      if (!(await this.#writeGroup(group, waiters))) break;
    }
    this.#writing = undefined;
    if (this.#waiters.length > 0) this.#writing = this.#drain();
    else if (this.#dirty.size > 0) this.#tryAgain();
  }

  /** What was settled is known here alone until then, and a node that ends without a word counts it as held. */
  #tryAgain(): void {
    if (this.#isClosed) return;
    this.#cancelAgain ??= this.#clock.schedule(AGAIN_MS, () => {
      this.#cancelAgain = undefined;
      if (this.#dirty.size > 0) this.#writing ??= this.#drain();
    });
  }

  /**
   * Waits for turns of the event loop while each brings another change: a write costs as much as many changes, and
   * whoever is alone waits for one turn that brings none.
   */
  async #gather(): Promise<void> {
    for (let turns = 0; turns < TURNS_MAX; turns += 1) {
      const before = this.#changes;
      await new Promise((resolve) => setImmediate(resolve));
      if (this.#changes === before) return;
    }
  }

  /** What was changed since is done anew: terms and acts are those of before the changes that are taken back. */
  #takeBack(waiters: readonly Waiter[]): void {
    const later = this.#waiters;
    for (const { undo } of [...waiters, ...later].toReversed()) undo();
    for (const waiter of later) waiter.undo = waiter.apply();
  }

  /** False when the disk has refused. */
  async #writeGroup(group: readonly Own[], waiters: readonly Waiter[]): Promise<boolean> {
    const snapshots = group.map((own) => {
      own.seq += 1;
      return snapshotOf(own);
    });
    try {
      await this.#table
        .batch(group.map((own, at): Write => writeOf(own, snapshots[at])))
        .finally(() => (this.#group = []));
    } catch (error) {
      // Refused writes have left nothing behind. What was settled meanwhile stays here, and goes with the next write.
      this.#takeBack(waiters);
      for (const { reject } of waiters) reject(error);
      for (const own of group) this.#dirty.add(own);
      if (waiters.length === 0 && !this.#isFailing)
        this.#logger.warn({ error: messageOf(error) }, 'budgets not written');
      this.#isFailing = true;
      return this.#waiters.length > 0;
    }
    this.#isFailing = false;
    for (const [at, own] of group.entries()) own.durable = snapshots[at];
    for (const { resolve } of waiters) resolve();
    this.#written(group.map(({ rowId }) => rowId));
    return true;
  }
}

/** Adds what a row of this node says more than the account does; gives what takes that back. */
function raiseTo(own: Own, row: BudgetRow): () => void {
  own.seq = Math.max(own.seq, row.seq);
  // What is held there was held by a run that this node knows nothing of.
  const spent = Math.max(0, row.spent + row.held - own.spent);
  const raised = raise({ ...own.out }, row.out);
  const more = Object.entries(raised).filter(([to, amount]) => amount !== own.out[to as Did]);
  const undos = more.map(([to, amount]) =>
    apply(own, { give: [to as Did, amount - (own.out[to as Did] ?? 0)] }),
  );
  const terms = own.terms ?? row.terms;
  undos.push(
    apply(own, {
      spent,
      ...(terms === undefined ? {} : { terms }),
      ...(row.acts === undefined ? {} : { acts: row.acts }),
    }),
  );
  return () => {
    for (const undo of undos.toReversed()) undo();
  };
}

function apply(own: Own, { spent = 0, held = 0, lost = 0, give, terms, acts }: Change): () => void {
  const before = { terms: own.terms, acts: own.acts };
  const [to, amount = 0] = give ?? [];
  const hadEntry = to !== undefined && own.out[to] !== undefined;
  own.spent += spent;
  own.held += held;
  own.lost += lost;
  if (to !== undefined) setOut(own, { ...own.out, [to]: (own.out[to] ?? 0) + amount });
  if (terms !== undefined) own.terms = terms;
  if (acts !== undefined) own.acts = mergedActs(own.acts, acts);
  return () => {
    own.spent -= spent;
    own.held -= held;
    own.lost -= lost;
    Object.assign(own, before);
    if (to === undefined) return;
    const out: Record<Did, number> = { ...own.out, [to]: (own.out[to] ?? 0) - amount };
    if (!hadEntry && out[to] === 0) delete out[to];
    setOut(own, out);
  };
}

function mergedActs(one: BudgetActs | undefined, other: BudgetActs): BudgetActs {
  const reclaimed = raise({ ...one?.reclaimed }, other.reclaimed ?? {});
  const settled = raise({ ...one?.settled }, other.settled ?? {});
  return {
    ...(one?.closed === true || other.closed === true ? { closed: true } : {}),
    ...(Object.keys(reclaimed).length === 0 ? {} : { reclaimed }),
    ...(Object.keys(settled).length === 0 ? {} : { settled }),
  };
}

function setOut(own: Own, out: Record<Did, number>): void {
  own.out = out;
  own.given = Object.values(out).reduce((total, one) => total + one, 0);
}

function ownOf(rowId: string, kept: Snapshot): Own {
  const own: Own = { rowId, given: 0, durable: undefined, ...kept, out: { ...kept.out } };
  setOut(own, own.out);
  return own;
}

function snapshotOf({ seq, spent, held, lost, out, terms, acts }: Own): Snapshot {
  return { seq, spent, held, lost, out, terms, acts };
}

function writeOf({ rowId }: Own, snapshot: Snapshot | undefined): Write {
  return { key: KEY + rowId, value: Buffer.from(JSON.stringify(snapshot), 'utf8') };
}

function readSnapshot(bytes: Uint8Array): Snapshot | undefined {
  try {
    const read = JSON.parse(Buffer.from(bytes).toString('utf8')) as Snapshot;
    const isSound = [read.seq, read.spent, read.held, read.lost].every(Number.isSafeInteger);
    return isSound && typeof read.out === 'object' ? read : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
