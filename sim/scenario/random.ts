/** Chance from a seed: xoshiro128** (Blackman and Vigna, "Scrambled Linear Pseudorandom Number Generators", 2018). */

/** A source of chance that gives the same for the same seed. */
export interface Chance {
  /** In [0, 1). */
  next(): number;
  /** A whole number in [0, 2^32). */
  bits(): number;
  /** A whole number in [0, limit). */
  below(limit: number): number;
}

/** Makes a source; its state is spread from the seed by splitmix32. */
export function createChance(seed: number): Chance {
  let spread = seed >>> 0;
  const mixed = (): number => {
    spread = (spread + 0x9e3779b9) >>> 0;
    let z = spread;
    z = Math.imul(z ^ (z >>> 16), 0x85ebca6b);
    z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
    return (z ^ (z >>> 16)) >>> 0;
  };
  let a = mixed();
  let b = mixed();
  let c = mixed();
  let d = mixed();
  const bits = (): number => {
    const product = Math.imul(b, 5);
    const result = Math.imul((product << 7) | (product >>> 25), 9) >>> 0;
    const shifted = b << 9;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= shifted;
    d = (d << 11) | (d >>> 21);
    return result;
  };
  return {
    bits,
    next: () => bits() / 2 ** 32,
    below: (limit) => Math.floor((bits() / 2 ** 32) * limit),
  };
}

/** A copy in another order (Fisher and Yates). */
export function shuffled<T>(list: readonly T[], chance: Chance): readonly T[] {
  const copy = [...list];
  for (let at = copy.length - 1; at > 0; at -= 1) {
    const other = chance.below(at + 1);
    const held = copy[at] as T;
    copy[at] = copy[other] as T;
    copy[other] = held;
  }
  return copy;
}
