/**
 * Vitest's runner, taught to try mutants: each test of the round `cover` runs once and shows which
 * mutants it comes by; each of the round `try` runs again and again, once with each such mutant that
 * no test has killed yet, and last without one.
 */
import { appendFileSync } from 'node:fs';
import type { RunnerTask, RunnerTestCase, RunnerTestFile, RunnerTestSuite } from 'vitest';
import { VitestTestRunner } from 'vitest/runners';
import { getFn } from 'vitest/suite';
import { readJob } from './job.ts';
import type { Report } from './job.ts';
import { SwitchBoard } from './switches.ts';

/** How long a test may take with a mutant: several times what it took without, and a second. */
const SLOWER_FACTOR = 5;
const SLOWER_MIN_MS = 1000;

const job = readJob();
const board = new SwitchBoard();
globalThis.__mutants__ = board;
board.turn(job.alwaysOn);

function tell(report: Report): void {
  appendFileSync(job.reportTo, `${JSON.stringify(report)}\n`);
}

interface Coverage {
  readonly ids: ReadonlySet<number>;
  readonly durationMs: number;
}

/** What a test of the round `try` runs with, one after the other; 0 is none. */
interface Plan {
  readonly rounds: readonly number[];
  readonly durationMs: number;
  at: number;
  /** `undefined` while it runs. */
  failure: string | undefined;
}

export default class MutantRunner extends VitestTestRunner {
  readonly #wanted = new Set(job.ids);
  readonly #killed = new Set<number>();
  /** Each test's number in its round. */
  readonly #numbers = new Map<RunnerTask, number>();
  readonly #coverage = new Map<number, Coverage>();
  /** Came by while the files loaded. */
  #loading: ReadonlySet<number> = new Set();
  readonly #plans = new Map<RunnerTask, Plan>();
  #isUnsound = false;

  onBeforeRunFiles(files: RunnerTestFile[]): void {
    this.#loading = board.take();
    // Names may come twice; both rounds hold the same tests in the same order.
    for (const round of files.flatMap((file) => file.tasks)) {
      for (const [index, test] of testsIn(round).entries()) this.#numbers.set(test, index);
    }
  }

  override async onBeforeRunSuite(suite: RunnerTestSuite): Promise<void> {
    if (suite.name === 'try') {
      this.#tellCoverage();
      this.#sort(suite);
    }
    await super.onBeforeRunSuite(suite);
  }

  override onAfterRunFiles(): void {
    if (!this.#isUnsound) tell({ kind: 'done' });
    super.onAfterRunFiles();
  }

  override async onBeforeRunTask(test: RunnerTask): Promise<void> {
    await super.onBeforeRunTask(test);
    if (test.type !== 'test' || test.mode !== 'run' || roundOf(test) !== 'try') return;
    const { ids, durationMs } = this.#coverage.get(this.#numberOf(test)) ?? {
      ids: [],
      durationMs: 0,
    };
    const alive = [...ids].filter((id) => this.#wanted.has(id) && !this.#killed.has(id));
    if (alive.length === 0 || this.#isUnsound) {
      test.mode = 'skip';
      return;
    }
    const rounds = job.careful ? alive.flatMap((id) => [id, 0]) : [...alive, 0];
    this.#plans.set(test, { rounds, durationMs, at: -1, failure: undefined });
    test.repeats = rounds.length - 1;
  }

  override onBeforeTryTask(test: RunnerTask): void {
    super.onBeforeTryTask(test);
    const plan = this.#plans.get(test);
    if (plan === undefined) {
      board.take();
      return;
    }
    plan.at += 1;
    plan.failure = 'it did not begin';
    const id = this.#isUnsound ? 0 : (plan.rounds[plan.at] ?? 0);
    if (id !== 0) tell({ kind: 'begin', id });
    board.turn(id);
  }

  async runTask(test: RunnerTestCase): Promise<void> {
    const plan = this.#plans.get(test);
    if (plan === undefined) {
      await this.#cover(test);
      return;
    }
    if (board.active === 0) {
      await getFn(test)();
      plan.failure = undefined;
      return;
    }
    try {
      await withinTime(getFn(test), plan.durationMs * SLOWER_FACTOR + SLOWER_MIN_MS);
      plan.failure = undefined;
    } catch (error) {
      plan.failure = String(error);
    }
  }

  async #cover(test: RunnerTestCase): Promise<void> {
    const startedAt = performance.now();
    try {
      await getFn(test)();
    } catch (error) {
      if (job.alwaysOn === 0) tell({ kind: 'unsound', test: nameOf(test), error: String(error) });
      else tell({ kind: 'killed', id: job.alwaysOn, by: nameOf(test) });
      this.#isUnsound = true;
      throw error;
    }
    const durationMs = performance.now() - startedAt;
    tell({ kind: 'ran', test: nameOf(test) });
    this.#coverage.set(this.#numberOf(test), { ids: board.take(), durationMs });
  }

  onAfterRetryTask(test: RunnerTestCase): void {
    const plan = this.#plans.get(test);
    if (plan === undefined) return;
    const id = board.active;
    board.turn(0);
    // A mutant that fails is no news for Vitest.
    if (test.result !== undefined) Object.assign(test.result, { state: 'pass', errors: undefined });
    if (this.#isUnsound) return;
    if (id === 0) this.#settle(test, plan);
    else if (plan.failure !== undefined) {
      this.#killed.add(id);
      tell({ kind: 'killed', id, by: nameOf(test) });
    }
  }

  /** The test has run without a mutant after some with one. */
  #settle(test: RunnerTestCase, plan: Plan): void {
    if (plan.failure === undefined) {
      tell({ kind: 'sound', test: nameOf(test) });
      return;
    }
    this.#isUnsound = true;
    tell({ kind: 'unsound', test: nameOf(test), error: plan.failure });
  }

  #numberOf(test: RunnerTask): number {
    return this.#numbers.get(test) ?? -1;
  }

  #tellCoverage(): void {
    const ids = new Set([...this.#coverage.values()].flatMap((each) => [...each.ids]));
    const loading = [...this.#loading].filter((id) => !ids.has(id));
    tell({ kind: 'covered', ids: [...ids], loading });
  }

  /** The quickest first: what they kill the slow ones need not try. */
  #sort(suite: RunnerTestSuite): void {
    const cost = (task: RunnerTask): number =>
      task.type === 'suite'
        ? Math.max(0, ...task.tasks.map(cost))
        : (this.#coverage.get(this.#numberOf(task))?.durationMs ?? 0);
    suite.tasks.sort((a, b) => cost(a) - cost(b));
    for (const task of suite.tasks) if (task.type === 'suite') this.#sort(task);
  }
}

function testsIn(task: RunnerTask): RunnerTask[] {
  return task.type === 'suite' ? task.tasks.flatMap(testsIn) : [task];
}

/** The names of a task and of the suites around it, the outermost first: its round. */
function namesOf(task: RunnerTask): string[] {
  const names: string[] = [];
  for (let at: RunnerTask | undefined = task; at !== undefined; at = at.suite) {
    if (!('filepath' in at)) names.unshift(at.name);
  }
  return names;
}

function roundOf(task: RunnerTask): string {
  return namesOf(task)[0] ?? '';
}

/** The names of a test without its round. */
function nameOf(task: RunnerTask): string {
  return namesOf(task).slice(1).join(' > ');
}

async function withinTime(work: () => unknown, ms: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not within ${ms} ms`)), ms);
  });
  try {
    await Promise.race([work(), late]);
  } finally {
    clearTimeout(timer);
  }
}
