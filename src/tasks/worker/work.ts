/**
 * The worker's side of tasks: what agents of this node do for submitters here and at peers. Each attempt is a query to the
 * agent, which ends when its lease does: the submitter's node asks how it goes, and an attempt that nobody asks for is
 * given up. A lease is a timer, so that a clock that is set neither ends nor lengthens it.
 */
import { StarlingError, isObject, messageOf, pause } from '../../core/index.ts';
import type { Json, JsonObject } from '../../core/index.ts';
import { agentResource, waitForAny, waitForNews, waitUntil } from '../../agents/index.ts';
import type { AgentStanding } from '../../agents/index.ts';
import type { ClearedAction } from '../../gateway/index.ts';
import { keyOf } from '../../guard/index.ts';
import type { Principal, Taint } from '../../guard/index.ts';
import {
  DEADLINE_MAX_MS,
  LEASE_MS,
  PLACE_MS,
  QUESTIONS_MAX,
  WORK_MAX,
  WORK_OF_ONE_MAX,
} from '../limits.ts';
import { signBallot, wantsBallot } from './ballot.ts';
import type { Outcome } from '../types.ts';
import { AttemptTable } from './attempt-table.ts';
import { WorkAttempt, refused } from './work-attempt.ts';
import type { Ended } from './work-attempt.ts';
import { faultOf, notAgreed, ofSize, withTaint } from './attempt-ends.ts';
import type {
  WorkComponents,
  AttemptName,
  BeginInit,
  FollowInit,
  ProgressInit,
  ProgressWait,
  AskInit,
  AnswerInit,
  Work,
} from './work-types.ts';

/** Makes the work of one node. */
export function createWork(components: WorkComponents): Work {
  return new NodeWork(components);
}

class NodeWork implements Work {
  readonly #components: WorkComponents;
  /** The newest attempt of each task, by submitter and task. */
  readonly #attempts = new AttemptTable();

  constructor(components: WorkComponents) {
    this.#components = components;
  }

  async begin(principal: Principal, init: BeginInit): Promise<Outcome> {
    const key = keyOfTask(principal, init.taskId);
    const known = this.#known(key, init);
    if (known !== undefined) return this.#shown(principal, known);
    this.#makeRoom(principal, this.#agentFor(principal, init), init);
    const attempt = this.#make(principal, init);
    let heard = (): void => undefined;
    const asks = new Promise<void>((resolve) => {
      heard = resolve;
    });
    const cleared = this.#cleared(principal, init, { attempt, asks: heard });
    await Promise.race([this.#given(principal, init, { attempt, cleared }), asks]);
    return attempt.now();
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
    if (!attempt.isOver && attempt.news === seen && waitMs > 0) {
      await waitForNews(attempt.wakers, this.#components.clock, { waitMs, signal });
      this.#lease(attempt);
    }
    return this.#shown(principal, attempt);
  }

  async followAll(
    principal: Principal,
    looks: readonly Omit<FollowInit, 'waitMs'>[],
    { signal, waitMs }: ProgressWait,
  ): Promise<readonly (Outcome | Error | undefined)[]> {
    const found = this.#lookAll(principal, looks);
    if (waitMs <= 0 || found.some((one) => one !== undefined)) return found;
    const all = looks.flatMap(({ taskId }) => {
      const attempt = this.#attempts.get(keyOfTask(principal, taskId));
      return attempt === undefined ? [] : [attempt.wakers];
    });
    await waitForAny(all, this.#components.clock, { waitMs, signal });
    // What comes in one turn is told together.
    await new Promise((resolve) => setImmediate(resolve));
    return this.#lookAll(principal, looks);
  }

  #lookAll(
    principal: Principal,
    looks: readonly Omit<FollowInit, 'waitMs'>[],
  ): readonly (Outcome | Error | undefined)[] {
    return looks.map(({ seen, taskId, token }) => {
      const attempt = this.#attempts.get(keyOfTask(principal, taskId));
      if (attempt?.token !== token) return { state: 'unknown' };
      try {
        this.#checkRight(principal, attempt);
      } catch (error) {
        return error instanceof Error ? error : new Error(messageOf(error));
      }
      this.#lease(attempt);
      return attempt.isOver || attempt.news !== seen ? attempt.now() : undefined;
    });
  }

  /** What an attempt is now, to whom may still give it. */
  #shown(principal: Principal, attempt: WorkAttempt): Outcome {
    this.#checkRight(principal, attempt);
    return attempt.now();
  }

  end(principal: Principal, { taskId, token }: AttemptName): void {
    const key = keyOfTask(principal, taskId);
    const attempt = this.#attempts.get(key);
    if (attempt?.token !== token) return;
    this.#attempts.remove(attempt);
    attempt.asking.abort('the task is not to be done any more');
    attempt.close();
  }

  async progress(principal: Principal, name: ProgressInit, wait?: ProgressWait): Promise<boolean> {
    const attempt = this.#owned(principal, name);
    if (attempt === undefined) return false;
    attempt.heard(taintOf(principal));
    attempt.progressed(name.progress);
    if (wait === undefined) return true;
    await waitUntil(attempt.wakers, () => attempt.isOver, this.#components.clock, wait);
    return !attempt.isOver;
  }

  async ask(principal: Principal, init: AskInit, signal: AbortSignal): Promise<Json> {
    const attempt = this.#owned(principal, init);
    if (attempt === undefined) {
      throw new StarlingError('STARLING_AGENT_FAILED', `nobody waits for task ${init.taskId}`, {
        data: { reason: 'late' },
      });
    }
    if (!attempt.mayAsk()) {
      throw new StarlingError(
        'STARLING_LIMIT_EXCEEDED',
        `task ${init.taskId} asks already, or has asked ${QUESTIONS_MAX} times`,
        { data: { reason: 'questions', limit: QUESTIONS_MAX } },
      );
    }
    attempt.heard(taintOf(principal));
    const over = AbortSignal.any([signal, attempt.scope.signal]);
    return new Promise((resolve, reject) => {
      const left = (): void =>
        reject(
          new StarlingError('STARLING_AGENT_FAILED', `nobody answers for task ${init.taskId}`, {
            data: { reason: 'late' },
          }),
        );
      if (over.aborted) return left();
      over.addEventListener('abort', left, { once: true });
      return attempt.pauses(init.question, (answer) => {
        over.removeEventListener('abort', left);
        resolve(answer);
      });
    });
  }

  answer(principal: Principal, { taskId, token, key, answer }: AnswerInit): boolean {
    const attempt = this.#attempts.get(keyOfTask(principal, taskId));
    if (attempt?.token !== token) return false;
    this.#checkRight(principal, attempt);
    return attempt.answered(key, answer);
  }

  under(principal: Principal): readonly string[] {
    const owner = keyOf(principal);
    // A peer may give its tasks the ids of others.
    return [...this.#attempts.values()]
      .filter((one) => one.owner === owner && one.isWorking && !one.key.startsWith('did:'))
      .map(({ key }) => key.slice(key.lastIndexOf(' ') + 1));
  }

  stop(): void {
    for (const attempt of this.#attempts.values()) attempt.close();
    this.#attempts.clear();
  }

  /** The attempt that an agent of `principal` is at. */
  #owned(principal: Principal, { taskId, token }: AttemptName): WorkAttempt | undefined {
    const attempt = [...this.#attempts.values()].find(
      (one) =>
        one.token === token &&
        one.key.endsWith(` ${taskId}`) &&
        one.owner === keyOf(principal) &&
        this.#components.agents.owns(principal, one.agent),
    );
    return attempt?.isOver === true ? undefined : attempt;
  }

  /** Resolves once a person has agreed, where one must. */
  #cleared(
    principal: Principal,
    { agent, input, metadata, session, taskId }: BeginInit,
    { attempt, asks }: { readonly attempt: WorkAttempt; readonly asks: () => void },
  ): Promise<ClearedAction> {
    const { agents, self } = this.#components;
    const wanted = { ability: 'agent/task', resource: agentResource({ name: agent }) } as const;
    const from = agents.edgeOf(principal, agent);
    return this.#components.clear({
      principal,
      wanted,
      // The same for each attempt of the task.
      args: { agentId: agent, taskId, input, ...(from === undefined ? {} : { from }) },
      session,
      signal: attempt.asking.signal,
      lastsMs: leftOf(metadata, this.#components.clock.now()),
      asks(timeoutMs) {
        const waits = `within ${Math.round(timeoutMs / 1000)} s`;
        const message = `an approval by the operator of ${self.name}, ${waits}; there: starling approvals`;
        attempt.pauses({ kind: 'approval', key: 'approval', message });
        asks();
      },
    });
  }

  /** Gives it to the agent, whose answer is the outcome. @throws what is said against it before anybody was asked */
  async #given(
    principal: Principal,
    init: BeginInit,
    {
      attempt,
      cleared,
    }: { readonly attempt: WorkAttempt; readonly cleared: Promise<ClearedAction> },
  ): Promise<void> {
    let action: ClearedAction;
    try {
      action = await cleared;
    } catch (error) {
      if (attempt.isWorking) {
        this.#attempts.remove(attempt);
        attempt.close();
        throw error;
      }
      attempt.settle(notAgreed(error));
      attempt.scope.close();
      return;
    }
    if (!attempt.isWorking) await this.#placeFor(principal, init, attempt);
    if (attempt.isOver) return action.over('cancelled', 'nobody waits for it any more');
    attempt.runs();
    this.#give(principal, init, { attempt, action });
  }

  /** The agent may have got other work while a person was asked. */
  async #placeFor(principal: Principal, init: BeginInit, attempt: WorkAttempt): Promise<void> {
    while (!attempt.isOver) {
      try {
        if (this.#hasPlace(this.#agentFor(principal, init), init)) return;
      } catch (error) {
        return attempt.settle(faultOf(error));
      }
      await pause(this.#components.clock, PLACE_MS);
    }
  }

  /** A right may be taken back while the work is under way. */
  #checkRight(principal: Principal, attempt: WorkAttempt): void {
    const { agents, self } = this.#components;
    try {
      agents.requireTask(principal, { name: attempt.agent, node: self.name });
    } catch (error) {
      this.#attempts.remove(attempt);
      attempt.asking.abort('the right to it was taken back');
      attempt.close();
      throw error;
    }
  }

  /** This very attempt, where it has begun. @throws STARLING_LIMIT_EXCEEDED for one that came before it */
  #known(key: string, init: BeginInit): WorkAttempt | undefined {
    const known = this.#attempts.get(key);
    if (known !== undefined && known.token > init.token) {
      throw refused(init, 'stale', 'it has been given to another since');
    }
    return known?.token === init.token ? known : undefined;
  }

  /** @throws STARLING_AGENT_FAILED with `reason` unknown or stopped */
  #agentFor(principal: Principal, init: BeginInit): AgentStanding {
    const standing = this.#components.agents.standing(principal, init.agent);
    if (standing === undefined) throw refused(init, 'unknown', 'there is no such agent');
    const { status } = standing;
    if (status !== 'online') throw refused(init, 'stopped', `it is ${status}`);
    return standing;
  }

  #hasPlace({ free, maxConcurrentTasks }: AgentStanding, { agent }: BeginInit): boolean {
    return free > 0 && this.#attempts.workingAt(agent) < maxConcurrentTasks;
  }

  /** What came of earlier attempts makes room, the caller's own where the caller has many. */
  #makeRoom(principal: Principal, standing: AgentStanding, init: BeginInit): void {
    if (!this.#hasPlace(standing, init))
      throw refused(init, 'full', 'it has as much to do as it takes');
    const submitter = keyOf(principal);
    const hasMany = this.#attempts.countOf(submitter) >= WORK_OF_ONE_MAX;
    if (!hasMany && this.#attempts.size < WORK_MAX) return;
    const over = [...this.#attempts.values()].find(
      (one) => one.isOver && (!hasMany || one.submitter === submitter),
    );
    if (over === undefined) throw refused(init, 'full', `its node has ${WORK_MAX} tasks under way`);
    this.#attempts.remove(over);
    over.close();
  }

  #make(principal: Principal, { agent, taskId, token, timeoutMs }: BeginInit): WorkAttempt {
    const { agents, clock } = this.#components;
    const owner = agents.ownerOf(agent) ?? '';
    const [key, submitter] = [keyOfTask(principal, taskId), keyOf(principal)];
    const attempt = new WorkAttempt(clock, { key, submitter, owner, token, agent, timeoutMs });
    this.#attempts.put(attempt)?.close();
    this.#lease(attempt);
    return attempt;
  }

  #give(
    principal: Principal,
    init: BeginInit,
    { attempt, action }: { readonly attempt: WorkAttempt; readonly action: ClearedAction },
  ): void {
    const { agent, input, timeoutMs, metadata, taint } = init;
    // Its time stands still while it waits for somebody, so that the attempt ends it.
    const query = { to: agent, type: 'query', message: input, timeoutMs, metadata, taint } as const;
    const { signal } = attempt.scope;
    const ended = (outcome: Ended): void => {
      attempt.settle(outcome);
      const { state } = attempt.now();
      action.over(state === 'done' ? 'ok' : 'failed');
    };
    this.#components.agents
      .message(principal, { ...query, isHere: true, isTask: true, isUntimed: true }, signal)
      .then(
        ({ response = null, taint: read }) =>
          ended(withTaint(this.#signed(init, ofSize(response)), read)),
        (error: unknown) => ended(faultOf(error)),
      );
  }

  /** With the choice in the result, signed, where the submitter wants that. */
  #signed({ agent, metadata, taskId, token }: BeginInit, outcome: Ended): Ended {
    const { signer } = this.#components;
    if (signer === undefined || outcome.state !== 'done' || !wantsBallot(metadata)) return outcome;
    const ballot = signBallot(signer, { agent, taskId, token }, outcome.result);
    return ballot === undefined ? outcome : { ...outcome, ballot };
  }

  /** Whoever is not asked for so long has lost its submitter, which gives the task to another. */
  #lease(attempt: WorkAttempt): void {
    if (this.#attempts.get(attempt.key) !== attempt) return;
    attempt.lease(LEASE_MS, () => {
      if (attempt.isOver) {
        this.#attempts.remove(attempt);
        return attempt.close();
      }
      const message = `the node of the submitter has not asked for ${LEASE_MS} ms`;
      attempt.settle({ state: 'failed', reason: 'lease', message, answered: false });
      attempt.asking.abort();
      attempt.scope.close();
      return this.#lease(attempt);
    });
  }
}

/** How long the task may take yet, by what its submitter says; undefined where that is no time. */
function leftOf({ task }: JsonObject, now: number): number | undefined {
  const said = isObject(task) ? task['deadline'] : undefined;
  const deadline = typeof said === 'string' ? Date.parse(said) : Number.NaN;
  return deadline > now ? Math.min(deadline - now, DEADLINE_MAX_MS) : undefined;
}

function keyOfTask(principal: Principal, taskId: string): string {
  return `${keyOf(principal)} ${taskId}`;
}

/** What an agent of this node has read. */
function taintOf(principal: Principal): Taint | undefined {
  return principal.kind === 'client' ? principal.taint : undefined;
}
