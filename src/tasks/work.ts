/**
 * The worker's side of tasks: what agents of this node do for submitters here and at peers. Each attempt is a query to the
 * agent, which ends when its lease does: the submitter's node asks how it goes, and an attempt that nobody asks for is
 * given up. A lease is a timer, so that a clock that is set neither ends nor lengthens it.
 */
import { StarlingError, createScope, messageOf } from '../core/index.ts';
import type { Clock, Json, JsonObject, Scope } from '../core/index.ts';
import { waitForNews } from '../agents/index.ts';
import type { AgentView, Agents } from '../agents/index.ts';
import { keyOf } from '../guard/index.ts';
import type { Principal } from '../guard/index.ts';
import {
  LEASE_MS,
  OUTCOME_MS,
  PROGRESS_MS,
  RESULT_BYTES_MAX,
  WORDS_MAX,
  WORK_MAX,
  WORK_OF_ONE_MAX,
} from './limits.ts';
import type { Outcome, Progress } from './types.ts';

/** What work is done with. */
export interface WorkComponents {
  readonly self: { readonly name: string };
  readonly agents: Pick<Agents, 'list' | 'message' | 'owns' | 'require'>;
  readonly clock: Clock;
}

/** Tells an attempt from all others of one submitter. */
export interface AttemptName {
  readonly taskId: string;
  readonly token: number;
}

/** An attempt as the submitter's node gives it. */
export interface BeginInit extends AttemptName {
  /** The name of an agent of this node. */
  readonly agent: string;
  readonly input: Json;
  readonly timeoutMs: number;
  /** What the agent is told besides, in the message's metadata. */
  readonly metadata: JsonObject;
}

/** A look at an attempt. */
export interface FollowInit extends AttemptName {
  /** The `news` of the answer before: waits for others. */
  readonly seen: number;
  readonly waitMs: number;
}

/** What an agent says of a task that it has. */
export interface ProgressInit extends AttemptName {
  readonly agent?: string | undefined;
  readonly progress: Progress;
}

/** What agents of this node do. */
export interface Work {
  /**
   * Has an agent of this node begin; the same attempt twice is one.
   * @throws STARLING_AGENT_FAILED with `reason` unknown, stopped, full or stale
   */
  begin(principal: Principal, init: BeginInit): Promise<Outcome>;
  /** What came of an attempt so far; renews its lease. @throws STARLING_CALL_REFUSED, and ends it, without the right any more */
  follow(principal: Principal, init: FollowInit, signal: AbortSignal): Promise<Outcome>;
  /** Nobody wants it any more. */
  end(principal: Principal, name: AttemptName): void;
  /** An agent of `principal` tells how far it is; false where it is to stop. @throws STARLING_AGENT_UNKNOWN */
  progress(principal: Principal, init: ProgressInit): boolean;
  stop(): void;
}

interface Attempt {
  readonly key: string;
  readonly token: number;
  readonly agent: string;
  readonly scope: Scope;
  readonly wakers: Set<() => void>;
  outcome: Exclude<Outcome, { state: 'running' | 'unknown' }> | undefined;
  news: number;
  progress: Progress | undefined;
  cancelLease: () => void;
  cancelSilence: () => void;
}

/** Makes the work of one node. */
export function createWork(components: WorkComponents): Work {
  return new NodeWork(components);
}

class NodeWork implements Work {
  readonly #components: WorkComponents;
  /** The newest attempt of each task, by submitter and task. */
  readonly #attempts = new Map<string, Attempt>();

  constructor(components: WorkComponents) {
    this.#components = components;
  }

  async begin(principal: Principal, init: BeginInit): Promise<Outcome> {
    const key = keyOfTask(principal, init.taskId);
    const known = this.#known(key, init);
    if (known !== undefined) return outcomeOf(known);
    const view = await this.#agentFor(principal, init);
    // Others may have begun meanwhile.
    const since = this.#known(key, init);
    if (since !== undefined) return outcomeOf(since);
    this.#makeRoom(principal, view, init);
    const attempt = this.#make(key, init);
    this.#give(principal, init, attempt);
    return outcomeOf(attempt);
  }

  async follow(
    principal: Principal,
    { taskId, token, seen, waitMs }: FollowInit,
    signal: AbortSignal,
  ): Promise<Outcome> {
    const attempt = this.#attempts.get(keyOfTask(principal, taskId));
    if (attempt?.token !== token) return { state: 'unknown' };
    this.#checkRight(principal, attempt);
    this.#lease(attempt);
    if (attempt.outcome === undefined && attempt.news === seen && waitMs > 0) {
      await waitForNews(attempt.wakers, this.#components.clock, { waitMs, signal });
      this.#lease(attempt);
    }
    return outcomeOf(attempt);
  }

  end(principal: Principal, { taskId, token }: AttemptName): void {
    const key = keyOfTask(principal, taskId);
    const attempt = this.#attempts.get(key);
    if (attempt?.token !== token) return;
    this.#attempts.delete(key);
    close(attempt);
  }

  progress(principal: Principal, { taskId, token, progress }: ProgressInit): boolean {
    const attempt = [...this.#attempts.values()].find(
      (one) =>
        one.token === token &&
        one.key.endsWith(` ${taskId}`) &&
        this.#components.agents.owns(principal, one.agent),
    );
    if (attempt === undefined || attempt.outcome !== undefined) return false;
    attempt.progress = { ...attempt.progress, ...progress };
    attempt.cancelSilence();
    attempt.cancelSilence = attempt.scope.after(PROGRESS_MS, () => {
      const message = `its program has told nothing for ${PROGRESS_MS} ms`;
      settle(attempt, { state: 'failed', reason: 'silent', message, answered: false });
      attempt.scope.close();
    });
    tell(attempt);
    return true;
  }

  stop(): void {
    for (const attempt of this.#attempts.values()) close(attempt);
    this.#attempts.clear();
  }

  /** A right may be taken back while the work is under way. */
  #checkRight(principal: Principal, attempt: Attempt): void {
    const { agents, self } = this.#components;
    try {
      agents.require(principal, { name: attempt.agent, node: self.name });
    } catch (error) {
      this.#attempts.delete(attempt.key);
      close(attempt);
      throw error;
    }
  }

  /** This very attempt, where it has begun. @throws STARLING_LIMIT_EXCEEDED for one that came before it */
  #known(key: string, init: BeginInit): Attempt | undefined {
    const known = this.#attempts.get(key);
    if (known !== undefined && known.token > init.token) {
      throw refused(init, 'stale', 'it has been given to another since');
    }
    return known?.token === init.token ? known : undefined;
  }

  async #agentFor(principal: Principal, init: BeginInit): Promise<AgentView> {
    const { agents } = this.#components;
    const listed = await agents.list(principal, { agentId: init.agent, here: true });
    const view = listed.agents.find(({ name }) => name === init.agent);
    if (view === undefined) throw refused(init, 'unknown', 'there is no such agent');
    if (view.status !== 'online') throw refused(init, 'stopped', `it is ${view.status}`);
    return view;
  }

  /** What came of earlier attempts makes room, the caller's own where the caller has many. */
  #makeRoom(principal: Principal, view: AgentView, init: BeginInit): void {
    const own = [...this.#attempts.values()].filter(
      ({ agent, outcome }) => agent === init.agent && outcome === undefined,
    ).length;
    if (view.free <= 0 || own >= view.maxConcurrentTasks) {
      throw refused(init, 'full', 'it has as much to do as it takes');
    }
    const theirs = [...this.#attempts.values()].filter(({ key }) =>
      key.startsWith(keyOfTask(principal, '')),
    );
    const hasMany = theirs.length >= WORK_OF_ONE_MAX;
    if (!hasMany && this.#attempts.size < WORK_MAX) return;
    const among = hasMany ? theirs : [...this.#attempts.values()];
    const over = among.find(({ outcome }) => outcome !== undefined);
    if (over === undefined) throw refused(init, 'full', `its node has ${WORK_MAX} tasks under way`);
    this.#attempts.delete(over.key);
    close(over);
  }

  #make(key: string, { agent, token }: BeginInit): Attempt {
    const before = this.#attempts.get(key);
    if (before !== undefined) close(before);
    const attempt: Attempt = {
      key,
      token,
      agent,
      scope: createScope(this.#components.clock),
      wakers: new Set(),
      outcome: undefined,
      news: 1,
      progress: undefined,
      cancelLease: () => undefined,
      cancelSilence: () => undefined,
    };
    this.#attempts.set(key, attempt);
    this.#lease(attempt);
    return attempt;
  }

  /** The agent's answer is the outcome. */
  #give(principal: Principal, init: BeginInit, attempt: Attempt): void {
    const { agent, input, timeoutMs, metadata } = init;
    const query = { to: agent, type: 'query', message: input, timeoutMs, metadata } as const;
    this.#components.agents.message(principal, query, attempt.scope.signal).then(
      ({ response = null }) => settle(attempt, ofSize(response)),
      (error: unknown) => settle(attempt, faultOf(error)),
    );
  }

  /** Whoever is not asked for so long has lost its submitter, which gives the task to another. */
  #lease(attempt: Attempt): void {
    attempt.cancelLease();
    if (this.#attempts.get(attempt.key) !== attempt) return;
    const isOver = attempt.outcome !== undefined;
    attempt.cancelLease = this.#components.clock.schedule(isOver ? OUTCOME_MS : LEASE_MS, () => {
      if (isOver) {
        this.#attempts.delete(attempt.key);
        return close(attempt);
      }
      if (attempt.outcome === undefined) {
        const message = `the node of the submitter has not asked for ${LEASE_MS} ms`;
        settle(attempt, { state: 'failed', reason: 'lease', message, answered: false });
        attempt.scope.close();
      }
      this.#lease(attempt);
    });
  }
}

/** The result is kept until the submitter's node has asked for it, and that node takes no larger one. */
function ofSize(result: Json): NonNullable<Attempt['outcome']> {
  const bytes = Buffer.byteLength(JSON.stringify(result));
  if (bytes <= RESULT_BYTES_MAX) return { state: 'done', result };
  const message = `its result has ${bytes} bytes, of ${RESULT_BYTES_MAX} at most`;
  return { state: 'failed', reason: 'size', message, answered: true };
}

function keyOfTask(principal: Principal, taskId: string): string {
  return `${keyOf(principal)} ${taskId}`;
}

function outcomeOf({ news, outcome, progress }: Attempt): Outcome {
  return outcome ?? { state: 'running', news, ...(progress === undefined ? {} : { progress }) };
}

/** The first outcome is the one. */
function settle(attempt: Attempt, outcome: NonNullable<Attempt['outcome']>): void {
  if (attempt.outcome !== undefined) return;
  attempt.outcome = outcome;
  attempt.cancelSilence();
  tell(attempt);
}

function tell(attempt: Attempt): void {
  attempt.news += 1;
  for (const wake of attempt.wakers) wake();
}

function close(attempt: Attempt): void {
  attempt.cancelLease();
  const message = 'it was taken back';
  settle(attempt, { state: 'failed', reason: 'ended', message, answered: false });
  attempt.scope.close();
}

/** What the agent has answered is its own failure; what else there is says that it was lost. */
function faultOf(error: unknown): NonNullable<Attempt['outcome']> {
  const reason = error instanceof StarlingError ? String(error.data['reason'] ?? error.code) : '';
  const message = messageOf(error).slice(0, WORDS_MAX);
  return { state: 'failed', reason, message, answered: reason === 'failed' };
}

function refused({ agent, taskId }: BeginInit, reason: string, why: string): StarlingError {
  return new StarlingError(
    'STARLING_AGENT_FAILED',
    `agent ${agent} takes no task ${taskId}: ${why}`,
    {
      data: { agentId: agent, reason },
    },
  );
}
