/**
 * Takes rows that others sent: each is read, looked at cheaply, verified, and written, and only then counts. A later row of
 * this node itself that comes back is gone on from.
 */
import type { EventEmitter } from 'node:events';
import { StarlingError, messageOf } from '../../core/index.ts';
import type { Did, Logger } from '../../core/index.ts';
import type { SuccessionView } from '../../grants/index.ts';
import type { Table, Write } from '../../store/index.ts';
import { endingIdOf, isEndingText, readEnding } from '../rows/ending-format.ts';
import { readRow, rowHash, splitRowId } from '../rows/row-format.ts';
import type { ReadRow } from '../rows/row-format.ts';
import type { BudgetRow } from '../types.ts';
import type { Accounts } from './accounts.ts';
import type { BooksEvents, RefusedRow, SignedRow } from './book-types.ts';
import type { Endings } from './endings.ts';
import type { KnownBudgets } from './known-budgets.ts';
import { entriesOf, isSame } from '../rows/ledger.ts';
import type { OwnTexts } from './own-texts.ts';
import type { Shelves } from './shelves.ts';

const ROW = 'row/';
const PROOF = 'proof/';
/** Signatures that are verified in one turn of the event loop. */
const TURN_ROWS = 64;

/** What the intake works with. */
export interface IntakeComponents {
  readonly table: Table;
  readonly logger: Logger;
  readonly successions: Pick<SuccessionView, 'origin'>;
  readonly accounts: Pick<Accounts, 'durable' | 'goOnFrom'>;
  readonly known: KnownBudgets;
  readonly shelves: Shelves;
  readonly own: OwnTexts;
  readonly endings: Endings;
  readonly events: EventEmitter<BooksEvents>;
  readonly self: () => Did;
  /** Whether this one may hold rights of the budget. */
  readonly mayHold: (id: string, owner: Did) => boolean;
  /** Whether budgets of this founder are kept. */
  readonly isKnown: (founder: Did) => boolean;
}

interface ReadText extends ReadRow {
  readonly jws: string;
}

/** Takes rows, and reads those that were taken. */
export class RowIntake {
  readonly #components: IntakeComponents;
  /** What came before is on the disk first: an older row would be written over a newer one that is under way. */
  #taking: Promise<unknown> = Promise.resolve();

  constructor(components: IntakeComponents) {
    this.#components = components;
  }

  /** Reads what was taken before. */
  async load(): Promise<void> {
    const { table, logger, successions } = this.#components;
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

  /** Takes signed rows in whatever order; gives how many were new, and tells which were not looked at. Never throws for bad input. */
  take(texts: readonly string[], refused?: RefusedRow): Promise<number> {
    const taken = this.#taking.then(() => this.#take(texts, refused));
    this.#taking = taken.catch(() => undefined);
    return taken;
  }

  async #take(texts: readonly string[], refused?: RefusedRow): Promise<number> {
    const { logger, successions } = this.#components;
    const read: ReadText[] = [];
    const unique = new Set(texts);
    // What is over lets no row in, and comes first.
    const endings = [...unique].filter(isEndingText);
    let taken = endings.length === 0 ? 0 : await this.#takeEndings(endings, refused);
    for (const jws of unique) {
      if (isEndingText(jws)) continue;
      try {
        read.push({ jws, ...readRow(jws, successions) });
      } catch (error) {
        refused?.('unreadable');
        logger.debug({ error: messageOf(error) }, 'a row of a budget refused');
      }
    }
    // Terms let other rows in, and come first.
    const sorted = inOrder(read);
    const ofTerms = sorted.filter(({ row }) => row.terms !== undefined);
    for (const part of [ofTerms, sorted.filter(({ row }) => row.terms === undefined)]) {
      taken += await this.#takeAll(part, refused);
    }
    return taken;
  }

  /** Forgets rows; gives what is to be erased from the disk. */
  forget(rowIds: readonly string[]): readonly Write[] {
    const { shelves } = this.#components;
    const keys: string[] = [];
    for (const rowId of rowIds) {
      const shelf = shelves.find(rowId);
      for (const owner of shelf?.texts.keys() ?? []) keys.push(keyOf(rowId, owner));
      for (const owner of shelf?.proofs.keys() ?? []) keys.push(proofKeyOf(rowId, owner));
      shelves.drop(rowId);
    }
    return keys.map((key) => ({ key }));
  }

  async #takeEndings(texts: readonly string[], refused: RefusedRow | undefined): Promise<number> {
    const { endings, events, isKnown, logger, successions } = this.#components;
    const taken: string[] = [];
    for (const jws of texts) {
      try {
        const read = readEnding(jws, successions);
        const { ending } = read;
        if (!isKnown(ending.founder)) refused?.('stranger');
        else if (endings.isNews(ending, jws)) {
          read.verify();
          await endings.take(ending, jws);
          taken.push(endingIdOf(ending.founder, ending.part));
        }
      } catch (error) {
        if (error instanceof StarlingError) {
          if (error.code === 'STARLING_GRANT_MALFORMED') refused?.('unreadable');
          logger.debug({ error: error.message }, 'a word on budgets that are over refused');
        } else throw error;
      }
    }
    if (taken.length > 0) events.emit('others', taken);
    return taken.length;
  }

  async #takeAll(read: readonly ReadText[], refused: RefusedRow | undefined): Promise<number> {
    const { events, logger, table, self } = this.#components;
    const sound: ReadText[] = [];
    for (const one of read) {
      try {
        if (!this.#isWanted(one, refused)) continue;
        one.verify();
        sound.push(one);
        // Nothing else waits longer than for some signatures.
        if (sound.length % TURN_ROWS === 0) await new Promise((next) => setImmediate(next));
      } catch (error) {
        logger.debug({ error: messageOf(error) }, 'a row of a budget refused');
      }
    }
    for (const { row } of sound.filter((one) => one.row.owner === self())) {
      if (this.#saysMore(row)) await this.#ownCameBack(row);
    }
    const others = sound.filter(({ row }) => row.owner !== self());
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
    if (changed.size > 0) events.emit('others', [...changed]);
    return sound.length;
  }

  /** Cheap looks before a signature is verified. @throws why the row does not count */
  #isWanted({ row, jws }: ReadText, refused: RefusedRow | undefined): boolean {
    const { known, isKnown, mayHold, shelves } = this.#components;
    const { id, time } = splitRowId(row.budget) ?? { id: '' };
    const isNew = !known.has(id);
    if (this.#isOver(id, row)) return false;
    if (isNew && row.terms !== undefined) {
      if (!isKnown(row.owner)) {
        refused?.('stranger');
        return false;
      }
      known.requirePlace(row.owner);
    }
    if ((isNew && row.terms === undefined) || (!isNew && !mayHold(id, row.owner))) return false;
    if (time !== undefined && !known.isSoundTime(row.budget, id, time)) return false;
    const shelf = shelves.find(row.budget);
    const last = shelf?.ledger.row(row.owner);
    if (last === undefined) return true;
    if (shelf?.ledger.isFrozen(row.owner) === true) return false;
    if (row.seq !== last.seq) return row.seq > last.seq;
    const text = shelf?.texts.get(row.owner)?.jws;
    return text !== undefined && text !== jws && !isSame(last, row);
  }

  /** Whether the row is one of a budget that is over: its terms, or those that are here, say when it was made. */
  #isOver(id: string, { owner, terms }: BudgetRow): boolean {
    const { endings, known } = this.#components;
    const [founder, made] = [known.founder(id) ?? owner, known.terms(id) ?? terms];
    return made !== undefined && endings.isOver(founder, { id, createdAt: made.createdAt });
  }

  #saysMore(row: BudgetRow): boolean {
    const { accounts, self } = this.#components;
    const own = accounts.durable(row.budget, self());
    if (own === undefined || row.seq > own.seq || row.spent > own.spent) return true;
    return entriesOf(row.out).some(([to, amount]) => amount > (own.out[to] ?? -1));
  }

  async #ownCameBack(row: BudgetRow): Promise<void> {
    const { accounts, logger } = this.#components;
    logger.warn(
      { budget: row.budget, seq: row.seq },
      'a later row of this node came back: the state folder was set back; what it says more counts as spent',
    );
    await accounts.goOnFrom(row);
  }

  /** Lets a row count that is on the disk; true when it changes anything. */
  #count({ row, jws }: ReadText): boolean {
    const { accounts, known, own: ownTexts, shelves, self } = this.#components;
    if (row.terms !== undefined && !known.has(row.budget)) {
      known.learn(row.budget, row.owner, row.terms);
      shelves.reckonAnew(row.budget);
    }
    const shelf = shelves.at(row.budget);
    if (row.owner === self()) {
      const own = ownTexts.of(row.budget, self());
      const durable = accounts.durable(row.budget, self());
      if (own?.seq === row.seq && durable !== undefined && shelf.ledger.take(durable) === 'new') {
        shelf.texts.set(self(), own);
      }
    }
    const before = shelf.texts.get(row.owner);
    const taken = shelf.ledger.take(row);
    if (taken === 'known' || taken === 'frozen') return false;
    const signed = { owner: row.owner, seq: row.seq, hash: rowHash(row), jws };
    shelf.texts.set(row.owner, signed);
    if (taken === 'proof' && before !== undefined) this.#keepProof(row, [before, signed]);
    shelf.incoming = undefined;
    if (row.acts !== undefined || row.terms !== undefined) shelves.reckonAnew(row.budget);
    return true;
  }

  #keepProof({ budget, owner }: BudgetRow, both: readonly SignedRow[]): void {
    const { events, logger, shelves, table } = this.#components;
    const shelf = shelves.at(budget);
    shelf.proofs.set(owner, both);
    table
      .put(proofKeyOf(budget, owner), Buffer.from(JSON.stringify(both.map(({ jws }) => jws))))
      .catch((error: unknown) =>
        logger.warn({ error: messageOf(error) }, 'a proof was not written'),
      );
    const proof = shelf.ledger.proofs().find((one) => one.owner === owner);
    if (proof !== undefined) events.emit('proof', budget, proof);
  }

  #loadProof(key: string, bytes: Uint8Array): void {
    const { logger, shelves, successions } = this.#components;
    try {
      const texts = JSON.parse(Buffer.from(bytes).toString('utf8')) as readonly string[];
      const both = texts.map((jws) => ({ jws, row: readRow(jws, successions).row }));
      const signed = both.map(({ jws, row }): SignedRow => ({
        owner: row.owner,
        seq: row.seq,
        hash: rowHash(row),
        jws,
      }));
      for (const { row } of both) {
        const shelf = shelves.at(row.budget);
        if (shelf.ledger.take(row) === 'proof') shelf.proofs.set(row.owner, signed);
        shelf.incoming = undefined;
      }
    } catch (error) {
      logger.warn({ key, error: messageOf(error) }, 'skipped a damaged proof');
    }
  }
}

function inOrder(read: readonly ReadText[]): readonly ReadText[] {
  const rank = ({ row }: ReadText): number => (row.terms === undefined ? 1 : 0);
  return read.toSorted((a, b) => rank(a) - rank(b) || a.row.seq - b.row.seq);
}

function keyOf(rowId: string, owner: Did): string {
  return `${ROW}${rowId}|${owner}`;
}

function proofKeyOf(rowId: string, owner: Did): string {
  return `${PROOF}${rowId}|${owner}`;
}
