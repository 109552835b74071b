/** A client that goes from node to node with what it was told last, and notes where it is promised more than it gets. */
import type { Board } from '../../src/blackboard/index.ts';
import type { Did } from '../../src/core/index.ts';
import type { TestClock } from '../core/test-clock.ts';
import { calm } from './hub.ts';
import { KEYS } from './board-events.ts';
import type { Ledger, Op } from './ledger.ts';

/** What the client has read or written of a key at the latest. */
interface Known {
  readonly at: number;
  readonly by: Did;
}

/** What a client works with. */
export interface HoppingClientInit {
  readonly ledger: Ledger;
  readonly clock: TestClock;
  /** Gets what was promised and not kept. */
  readonly faults: string[];
  /** Whether what somebody writes to a board counts for good. */
  readonly isLasting: (board: string, by: Did) => boolean;
}

/** Longer than a node that is behind lets a client wait, ms. */
const BEHIND_MS = 2001;

/** One client of several boards. */
export class HoppingClient {
  readonly #init: HoppingClientInit;
  readonly #tokens = new Map<string, string>();
  readonly #known = new Map<string, Known>();

  constructor(init: HoppingClientInit) {
    this.#init = init;
  }

  /** Whether the node has seen all that the client has; one that is behind says so. */
  async reach(of: string, board: Board): Promise<boolean> {
    const token = this.#tokens.get(of) ?? board.token();
    const state = { isOver: false };
    const reached = board.reach(token).then(
      () => true,
      () => false,
    );
    void reached.then(() => (state.isOver = true));
    await calm(1);
    if (!state.isOver) this.#init.clock.advance(BEHIND_MS);
    return reached;
  }

  /** Reads all keys at a node that has seen what the client has. */
  reads(of: string, board: Board): void {
    const { ledger, clock, faults } = this.#init;
    for (const key of KEYS) {
      const shown = { entry: board.get(key), gone: board.tombstone(key) };
      faults.push(...ledger.seen(shown));
      const known = this.#lasting(of, key);
      const at = shown.entry?.at ?? shown.gone?.at ?? 0;
      const isGone = at === 0 && ledger.mayBeGone({ board: of, key }, known?.at ?? 0, clock.now());
      if (known !== undefined && !isGone && at < known.at) {
        faults.push(`a client read ${of}/${key} of ${known.at}, and then of ${at}`);
      }
      // A deletion as well has an author, whose right may be taken back.
      const by = shown.entry?.by ?? shown.gone?.by;
      if (by !== undefined) this.#known.set(`${of}/${key}`, { at, by });
    }
    this.#tokens.set(of, board.token());
  }

  /** Its own write was acknowledged: it comes after all that the client had read. */
  wrote({ board: of, key, at = 0 }: Op, by: Did, board: Board): void {
    const others = KEYS.map((one) => this.#lasting(of, one)?.at ?? 0);
    if (at < Math.max(...others)) {
      this.#init.faults.push(`a client's write of ${of}/${key} comes before what it had read`);
    }
    this.#known.set(`${of}/${key}`, { at, by });
    this.#tokens.set(of, board.token());
  }

  #lasting(of: string, key: string): Known | undefined {
    const known = this.#known.get(`${of}/${key}`);
    return known !== undefined && this.#init.isLasting(of, known.by) ? known : undefined;
  }
}
