/** One exchange of rows with one peer: what each has, lists of what differs, the rows that the other lacks, and the end. */
import { createHash } from 'node:crypto';
import { StarlingError, messageOf } from '../../core/index.ts';
import type { MessageStream, Network } from '../../network/index.ts';
import type { Books, SignedRow } from '../books/book-types.ts';
import { ENTRIES_PER_MESSAGE, decodeBudgetMessage, encodeBudgetMessage } from './row-messages.ts';
import type { BudgetMessage, RowName } from './row-messages.ts';

/** What an exchange works with. */
export interface ExchangeComponents {
  readonly network: Pick<Network, 'report'>;
  readonly books: Books;
}

/** Between the opening of a stream and its end; nothing is said before `begin`. */
export class Exchange {
  /** Resolves when all that came was taken. */
  taken: Promise<unknown> = Promise.resolve();
  readonly #channel: MessageStream;
  readonly #components: ExchangeComponents;
  readonly #digestOf: (rowId: string) => string;
  #hasTheirs = false;
  #isLastList = false;
  /** The rows here when the exchange began, and those of which the other has said what it has. */
  #rowIds: ReadonlySet<string> = new Set();
  readonly #answered = new Set<string>();
  /** What is sent is sent in its order. */
  #sending: Promise<void> = Promise.resolve();

  constructor(
    channel: MessageStream,
    components: ExchangeComponents,
    digestOf: (rowId: string) => string,
  ) {
    this.#channel = channel;
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
      this.#components.network.report(this.#channel.peer, 'malformed');
      this.#channel.abort(
        new StarlingError('STARLING_PROTOCOL_VIOLATION', 'no message of budgets'),
      );
      return;
    }
    if (message.t === 'have') this.#compare(message.digests);
    else if (message.t === 'list') this.#answer(message.rows, message.last);
    else this.#take(message.jws);
  }

  #compare(digests: readonly (readonly [string, string])[]): void {
    this.#hasTheirs = true;
    const theirs = new Map(digests);
    const { books } = this.#components;
    const lists: (readonly [string, readonly RowName[]])[] = [];
    const unknown: string[] = [];
    for (const rowId of books.rowIds()) {
      const digest = theirs.get(rowId);
      if (digest === undefined) unknown.push(rowId);
      else if (digest !== this.#digestOf(rowId)) lists.push([rowId, namesOf(books.texts(rowId))]);
    }
    const chunks = chunksOf(lists, 64);
    this.#send(chunks.map((rows) => ({ t: 'list', rows, last: false })));
    this.#send([{ t: 'list', rows: [], last: true }]);
    for (const rowId of unknown) this.#sendRows(books.texts(rowId));
  }

  #answer(rows: readonly (readonly [string, readonly RowName[]])[], isLast: boolean): void {
    const { books } = this.#components;
    for (const [rowId, names] of rows) {
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
              !theirs.has(`${row.owner} ${hashOf(row.jws)}`) &&
              (row.seq === 0 || row.seq >= (seqs.get(row.owner) ?? -1)),
          ),
      );
    }
    if (!isLast) return;
    this.#isLastList = true;
    this.#flush();
    // The other closes when it has answered our last list, too.
    this.#sending = this.#sending.then(() => this.#channel.close()).catch(() => undefined);
  }

  #take(jws: readonly string[]): void {
    const { books } = this.#components;
    const taken = this.taken.then(() => books.take(jws));
    taken.catch((error: unknown) =>
      this.#channel.abort(error instanceof Error ? error : new Error(messageOf(error))),
    );
    this.taken = taken;
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
export function namesOf(rows: readonly SignedRow[]): readonly RowName[] {
  return rows.map(({ owner, seq, jws }) => [owner, seq, hashOf(jws)] as const);
}

/** The beginning of the hash of a text. */
export function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('base64url').slice(0, 16);
}

function chunksOf<One>(all: readonly One[], size: number): readonly (readonly One[])[] {
  const chunks: (readonly One[])[] = [];
  for (let at = 0; at < all.length; at += size) chunks.push(all.slice(at, at + size));
  return chunks;
}
