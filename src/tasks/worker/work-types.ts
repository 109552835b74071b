/** What submitters and agents ask of the worker's side of tasks. */
import type { Clock, Json, JsonObject } from '../../core/index.ts';
import type { Agents } from '../../agents/index.ts';
import type { ClearedAction, OwnAction } from '../../gateway/index.ts';
import type { Signer } from '../../identity/index.ts';
import type { Principal, Taint } from '../../guard/index.ts';
import type { Outcome, Progress, TaskQuestion } from '../types.ts';

/** What work is done with. */
export interface WorkComponents {
  readonly self: { readonly name: string };
  readonly agents: Pick<
    Agents,
    'edgeOf' | 'message' | 'ownerOf' | 'owns' | 'requireTask' | 'standing'
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
