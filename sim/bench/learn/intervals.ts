/** How sure figures are: intervals of 95 %. Pure. */

/** A mean, and between what it lies. */
export interface Interval {
  readonly mean: number;
  readonly low: number;
  readonly high: number;
}

/** 97.5 % of Student's t lie below, by degrees of freedom (from 1); more are as of a normal distribution. */
const T = [
  12.71, 4.3, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26, 2.23, 2.2, 2.18, 2.16, 2.14, 2.13, 2.12,
  2.11, 2.1, 2.09, 2.09, 2.08, 2.07, 2.07, 2.06, 2.06, 2.06, 2.05, 2.05, 2.05,
];
const NORMAL = 1.96;
const HALVINGS = 60;

/** Of the mean of some figures, one a seed (Student's t); of one figure alone nothing is sure. */
export function meanInterval(values: readonly number[]): Interval {
  const count = values.length;
  const mean = values.reduce((sum, value) => sum + value, 0) / count;
  if (count < 2) return { mean, low: -Infinity, high: Infinity };
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (count - 1);
  const half = (T[count - 2] ?? NORMAL) * Math.sqrt(variance / count);
  return { mean, low: mean - half, high: mean + half };
}

/** Of a share of `wins` in `all`, exact (Clopper and Pearson, 1934). */
export function shareInterval(wins: number, all: number): Interval {
  const mean = all === 0 ? Number.NaN : wins / all;
  const low = wins === 0 ? 0 : solve((p) => 1 - below(wins - 1, all, p), 0.025);
  const high = wins === all ? 1 : solve((p) => 1 - below(wins, all, p), 0.975);
  return { mean, low, high };
}

/** Where a function that grows over [0, 1] is `wanted`. */
function solve(grows: (p: number) => number, wanted: number): number {
  let [low, high] = [0, 1];
  for (let at = 0; at < HALVINGS; at += 1) {
    const middle = (low + high) / 2;
    if (grows(middle) < wanted) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

/** How likely at most `wins` of `all` are, each with `p`. */
function below(wins: number, all: number, p: number): number {
  if (p <= 0) return 1;
  if (p >= 1) return wins >= all ? 1 : 0;
  // In logarithms: the first term of many is too small for a number.
  let term = all * Math.log1p(-p);
  let sum = Math.exp(term);
  for (let k = 1; k <= wins; k += 1) {
    term += Math.log((all - k + 1) / k) + Math.log(p / (1 - p));
    sum += Math.exp(term);
  }
  return Math.min(1, sum);
}
