/** How far the boards are that come in by syncs now: a person sees that something comes, and how much of it is here. */
import type { PeerId } from '../../core/index.ts';
import type { BoardComing } from '../types.ts';

/** Less is here before anybody looks. */
const CHANGES_MIN = 1000;

/** One board on its way from one peer. */
export interface ComingBoard {
  /** So many changes have come by now. */
  has(changes: number): void;
  /** Nothing more comes. */
  end(): void;
}

/** All that come now. */
export class ComingBoards {
  readonly #coming = new Set<{ readonly board: string; view: BoardComing }>();

  /** Syncs under way that bring much, of all boards by their ids. */
  get all(): readonly { readonly board: string; readonly view: BoardComing }[] {
    return [...this.#coming];
  }

  of(board: string): readonly BoardComing[] {
    return this.all.filter((one) => one.board === board).map(({ view }) => view);
  }

  /** `of` changes come from a peer, as it says; undefined where that are too few to speak of. */
  begin(board: string, from: PeerId, of: number): ComingBoard | undefined {
    if (of < CHANGES_MIN) return undefined;
    const one = { board, view: { from, changes: 0, of } };
    this.#coming.add(one);
    return {
      has: (changes) => {
        one.view = { from, changes: Math.min(Math.max(changes, 0), of), of };
      },
      end: () => {
        this.#coming.delete(one);
      },
    };
  }

  clear(): void {
    this.#coming.clear();
  }
}
