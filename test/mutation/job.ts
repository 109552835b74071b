/** What the parent tells the process that runs one file's mutants, and what that process tells back. */

/** One run: a file, the tests that belong to it, and which mutants to try. */
export interface Job {
  /** Absolute path of the file that is mutated; the file itself is never written to. */
  readonly source: string;
  /** Absolute paths of test files. */
  readonly tests: readonly string[];
  /** Mutants to try. */
  readonly ids: readonly number[];
  /**
   * One mutant that is on from the start, else 0: for code that runs while the files load, or whose
   * result a module keeps from then on.
   */
  readonly alwaysOn: number;
  /** With `alwaysOn`: the numbers of the tests to run; absent for all. */
  readonly only?: readonly number[];
  /** Run each test again without a mutant after each mutant, to see which one leaves something behind. */
  readonly careful: boolean;
  /** Where lines of {@link Report} go. */
  readonly reportTo: string;
}

/** One line of the report. */
export type Report =
  /** The mutants that some test comes by, once all tests have run without one. */
  | {
      readonly kind: 'covered';
      /** Numbers of the tests, by mutant. */
      readonly tests: Readonly<Record<number, readonly number[]>>;
      readonly loading: readonly number[];
    }
  /** A test of the first round: something still happens. */
  | { readonly kind: 'ran'; readonly test: string }
  | { readonly kind: 'begin'; readonly id: number }
  | { readonly kind: 'killed'; readonly id: number; readonly by: string }
  /** A test that is done with its mutants and passes without one. */
  | { readonly kind: 'sound'; readonly test: string }
  /** Without a mutant a test fails: what it tried since it began does not count. */
  | { readonly kind: 'unsound'; readonly test: string; readonly error: string }
  | { readonly kind: 'done' };

/** The environment variable that holds the job as JSON. */
export const JOB_VARIABLE = 'STARLING_MUTATION_JOB';

/** The job of this process. @throws Error when there is none */
export function readJob(): Job {
  const text = process.env[JOB_VARIABLE];
  if (text === undefined) throw new Error(`${JOB_VARIABLE} is not set: use npm run mutate`);
  return JSON.parse(text) as Job;
}
