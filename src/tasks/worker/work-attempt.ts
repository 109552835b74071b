/** One attempt at the node of its worker: what came of it, what it waits for, and its timers. */
import { StarlingError, createScope, restMs } from '../../core/index.ts';
import type { Clock, Json, Scope } from '../../core/index.ts';
import { worstTaint } from '../../guard/index.ts';
import type { Taint } from '../../guard/index.ts';
import { OUTCOME_MS, PROGRESS_MS, QUESTIONS_MAX } from '../limits.ts';
import type { Outcome, Progress, TaskQuestion } from '../types.ts';

/** What a wait for a person ends with, made once: nobody reads it. */
const OVER = new Error('the attempt is over');

/** What the agent's work has come to. */
export type Ended = Exclude<Outcome, { state: 'running' | 'asks' | 'unknown' }>;

/** Who gives what to whom, and for how long. */
export interface WorkAttemptInit {
  /** The submitter's node and the task. */
  readonly key: string;
  /** Whose task it is. */
  readonly submitter: string;
  readonly owner: string;
  readonly token: number;
  readonly agent: string;
  /** How long the agent may work, ms; what it waits for people does not count. */
  readonly timeoutMs: number;
}

/** See the file. The lease is a timer, so that a clock that is set neither ends nor lengthens it. */
export class WorkAttempt {
  readonly key: string;
  readonly submitter: string;
  /** `keyOf` the agent's owner: an agent of the same name that is announced later is another. */
  readonly owner: string;
  readonly token: number;
  readonly agent: string;
  readonly scope: Scope;
  readonly wakers = new Set<() => void>();
  /** What a person has not agreed to yet; aborted with a text where nobody ever waits for that again. */
  readonly asking = new AbortController();
  readonly #clock: Clock;
  #leftMs: number;
  #startedAt: number | undefined;
  #outcome: Ended | undefined;
  #question: TaskQuestion | undefined;
  #answer: ((value: Json) => void) | undefined;
  #progress: Progress | undefined;
  #taint: Taint | undefined;
  #news = 1;
  #asked = 0;
  #cancelLease = (): void => undefined;
  #cancelSilence = (): void => undefined;
  #cancelTime = (): void => undefined;

  constructor(clock: Clock, { key, submitter, owner, token, agent, timeoutMs }: WorkAttemptInit) {
    this.#clock = clock;
    this.key = key;
    this.submitter = submitter;
    this.owner = owner;
    this.token = token;
    this.agent = agent;
    this.#leftMs = timeoutMs;
    this.scope = createScope(clock);
  }

  get outcome(): Ended | undefined {
    return this.#outcome;
  }

  get news(): number {
    return this.#news;
  }

  /** An agent is at it: it has not ended, and waits for nobody. */
  get isWorking(): boolean {
    return this.#outcome === undefined && this.#question === undefined;
  }

  get isOver(): boolean {
    return this.#outcome !== undefined;
  }

  /** What whoever asks is told. */
  now(): Outcome {
    const taint = this.#taint === undefined ? {} : { taint: this.#taint };
    if (this.#outcome !== undefined) return { ...this.#outcome, ...taint };
    const progress = this.#progress === undefined ? {} : { progress: this.#progress };
    const said = { news: this.#news, ...progress, ...taint };
    if (this.#question === undefined) return { state: 'running', ...said };
    return { state: 'asks', question: this.#question, ...said };
  }

  /** What its agent says of it from now on may be made of what comes from there. */
  heard(taint: Taint | undefined): void {
    this.#taint = worstTaint(this.#taint, taint);
  }

  /** From now on the agent's time runs. */
  runs(): void {
    this.#question = undefined;
    this.#answer = undefined;
    this.#startedAt = this.#clock.now();
    const leftMs = this.#leftMs;
    this.#cancelTime = this.scope.after(leftMs, () => {
      const message = `agent ${this.agent}: it gave no answer in its time`;
      this.settle({ state: 'failed', reason: 'timeout', message, answered: false });
      this.scope.close();
    });
    this.#tell();
  }

  /** It waits for somebody, and its time stands still. */
  pauses(question: TaskQuestion, answer?: (value: Json) => void): void {
    if (this.#outcome !== undefined) return;
    this.#cancelTime();
    this.#cancelSilence();
    if (this.#startedAt !== undefined) {
      this.#leftMs = restMs(this.#clock.now(), this.#startedAt, this.#leftMs);
      this.#startedAt = undefined;
    }
    this.#question = question;
    this.#answer = answer;
    this.#tell();
  }

  /** One question at a time, and so many of one attempt. */
  mayAsk(): boolean {
    this.#asked += 1;
    return this.isWorking && this.#asked <= QUESTIONS_MAX;
  }

  /** False where this is not what it has asked. */
  answered(key: string, value: Json): boolean {
    const answer = this.#answer;
    if (answer === undefined || this.#question?.key !== key) return false;
    this.runs();
    answer(value);
    return true;
  }

  progressed(progress: Progress): void {
    this.#progress = { ...this.#progress, ...progress };
    this.#cancelSilence();
    // Whoever waits for somebody has nothing to tell.
    if (this.#question === undefined) {
      this.#cancelSilence = this.scope.after(PROGRESS_MS, () => {
        const message = `its program has told nothing for ${PROGRESS_MS} ms`;
        this.settle({ state: 'failed', reason: 'silent', message, answered: false });
        this.scope.close();
      });
    }
    this.#tell();
  }

  /** The first outcome is the one. */
  settle(outcome: Ended): void {
    if (this.#outcome !== undefined) return;
    this.heard(outcome.taint);
    this.#outcome = outcome;
    this.#cancelSilence();
    this.#cancelTime();
    this.#tell();
  }

  /** Nobody asks for so long: then `over` is called. */
  lease(leaseMs: number, over: () => void): void {
    this.#cancelLease();
    const ms = this.#outcome === undefined ? leaseMs : OUTCOME_MS;
    this.#cancelLease = this.#clock.schedule(ms, over);
  }

  /** Ends all of it. */
  close(): void {
    this.#cancelLease();
    const message = 'it was taken back';
    this.settle({ state: 'failed', reason: 'ended', message, answered: false });
    this.asking.abort(OVER);
    this.scope.close();
  }

  #tell(): void {
    this.#news += 1;
    for (const wake of this.wakers) wake();
  }
}

/** The agent's node takes no such attempt. */
export function refused(
  { agent, taskId }: { readonly agent: string; readonly taskId: string },
  reason: string,
  why: string,
): StarlingError {
  return new StarlingError(
    'STARLING_AGENT_FAILED',
    `agent ${agent} takes no task ${taskId}: ${why}`,
    {
      data: { agentId: agent, reason },
    },
  );
}
