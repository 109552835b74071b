/** Draws from a beta distribution, by what a source of evenly spread numbers gives. Pure but for that source. */
import type { Random } from '../core/index.ts';

/** Draws before the middle of the distribution is taken: a good source needs two, a broken one has no end. */
const TRIES_MAX = 64;

/** A number in [0, 1], from Beta(`a`, `b`) with `a` and `b` of at least 1: the share of two draws of gamma. */
export function sampleBeta(a: number, b: number, random: Random): number {
  const one = sampleGamma(a, random);
  return one / (one + sampleGamma(b, random));
}

/** Marsaglia and Tsang, "A simple method for generating gamma variables", 2000; for shapes of at least 1. */
function sampleGamma(shape: number, random: Random): number {
  const d = shape - 1 / 3;
  const c = 1 / Math.sqrt(9 * d);
  for (let tries = 0; tries < TRIES_MAX; tries += 1) {
    const x = sampleNormal(random);
    const v = (1 + c * x) ** 3;
    if (v <= 0) continue;
    const u = 1 - random();
    if (Math.log(u) < 0.5 * x * x + d - d * v + d * Math.log(v)) return d * v;
  }
  return d;
}

/** Box and Muller, 1958. */
function sampleNormal(random: Random): number {
  const radius = Math.sqrt(-2 * Math.log(1 - random()));
  return radius * Math.cos(2 * Math.PI * random());
}
