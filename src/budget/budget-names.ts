/** By which words budgets and their owners are meant at this node. */
import { StarlingError, printable } from '../core/index.ts';
import type { Did, PeerId } from '../core/index.ts';
import type { SuccessionView } from '../grants/index.ts';
import type { PeerView } from '../membership/index.ts';
import type { Books } from './books/book-types.ts';
import { isBudgetId, splitRowId } from './rows/row-format.ts';
import type { BudgetTerms } from './types.ts';

/** A beginning of an id that means one. */
const PART_MIN = 5;

/** What the names are found in. */
export interface NamesComponents {
  readonly successions: Pick<SuccessionView, 'origin' | 'current'>;
  readonly selfName: string;
  readonly peers: () => readonly PeerView[];
  /** What a peer is called here, or was before it was put out. */
  readonly nameOf: (did: Did) => string | undefined;
}

/** Names of budgets and owners. */
export class BudgetNames {
  readonly #components: NamesComponents;
  readonly #books: Books;

  constructor(books: Books, components: NamesComponents) {
    this.#books = books;
    this.#components = components;
  }

  /** The budget that is meant by a name, an id or the beginning of one. @throws STARLING_BUDGET_UNKNOWN, STARLING_USAGE */
  idOf(reference: string): string {
    if (isBudgetId(reference) && this.#books.terms(reference) !== undefined) return reference;
    const named = this.named(reference);
    const open = named.filter((id) => !this.#books.isClosed(id));
    // A budget of this node that is closed is not replaced by one that somebody else calls the same.
    const own = named.filter((id) => this.#books.founderOf(id) === this.#books.self);
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

  /** All budgets of that name. */
  named(name: string): readonly string[] {
    return this.#books.named(name);
  }

  /** The terms of a budget that is known. @throws STARLING_BUDGET_UNKNOWN */
  termsOf(id: string): BudgetTerms {
    const terms = this.#books.terms(id);
    if (terms !== undefined) return terms;
    throw new StarlingError('STARLING_BUDGET_UNKNOWN', `no budget ${printable(id, 80)} is known`, {
      hint: 'see which there are: starling budget list',
      data: { budget: printable(id, 80) },
    });
  }

  /** The budgets, and those that they are part of, each once. */
  linesOf(ids: readonly string[]): readonly string[] {
    const line = new Set<string>();
    for (const id of ids) {
      for (let one: string | undefined = id; one !== undefined && !line.has(one);) {
        line.add(one);
        one = this.#books.terms(one)?.parent;
      }
    }
    return [...line];
  }

  /** The rows of a budget: its own, and those of its times. */
  rowIdsOf(id: string): readonly string[] {
    return [...this.#books.rowIds()].filter((rowId) => splitRowId(rowId)?.id === id);
  }

  /** This node's name for an owner. */
  owner(owner: Did): string {
    const { nameOf, selfName, successions } = this.#components;
    if (owner === this.#books.self) return selfName;
    return this.peerOf(owner)?.alias ?? nameOf(successions.current(owner)) ?? owner;
  }

  /** The peer that has, or had, this first key. */
  peerOf(owner: Did): PeerView | undefined {
    const { peers, successions } = this.#components;
    return peers().find(({ did }) => successions.origin(did) === owner);
  }

  /** Peers that may hold rights of a row. */
  peersOf(rowId: string): readonly PeerId[] {
    const id = splitRowId(rowId)?.id ?? rowId;
    const { successions, peers } = this.#components;
    return peers()
      .filter(({ did }) => this.#books.mayHold(id, successions.origin(did)))
      .map(({ peerId }) => peerId);
  }

  #beginning(part: string): readonly string[] {
    return part.length < PART_MIN ? [] : this.#books.ids().filter((id) => id.startsWith(part));
  }
}
