/**
 * The worker's side of tasks: what agents of this node do for submitters here and at peers. Each attempt is a query to the
 * agent, which ends when its lease does: the submitter's node asks how it goes, and an attempt that nobody asks for is
 * given up. A lease is a timer, so that a clock that is set neither ends nor lengthens it.
 */
import { StarlingError, isObject, messageOf, pause } from '../../core/index.ts';
import type { Clock, Json, JsonObject } from '../../core/index.ts';
import { waitForAny, waitForNews, waitUntil } from '../../agents/index.ts';
import type { AgentStanding, Agents } from '../../agents/index.ts';
import type { ClearedAction, OwnAction } from '../../gateway/index.ts';
import { keyOf, readTaint } from '../../guard/index.ts';
import type { Signer } from '../../identity/index.ts';
import type { Principal, Taint } from '../../guard/index.ts';
import {
  DEADLINE_MAX_MS,
  LEASE_MS,
  PLACE_MS,
  QUESTIONS_MAX,
  RESULT_BYTES_MAX,
  WORDS_MAX,
  WORK_MAX,
  WORK_OF_ONE_MAX,
} from '../limits.ts';
import { signBallot, wantsBallot } from './ballot.ts';
import type { Outcome, Progress, TaskQuestion } from '../types.ts';
import { AttemptTable } from './attempt-table.ts';
import { WorkAttempt, refused } from './work-attempt.ts';
import type { Ended } from './work-attempt.ts';

/** What work is done with. */
export interface WorkComponents {
  readonly self: { readonly name: string };
  readonly agents: Pick<
    Agents,
    'edgeOf' | 'message' | 'ownerOf' | 'owns' | 'requireTask' | 'standing' | 'subjectOf'
  >;
  /** Lets an agent of this node have what somebody gives it, once a person has agreed where one must. */
  clear(action: OwnAction): Promise<ClearedAction>;
  /** Signs what agents here choose; without it nothing is signed. */
  readonly signer?: Signer | undefined;
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
  /** What the input may be made of. */
  readonly taint?: Taint | undefined;
  /** The session of this node that has submitted it. */
  readonly session?: string | undefined;
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

/** How long an agent hears whether it is to stop. */
export interface ProgressWait {
  readonly waitMs: number;
  readonly signal: AbortSignal;
}

/** What the agent of an attempt asks its submitter. */
export interface AskInit extends AttemptName {
  readonly question: TaskQuestion;
}

/** What a submitter answers. */
export interface AnswerInit extends AttemptName {
  /** That of the question. */
  readonly key: string;
  readonly answer: Json;
}

/** What agents of this node do. */
export interface Work {
  /**
   * Has an agent of this node begin; the same attempt twice is one. Where a person must agree first, it asks meanwhile.
   * @throws STARLING_AGENT_FAILED with `reason` unknown, stopped, full or stale; STARLING_CALL_REFUSED
   */
  begin(principal: Principal, init: BeginInit): Promise<Outcome>;
  /** What came of an attempt so far; renews its lease. @throws STARLING_CALL_REFUSED, and ends it, without the right any more */
  follow(principal: Principal, init: FollowInit, signal: AbortSignal): Promise<Outcome>;
  /**
   * The same of many at once: who has nothing new is undefined, and the wait ends with the first that has. What is said
   * against one is in its place.
   */
  followAll(
    principal: Principal,
    looks: readonly Omit<FollowInit, 'waitMs'>[],
    wait: ProgressWait,
  ): Promise<readonly (Outcome | Error | undefined)[]>;
  /** Nobody wants it any more. */
  end(principal: Principal, name: AttemptName): void;
  /**
   * An agent of `principal` tells how far it is, and hears for `waitMs` whether it is to stop: false as soon as it is.
   * @throws STARLING_AGENT_UNKNOWN
   */
  progress(principal: Principal, init: ProgressInit, wait?: ProgressWait): Promise<boolean>;
  /** An agent of `principal` needs to know something; waits for the answer. @throws STARLING_AGENT_FAILED where it is to stop */
  ask(principal: Principal, init: AskInit, signal: AbortSignal): Promise<Json>;
  /** False where nobody waits for that. */
  answer(principal: Principal, init: AnswerInit): boolean;
  /** Tasks of submitters of this node that agents of `principal` have. */
  under(principal: Principal): readonly string[];
  stop(): void;
}

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
    const wanted = agents.subjectOf(agent, 'task');
    if (wanted === undefined) throw refused({ agent, taskId }, 'unknown', 'it has no such name');
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

/** The result is kept until the submitter's node has asked for it, and that node takes no larger one. */
function ofSize(result: Json): Ended {
  const bytes = Buffer.byteLength(JSON.stringify(result));
  if (bytes <= RESULT_BYTES_MAX) return { state: 'done', result };
  const message = `its result has ${bytes} bytes, of ${RESULT_BYTES_MAX} at most`;
  return { state: 'failed', reason: 'size', message, answered: true };
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

/** A person, or the time for one, has said no; anything else ends the attempt without a word of anybody. */
function notAgreed(error: unknown): Ended {
  const said = error instanceof StarlingError ? error.data['state'] : undefined;
  const answered = said === 'denied' || said === 'expired';
  const message = messageOf(error).slice(0, WORDS_MAX);
  return { state: 'failed', reason: answered ? 'denied' : 'lost', message, answered };
}

/** What the agent has answered is its own failure; what else there is says that it was lost. */
function faultOf(error: unknown): Ended {
  const reason = error instanceof StarlingError ? String(error.data['reason'] ?? error.code) : '';
  const message = messageOf(error).slice(0, WORDS_MAX);
  const taint = error instanceof StarlingError ? readTaint(error.data['taint']) : undefined;
  const said = { reason, message, answered: reason === 'failed' };
  return { state: 'failed', ...said, ...(taint === undefined ? {} : { taint }) };
}

function withTaint(outcome: Ended, taint: Taint | undefined): Ended {
  return taint === undefined ? outcome : { ...outcome, taint };
}

/** What an agent of this node has read. */
function taintOf(principal: Principal): Taint | undefined {
  return principal.kind === 'client' ? principal.taint : undefined;
}
