/** Mutants that no test can kill, because the changed code does the same; each with its reason. */

/** One mutant, by place and change. */
export interface Equivalent {
  readonly file: string;
  /** The whole line, trimmed, where the change begins. */
  readonly line: string;
  readonly from: string;
  readonly to: string;
  readonly why: string;
}

/** All of them. An entry that fits no mutant, or one that a test kills, fails the run. */
export const EQUIVALENTS: readonly Equivalent[] = [];
