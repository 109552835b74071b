/** The signed rows that are here, by budget and time: who has said what, in which words, and who contradicts itself. */
import type { Did } from '../../core/index.ts';
import { splitRowId } from '../rows/row-format.ts';
import type { SignedRow } from './book-types.ts';
import { createLedger } from '../rows/ledger.ts';
import type { Ledger } from '../rows/ledger.ts';

/** The rows of one budget, or of one of its times. */
export interface Shelf {
  readonly ledger: Ledger;
  readonly texts: Map<Did, SignedRow>;
  /** Both rows of each who has contradicted itself. */
  readonly proofs: Map<Did, readonly SignedRow[]>;
  /** What this node has got in all, but for what is not covered; undefined when it is to be reckoned anew. */
  incoming: number | undefined;
}

/** All shelves of a node. */
export class Shelves {
  readonly #shelves = new Map<string, Shelf>();
  /** The shelves of each budget: its own, and those of its times. */
  readonly #ofBudget = new Map<string, Map<string, Shelf>>();
  readonly #settledUpTo: (id: string, owner: Did) => number;

  /** `settledUpTo` says up to which number an owner's contradictions in a budget are settled. */
  constructor(settledUpTo: (id: string, owner: Did) => number) {
    this.#settledUpTo = settledUpTo;
  }

  rowIds(): IterableIterator<string> {
    return this.#shelves.keys();
  }

  has(rowId: string): boolean {
    return this.#shelves.has(rowId);
  }

  find(rowId: string): Shelf | undefined {
    return this.#shelves.get(rowId);
  }

  /** The shelf of a row, an empty one where there is none. */
  at(rowId: string): Shelf {
    const known = this.#shelves.get(rowId);
    if (known !== undefined) return known;
    const id = splitRowId(rowId)?.id ?? rowId;
    const shelf: Shelf = {
      ledger: createLedger((owner) => this.#settledUpTo(id, owner)),
      texts: new Map(),
      proofs: new Map(),
      incoming: undefined,
    };
    this.#shelves.set(rowId, shelf);
    const others = this.#ofBudget.get(id);
    if (others === undefined) this.#ofBudget.set(id, new Map([[rowId, shelf]]));
    else others.set(rowId, shelf);
    return shelf;
  }

  /** What is decided on a budget concerns all its times. */
  reckonAnew(id: string): void {
    for (const shelf of this.#ofBudget.get(id)?.values() ?? []) shelf.incoming = undefined;
  }

  drop(rowId: string): void {
    this.#shelves.delete(rowId);
    this.#ofBudget.get(splitRowId(rowId)?.id ?? rowId)?.delete(rowId);
  }
}
