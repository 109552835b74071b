/** The switches of the mutants, as the mutated file asks for them. */

declare global {
  var __mutants__: Switches;
}

/** Thrown in a loop that goes round far more often than it ever did without a mutant. */
export class EndlessError extends Error {}

/** What the mutated file calls. */
export interface Switches {
  /** True when the mutant `id` is on; notes that somebody came by. */
  on(id: number): boolean;
  /** Called in each round of each loop. @throws EndlessError */
  tick(): void;
}

/** How many times more rounds a mutant may take than everything took without one. */
const ROUNDS_FACTOR = 20;
const ROUNDS_MIN = 1_000_000;

/** The switches, seen from the runner. */
export class SwitchBoard implements Switches {
  active = 0;
  /** Ids that somebody came by since the last {@link take}. */
  #seen = new Set<number>();
  #rounds = 0;
  #roundsBefore = 0;

  on(id: number): boolean {
    if (this.active === 0) this.#seen.add(id);
    return id === this.active;
  }

  tick(): void {
    this.#rounds += 1;
    if (this.active === 0) return;
    if (this.#rounds > Math.max(ROUNDS_MIN, this.#roundsBefore * ROUNDS_FACTOR)) {
      throw new EndlessError('this mutant does not come to an end');
    }
  }

  /** The ids that somebody came by since the last call. */
  take(): ReadonlySet<number> {
    const seen = this.#seen;
    this.#seen = new Set();
    return seen;
  }

  /** Switches `id` on; 0 for none. */
  turn(id: number): void {
    if (this.active === 0) this.#roundsBefore = Math.max(this.#roundsBefore, this.#rounds);
    this.#rounds = 0;
    this.active = id;
  }
}
