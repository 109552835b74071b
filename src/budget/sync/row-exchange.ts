/** One exchange of rows with one peer: what each has, lists of what differs, the rows that the other lacks, and the end. */
import { createHash } from 'node:crypto';
import { StarlingError, messageOf } from '../../core/index.ts';
import type { MessageStream, Network, PeerStream } from '../../network/index.ts';
import type { Books, NamedRow, SignedRow } from '../books/book-types.ts';
import { ENTRIES_PER_MESSAGE, decodeBudgetMessage, encodeBudgetMessage } from './row-messages.ts';
import type { BudgetMessage, RowName } from './row-messages.ts';

/** Budgets whose rows are named, or signed, in one turn of the event loop. */
const TURN_BUDGETS = 64;
/** Messages with rows that may wait to be taken; the other feels it as back-pressure. */
const WAITING_MAX = 4;
/** Rows that nobody can read, of one exchange; honest nodes send none, but for those of a later version. */
const UNREADABLE_MAX = 64;

/** What an exchange works with. */
export interface ExchangeComponents {
  readonly network: Pick<Network, 'report'>;
  readonly books: Books;
}

/** Between the opening of a stream and its end; nothing is said before `begin`. */
export class Exchange {
  /** Among what came were budgets of founders that are not known here, or not yet. */
  hadStrangers = false;
  /** Resolves when all that came was taken. */
  taken: Promise<unknown> = Promise.resolve();
  readonly #channel: MessageStream;
  readonly #stream: Pick<PeerStream, 'pause' | 'resume'>;
  readonly #components: ExchangeComponents;
  readonly #digestOf: (rowId: string) => string;
  #hasTheirs = false;
  #isLastList = false;
  #hasToldAll = false;
  #hasHeardAll = false;
  /** The rows here when the exchange began, and those of which the other has said what it has. */
  #rowIds: ReadonlySet<string> = new Set();
  readonly #answered = new Set<string>();
  #working: Promise<void> = Promise.resolve();
  /** What is sent is sent in its order. */
  #sending: Promise<void> = Promise.resolve();

  #waiting = 0;
  #unreadable = 0;

  constructor(
    channel: MessageStream,
    stream: Pick<PeerStream, 'pause' | 'resume'>,
    components: ExchangeComponents,
    digestOf: (rowId: string) => string,
  ) {
    this.#channel = channel;
    this.#stream = stream;
    this.#components = components;
    this.#digestOf = digestOf;
  }

  /** Says which rows are here. */
  begin(rowIds: readonly string[]): void {
    this.#rowIds = new Set(rowIds);
    const digests = rowIds.map((rowId) => [rowId, this.#digestOf(rowId)] as const);
    this.#send([{ t: 'have', digests }]);
  }

  /** Takes one message of the other. */
  hear(bytes: Uint8Array): void {
    const message = decodeBudgetMessage(bytes);
    const isInOrder =
      message?.t === 'have'
        ? !this.#hasTheirs
        : this.#hasTheirs && !(message?.t === 'list' && this.#isLastList);
    if (message === undefined || !isInOrder) {
      this.#breaks('no message of budgets');
      return;
    }
    if (message.t === 'rows' && message.jws.length > 0) this.#take(message.jws);
    else if (message.t === 'rows') {
      this.#hasHeardAll = true;
      this.#closeAfterAll();
    } else if (message.t === 'have') {
      this.#hasTheirs = true;
      this.#inTurn(() => this.#compare(message.digests));
    } else {
      this.#isLastList ||= message.last;
      this.#inTurn(() => this.#answer(message.rows, message.last));
    }
  }

  #breaks(why: string): void {
    this.#components.network.report(this.#channel.peer, 'malformed');
    this.#channel.abort(new StarlingError('STARLING_PROTOCOL_VIOLATION', why));
  }

  /** One after the other, since each lets others have their turn. */
  #inTurn(work: () => Promise<void>): void {
    this.#working = this.#working.then(work).catch((error: unknown) => this.#failed(error));
  }

  #failed(error: unknown): void {
    this.#channel.abort(error instanceof Error ? error : new Error(messageOf(error)));
  }

  async #compare(digests: readonly (readonly [string, string])[]): Promise<void> {
    const theirs = new Map(digests);
    const { books } = this.#components;
    const lists: (readonly [string, readonly RowName[]])[] = [];
    const unknown: string[] = [];
    for await (const rowId of inTurns([...books.rowIds()])) {
      const digest = theirs.get(rowId);
      if (digest === undefined) unknown.push(rowId);
      else if (digest !== this.#digestOf(rowId)) lists.push([rowId, namesOf(books.names(rowId))]);
    }
    const chunks = chunksOf(lists, 64);
    this.#send(chunks.map((rows) => ({ t: 'list', rows, last: false })));
    this.#send([{ t: 'list', rows: [], last: true }]);
    for (const part of chunksOf(unknown, TURN_BUDGETS)) {
      books.sign(part);
      for await (const rowId of inTurns(part)) this.#sendRows(books.texts(rowId));
    }
  }

  async #answer(
    rows: readonly (readonly [string, readonly RowName[]])[],
    isLast: boolean,
  ): Promise<void> {
    const { books } = this.#components;
    books.sign(rows.map(([rowId]) => rowId).filter((rowId) => this.#rowIds.has(rowId)));
    for await (const [rowId, names] of inTurns(rows)) {
      // Once each: a list that names one again and again asks for work, not for rows.
      if (this.#answered.has(rowId) || !this.#rowIds.has(rowId)) continue;
      this.#answered.add(rowId);
      const theirs = new Map(names.map(([owner, seq, hash]) => [`${owner} ${hash}`, seq]));
      const seqs = new Map(names.map(([owner, seq]) => [owner, seq]));
      this.#sendRows(
        books
          .texts(rowId)
          .filter(
            (row) =>
              !theirs.has(`${row.owner} ${row.hash}`) &&
              (row.seq === 0 || row.seq >= (seqs.get(row.owner) ?? -1)),
          ),
      );
    }
    if (!isLast) return;
    this.#flush();
    // No rows at all say that these were all.
    this.#send([{ t: 'rows', jws: [] }]);
    this.#hasToldAll = true;
    this.#closeAfterAll();
  }

  /** Who closes before the other has told all is told no more: a stream whose one half is closed closes its other. */
  #closeAfterAll(): void {
    if (!this.#hasToldAll || !this.#hasHeardAll) return;
    this.#sending = this.#sending.then(() => this.#channel.close()).catch(() => undefined);
  }

  #take(jws: readonly string[]): void {
    this.#waiting += 1;
    if (this.#waiting >= WAITING_MAX) this.#stream.pause();
    const taken = this.taken.then(() => this.#taken(jws));
    taken.catch((error: unknown) => this.#failed(error));
    this.taken = taken;
  }

  async #taken(jws: readonly string[]): Promise<void> {
    await this.#components.books.take(jws, (why) => {
      if (why === 'unreadable') this.#unreadable += 1;
      else this.hadStrangers = true;
    });
    if (this.#unreadable > UNREADABLE_MAX) this.#breaks('rows of budgets that nobody can read');
    this.#waiting -= 1;
    if (this.#waiting < WAITING_MAX) this.#stream.resume();
  }

  #pending: string[] = [];

  #sendRows(rows: readonly SignedRow[]): void {
    this.#pending.push(...rows.map(({ jws }) => jws));
    if (this.#pending.length >= ENTRIES_PER_MESSAGE) this.#flush();
  }

  #flush(): void {
    const texts = this.#pending;
    this.#pending = [];
    this.#send(chunksOf(texts, ENTRIES_PER_MESSAGE).map((jws) => ({ t: 'rows', jws })));
  }

  #send(messages: readonly BudgetMessage[]): void {
    for (const message of messages) {
      this.#sending = this.#sending
        .then(async () => {
          if (!this.#channel.send(encodeBudgetMessage(message))) await this.#channel.drained();
        })
        // The end of the stream tells why.
        .catch(() => undefined);
    }
  }
}

/** Rows as lists name them. */
export function namesOf(rows: readonly NamedRow[]): readonly RowName[] {
  return rows.map(({ owner, seq, hash }) => [owner, seq, hash] as const);
}

/** The beginning of the hash of a text. */
export function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('base64url').slice(0, 16);
}

/** All of them, and after some each time the event loop has its turn. */
async function* inTurns<One>(all: readonly One[]): AsyncGenerator<One> {
  for (const [at, one] of all.entries()) {
    if (at % TURN_BUDGETS === TURN_BUDGETS - 1) await new Promise((next) => setImmediate(next));
    yield one;
  }
}

function chunksOf<One>(all: readonly One[], size: number): readonly (readonly One[])[] {
  const chunks: (readonly One[])[] = [];
  for (let at = 0; at < all.length; at += size) chunks.push(all.slice(at, at + size));
  return chunks;
}
