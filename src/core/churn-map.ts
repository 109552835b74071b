/**
 * A map whose entries come and go by the thousand a second, as calls do.
 *
 * A `Map` of V8 moves into a new table whenever deleted entries have filled it, and the old table keeps
 * what it held and points to the new one. Once one table is in the old generation, the chain that
 * follows it survives until the next full collection, with every entry that was there at a move: each
 * call's objects are copied twice, and then wait. Here the tables hold keys and numbers only, and keys
 * should be numbers or texts: an object as a key would be kept as the entries of a `Map` are, and so
 * would those of a `Set`.
 */

/** The part of `Map` that such entries need, with its order. */
export interface ChurnMap<K, V> {
  readonly size: number;
  get(key: K): V | undefined;
  has(key: K): boolean;
  set(key: K, value: V): void;
  delete(key: K): boolean;
  /** In order of insertion; entries may be deleted meanwhile. */
  entries(): Generator<readonly [K, V]>;
  /** In order of insertion; entries may be deleted meanwhile. */
  values(): Generator<V>;
  clear(): void;
}

/** Makes an empty map. */
export function createChurnMap<K, V>(): ChurnMap<K, V> {
  return new SlotMap<K, V>();
}

class SlotMap<K, V> implements ChurnMap<K, V> {
  readonly #slotOf = new Map<K, number>();
  #values: (V | undefined)[] = [];
  #free: number[] = [];

  get size(): number {
    return this.#slotOf.size;
  }

  get(key: K): V | undefined {
    const slot = this.#slotOf.get(key);
    return slot === undefined ? undefined : this.#values[slot];
  }

  has(key: K): boolean {
    return this.#slotOf.has(key);
  }

  set(key: K, value: V): void {
    const known = this.#slotOf.get(key);
    const slot = known ?? this.#free.pop() ?? this.#values.length;
    if (known === undefined) this.#slotOf.set(key, slot);
    this.#values[slot] = value;
  }

  delete(key: K): boolean {
    const slot = this.#slotOf.get(key);
    if (slot === undefined) return false;
    this.#slotOf.delete(key);
    this.#values[slot] = undefined;
    this.#free.push(slot);
    return true;
  }

  *entries(): Generator<readonly [K, V]> {
    for (const [key, slot] of this.#slotOf) yield [key, this.#values[slot] as V];
  }

  *values(): Generator<V> {
    for (const slot of this.#slotOf.values()) yield this.#values[slot] as V;
  }

  clear(): void {
    this.#slotOf.clear();
    this.#values = [];
    this.#free = [];
  }
}
