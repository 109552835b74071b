/** Who has seen whom how: what the claims of a scenario are held against. */
import type { Sight } from './engines/world.ts';

/** Which of what was seen may never be seen. */
export interface Never {
  readonly never: 'dead' | 'missed';
  readonly of: ReadonlySet<string>;
  readonly by: ReadonlySet<string>;
}

/** Sights of all nodes, by names. */
export class Sights {
  readonly #seen = new Map<string, Map<string, Sight>>();
  readonly #names = new Map<string, string>();
  readonly #waiting = new Set<() => void>();
  readonly #never: readonly Never[];
  /** What was seen against a claim, in words. */
  readonly broken: string[] = [];
  /** Nodes that do not run now. */
  readonly down = new Set<string>();

  constructor(never: readonly Never[]) {
    this.#never = never;
  }

  /** From now on the PeerId is known by a name. */
  named(name: string, peerId: string): void {
    this.#names.set(peerId, name);
    this.#wake();
  }

  /** A node begins anew: it has seen nothing. */
  fresh(by: string): void {
    this.#seen.set(by, new Map());
  }

  saw(by: string, peerId: string, sight: Sight, when: string): void {
    const seen = this.#seen.get(by) ?? new Map<string, Sight>();
    const before = seen.get(peerId);
    this.#seen.set(by, seen.set(peerId, sight));
    if (before !== sight) this.#hold(by, peerId, sight, when);
    this.#wake();
  }

  /** How `by` has seen the node `of` last. */
  of(by: string, of: string): Sight | undefined {
    for (const [peerId, sight] of this.#seen.get(by) ?? []) {
      if (this.#names.get(peerId) === of) return sight;
    }
    return undefined;
  }

  /** Ordered pairs of `names` of which the first has the second alive. */
  pairsAlive(names: readonly string[]): number {
    const wanted = new Set(names);
    let count = 0;
    for (const by of names) {
      for (const [peerId, sight] of this.#seen.get(by) ?? []) {
        if (sight === 'alive' && wanted.has(this.#names.get(peerId) ?? '')) count += 1;
      }
    }
    return count;
  }

  /** Is called when something was seen. Gives what ends that. */
  onChange(look: () => void): () => void {
    this.#waiting.add(look);
    return () => void this.#waiting.delete(look);
  }

  #wake(): void {
    for (const look of this.#waiting) look();
  }

  #hold(by: string, peerId: string, sight: Sight, when: string): void {
    const of = this.#names.get(peerId);
    // What a node sees that is itself gone, or of one that is, is no fault.
    if (of === undefined || this.down.has(by) || this.down.has(of)) return;
    for (const claim of this.#never) {
      if (!claim.of.has(of) || !claim.by.has(by)) continue;
      const isBroken = sight === 'dead' || (claim.never === 'missed' && sight === 'suspect');
      if (isBroken) this.broken.push(`${by} saw ${of} as ${sight} at ${when}`);
    }
  }
}
