/**
 * What one agent with a model learns of its messages: in which way it deals with one, what it is reminded of, and what came of
 * it. The node measures that; what the model says of itself counts for nothing. Where nothing can be learned, for a disk that
 * fails, messages are dealt with all the same.
 */
import { misfits } from '../../agents/index.ts';
import type { MindStart } from '../../agents/index.ts';
import { StarlingError, messageOf } from '../../core/index.ts';
import type { Clock, Json, Logger } from '../../core/index.ts';
import type { Principal, Zone } from '../../guard/index.ts';
import type { Beginning, Learner, Learning, Work } from '../../learning/index.ts';
import type { StepLog, Thought } from '../types.ts';

/** What lessons work with. */
export interface LessonsComponents {
  /** Absent: nothing is learned. */
  readonly learning?: Pick<Learning, 'begin' | 'ended'>;
  /** Whether `principal` may ask this model, or one of this route. */
  readonly mayAsk?: (model: string, principal: Principal) => boolean;
  readonly clock: Pick<Clock, 'now'>;
  readonly logger: Logger;
}

/** A message that is dealt with, and how. */
export interface Lesson {
  /** What the agent thinks with for this message. */
  readonly mind: MindStart['mind'];
  /** What the model is reminded of; undefined where there is nothing. */
  readonly reminder: Beginning['reminder'];
  /** It has ended by an answer. */
  answered(value: Json, thought: Thought, zone: Zone): void;
  /** It has ended without one. */
  failed(error: unknown, zone: Zone): void;
}

/** Failures that say nothing of the way that was taken. */
const SAYS_NOTHING: ReadonlySet<string> = new Set([
  'STARLING_BUDGET_EXHAUSTED',
  'STARLING_RATE_LIMITED',
  'STARLING_STATE_UNUSABLE',
  'STARLING_STOPPED',
  'STARLING_UPSTREAM_UNAVAILABLE',
]);

/** The lessons of one agent. */
export class Lessons {
  readonly #components: LessonsComponents;
  readonly #init: MindStart;
  /** What is being written. */
  readonly #pending = new Set<Promise<void>>();

  constructor(components: LessonsComponents, init: MindStart) {
    this.#components = components;
    this.#init = init;
  }

  /** Says how a message is dealt with; the same after the node ended in between. Never rejects for want of a disk to learn on. */
  async begin(work: Work, log: StepLog): Promise<Lesson> {
    const { mind } = this.#init;
    const learner = this.#learner();
    const isWhole = log.steps.length === 1;
    const beginning = learner === undefined ? undefined : await this.#beginning(learner, work, log);
    if (learner === undefined || beginning === undefined) return untaught(mind);
    const { way } = beginning;
    const named = way === undefined ? undefined : memberOf(learner.settings.ways, way);
    const beganAt = this.#components.clock.now();
    const deed = { ...work, work: beginning.work, way: named === undefined ? undefined : way };
    return {
      mind: { ...mind, ...named },
      reminder: beginning.reminder,
      answered: (value, { costMicroUsd, text }, zone) => {
        const schema = memberOf(learner.settings.answers, beginning.work);
        const problems = misfits(schema, value, 'result');
        if (problems.length > 0)
          this.#init.wrote(`its answer does not fit: ${problems.join('; ')}`);
        // Of a thought that was cut in two nobody knows how long it took.
        const ms = isWhole ? this.#components.clock.now() - beganAt : undefined;
        this.#learn(learner, {
          ...deed,
          action: text,
          outcome: problems.length > 0 ? 'failure' : 'success',
          by: schema === undefined ? 'answered' : 'check',
          zone,
          costMicroUsd,
          ms,
        });
      },
      failed: (error, zone) => {
        if (error instanceof StarlingError && SAYS_NOTHING.has(error.code)) return;
        const action = messageOf(error);
        this.#learn(learner, { ...deed, action, outcome: 'failure', by: 'answered', zone });
      },
    };
  }

  /** What is being taken in now; undefined where that is nothing. Never rejects. */
  pending(): Promise<void> | undefined {
    if (this.#pending.size === 0) return undefined;
    return Promise.all(this.#pending).then(() => undefined);
  }

  #learner(): Learner | undefined {
    const { agent, capabilities, mind, owner } = this.#init;
    const { learning } = this.#components;
    if (mind.learning === undefined || learning === undefined) return undefined;
    return { agent, owner, capabilities, settings: mind.learning };
  }

  async #beginning(learner: Learner, work: Work, log: StepLog): Promise<Beginning | undefined> {
    const { learning, logger } = this.#components;
    const chosen = log.steps.find((step) => step.kind === 'chosen');
    if (chosen !== undefined) return chosen.beginning;
    // It began before its kind said that it learns.
    if (log.steps.length > 1) return undefined;
    try {
      const beginning = await learning?.begin(learner, work, this.#usable(learner));
      if (beginning !== undefined) await log.add({ kind: 'chosen', beginning });
      return beginning;
    } catch (error) {
      const facts = { agent: learner.agent, error: messageOf(error) };
      logger.warn(facts, 'an agent deals with a message without what it has learned');
      return undefined;
    }
  }

  /** Nothing that is learned is a right: a way whose model the agent may not ask is not there. */
  #usable({ settings }: Learner): readonly string[] {
    const { mayAsk } = this.#components;
    return Object.entries(settings.ways).flatMap(([name, { model }]) =>
      model === undefined || mayAsk?.(model, this.#init.asks) === true ? name : [],
    );
  }

  #learn(learner: Learner, deed: Parameters<Learning['ended']>[1]): void {
    const { learning, logger } = this.#components;
    if (learning === undefined) return;
    const learned = learning.ended(learner, deed).catch((error: unknown) => {
      const facts = { agent: learner.agent, error: messageOf(error) };
      logger.warn(facts, 'what came of a message was not learned');
    });
    this.#pending.add(learned);
    const over = (): void => {
      this.#pending.delete(learned);
    };
    learned.then(over, over);
  }
}

/** Names are the operator's, and may be that of a member which every object has. */
function memberOf<T>(all: Readonly<Record<string, T>>, name: string): T | undefined {
  return Object.hasOwn(all, name) ? all[name] : undefined;
}

function untaught(mind: MindStart['mind']): Lesson {
  const nothing = (): void => undefined;
  return { mind, reminder: undefined, answered: nothing, failed: nothing };
}
