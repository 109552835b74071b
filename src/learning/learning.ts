/**
 * What the agents of a node that think with a model learn: which of the ways that their kind names does a work best, and
 * what came of what they did. Only what was measured counts; nothing that is learned is a right. What is to be learned is on
 * the disk before it counts, one thing of an agent after the other.
 */
import { StarlingError } from '../core/index.ts';
import type { Clock, Logger, Random, Startable } from '../core/index.ts';
import { senderKey } from '../agents/index.ts';
import { leastTrusted } from '../guard/index.ts';
import type { Principal, Zone } from '../guard/index.ts';
import type { Table } from '../store/index.ts';
import { ANY_WORK, applyTo, figuresOf, findIn, nextSeq, withinBounds, workOf } from './book.ts';
import type { Book } from './book.ts';
import { circleOf, circleToDrop, experienceId, experiencesToDrop } from './circles.ts';
import type { Known } from './circles.ts';
import {
  ACTION_MAX,
  FEEDBACK_MAX,
  LOADED_MAX,
  SITUATION_MAX,
  TIME_MAX_MS,
  WEIGHTS,
} from './limits.ts';
import { LearnedRows, agentKey } from './learned-rows.ts';
import type { LearnedChange, Whose } from './learned-rows.ts';
import { experiencesLike, measuredOf, reminderOf } from './similar.ts';
import { learnedOf } from './learned-view.ts';
import { notLearning, notTold, requireNotItself, unknownDeed } from './refusals.ts';
import { OWN } from './types.ts';
import type {
  AiLearnResult,
  Beginning,
  Circle,
  Deed,
  DeedOutcome,
  Evidence,
  Experience,
  Forgetting,
  Grade,
  LearnForgetResult,
  LearnStatsResult,
  Learner,
  Telling,
  Update,
  Work,
} from './types.ts';
import { chooseWay, figuresIn, withDeed, withGrade } from './ways.ts';
import type { WorkFigures } from './ways.ts';

/** What the room works with. */
export interface LearningComponents {
  readonly table: Table;
  /** The agent of this name that this node runs, and whose kind says that it learns; `all` of them. */
  readonly learners: {
    find(name: string): Learner | undefined;
    all(): readonly Learner[];
  };
  /** From how far away a caller comes. */
  zoneOf(principal: Principal): Zone;
  readonly clock: Pick<Clock, 'now'>;
  readonly random: Random;
  readonly logger: Logger;
}

/** What this node itself has found of the result of a task. */
export interface Found {
  readonly task: string;
  /** By whose word it was done: see `senderKey`. */
  readonly sender: string;
  readonly outcome: DeedOutcome;
  readonly by: 'check' | 'vote';
}

/** What agents of a node have learned. */
export interface Learning extends Startable {
  /** How a message is to be dealt with; `usable` are the ways that the agent may take now. */
  begin(learner: Learner, work: Work, usable: readonly string[]): Promise<Beginning>;
  /** Keeps what came of a message; the same one twice counts once. @throws STARLING_STATE_UNUSABLE */
  ended(learner: Learner, deed: Deed): Promise<void>;
  /**
   * What somebody says of a message that an agent has dealt with: only who had sent it, the agent's spawner of what was done
   * in the own circle, and the operator. Each counts once.
   * @throws STARLING_AGENT_UNKNOWN, STARLING_USAGE for what is not known (any more), STARLING_CALL_REFUSED
   */
  grade(principal: Principal, grade: Grade): Promise<AiLearnResult>;
  /** Keeps what the operator, or the agent's spawner, tells it. It counts for no way. @throws as {@link grade} */
  tell(principal: Principal, telling: Telling): Promise<AiLearnResult>;
  /** What this node itself has found of the result of a task: by a vote, or by a check. No-op where nothing is known of it. */
  found(agent: string, found: Found): Promise<void>;
  /** Of all agents, or of one. @throws STARLING_AGENT_UNKNOWN */
  stats(agent?: string): Promise<LearnStatsResult>;
  /** Forgets; what is forgotten leaves the disk. @throws STARLING_AGENT_UNKNOWN, STARLING_USAGE */
  forget(what: Forgetting): Promise<LearnForgetResult>;
  /** The agent's name is given up: all of every spawner's agent of that name goes. */
  forgetAgent(agent: string): Promise<void>;
}

/** Makes the room. */
export function createLearning(components: LearningComponents): Learning {
  return new NodeLearning(components);
}

class NodeLearning implements Learning {
  readonly #components: LearningComponents;
  readonly #rows: LearnedRows;
  /** The one that was used last stands last. */
  readonly #books = new Map<string, Book>();
  /** What is learned now: one thing of an agent after the other. */
  readonly #turns = new Map<string, Promise<unknown>>();
  #isStopped = true;

  constructor(components: LearningComponents) {
    this.#components = components;
    this.#rows = new LearnedRows(components.table, components.logger);
  }

  async start(): Promise<void> {
    this.#isStopped = false;
  }

  /** Resolves once all that is to be learned is on the disk. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await Promise.allSettled(this.#turns.values());
    this.#books.clear();
  }

  begin(learner: Learner, work: Work, usable: readonly string[]): Promise<Beginning> {
    return this.#inTurn(learner, async (book) => {
      const { random } = this.#components;
      const { settings } = learner;
      const name = workOf(learner, work);
      const sender = circleOf(learner, work.sender);
      // What the own circle has seen is a start for others: it is figures of ways, and nothing that anybody has said.
      const books = [...new Set([OWN, sender])].map((one) => figuresOf(book.get(one), name));
      const way = chooseWay(usable, books, settings, random);
      const known = measuredOf(book.get(sender)?.experiences ?? []);
      const id = experienceId(sender, work.reference);
      const like = experiencesLike(
        known.filter((one) => one.id !== id),
        work.situation,
      );
      const reminder = reminderOf(like, settings.experiences);
      return {
        work: name,
        ...(way === undefined ? {} : { way }),
        ...(reminder === undefined ? {} : { reminder }),
      };
    });
  }

  ended(learner: Learner, deed: Deed): Promise<void> {
    return this.#inTurn(learner, async (book) => {
      const sender = circleOf(learner, deed.sender);
      const id = experienceId(sender, deed.reference);
      const known = book.get(sender);
      if (known?.experiences.some((one) => one.id === id) === true) return;
      const before = figuresOf(known, deed.work);
      const { outcome, by, way } = deed;
      const figures =
        way === undefined
          ? before
          : withDeed(before, way, {
              success: outcome === 'success',
              weight: WEIGHTS[by],
              costMicroUsd: measurable(deed.costMicroUsd),
              ms: measurable(deed.ms),
            });
      const experience: Experience = {
        id,
        seq: nextSeq(book),
        reference: deed.reference,
        work: deed.work,
        ...(way === undefined ? {} : { way, age: figuresIn(figures.ways, way).age }),
        situation: deed.situation.slice(0, SITUATION_MAX),
        action: deed.action.slice(0, ACTION_MAX),
        outcome,
        by: [by],
        heard: [by],
        zone: deed.zone,
        at: this.#components.clock.now(),
      };
      await this.#add(learner, book, { sender, work: deed.work, figures, experience });
    });
  }

  async grade(principal: Principal, grade: Grade): Promise<AiLearnResult> {
    const learner = this.#learner(grade.agent);
    requireNotItself(principal, learner);
    const isOperator = principal.kind === 'operator';
    const circle = circleOf(learner, senderKey(principal));
    return this.#inTurn(learner, async (book) => {
      const found = findIn(book, grade.reference, isOperator ? undefined : circle);
      if (found === undefined) throw unknownDeed(learner.agent, grade.reference);
      const by: Evidence = isOperator ? 'person' : 'sender';
      const zone = this.#zoneOf(principal);
      return this.#graded(learner, book, { ...found, by, grade, zone });
    });
  }

  async tell(principal: Principal, telling: Telling): Promise<AiLearnResult> {
    const learner = this.#learner(telling.agent);
    requireNotItself(principal, learner);
    const sender = circleOf(learner, senderKey(principal));
    if (sender !== OWN) throw notTold(learner.agent);
    return this.#inTurn(learner, async (book) => {
      const { feedback, outcome, update } = telling;
      const isKept = update === 'both' || update === 'experience';
      const seq = nextSeq(book);
      const id = experienceId(sender, `told ${seq}`);
      const result = { agent_id: learner.agent, outcome, work: ANY_WORK };
      const who: Evidence = principal.kind === 'operator' ? 'person' : 'sender';
      if (!isKept) return { ...result, updated: 'none' };
      const experience: Experience = {
        id,
        seq,
        work: ANY_WORK,
        situation: telling.situation.slice(0, SITUATION_MAX),
        action: telling.action.slice(0, ACTION_MAX),
        outcome,
        ...(feedback === undefined ? {} : { feedback: feedback.slice(0, FEEDBACK_MAX) }),
        by: [who],
        heard: [who],
        zone: this.#zoneOf(principal),
        at: this.#components.clock.now(),
      };
      const figures = figuresOf(book.get(sender), ANY_WORK);
      await this.#add(learner, book, { sender, work: ANY_WORK, figures, experience });
      return { ...result, experience_id: id, updated: 'experience' };
    });
  }

  async found(agent: string, { by, outcome, sender, task }: Found): Promise<void> {
    const learner = this.#components.learners.find(agent);
    if (learner === undefined) return;
    await this.#inTurn(learner, async (book) => {
      const found = findIn(book, task, circleOf(learner, sender));
      if (found === undefined) return;
      const grade: Grade = { agent, reference: task, outcome, update: 'both' };
      await this.#graded(learner, book, { ...found, by, grade, zone: found.experience.zone });
    });
  }

  async stats(agent?: string): Promise<LearnStatsResult> {
    const all = await this.#whose(agent);
    const agents = [];
    for (const whose of all) {
      const learner = this.#learnerOf(whose);
      agents.push(
        await this.#inTurn(whose, async (book) => learnedOf(whose, [...book.values()], learner)),
      );
    }
    return { agents };
  }

  async forget({ agent, experience, work }: Forgetting): Promise<LearnForgetResult> {
    let forgotten = { agent, experiences: 0, works: 0 };
    for (const whose of await this.#whose(agent)) {
      const { experiences, works } = await this.#inTurn(whose, (book) =>
        this.#forgotten(whose, book, { experience, work }),
      );
      forgotten = {
        agent,
        experiences: forgotten.experiences + experiences,
        works: forgotten.works + works,
      };
    }
    if (experience !== undefined && forgotten.experiences === 0) {
      throw unknownDeed(agent, experience);
    }
    return forgotten;
  }

  async forgetAgent(agent: string): Promise<void> {
    for (const whose of await this.#rows.agents()) {
      if (whose.agent === agent)
        await this.#inTurn(whose, (book) => this.#forgotten(whose, book, {}));
    }
  }

  /** Rows of other spawners' agents of that name among them. @throws STARLING_AGENT_UNKNOWN */
  async #whose(agent: string | undefined): Promise<readonly Whose[]> {
    const known = await this.#rows.agents();
    const { learners } = this.#components;
    const running = agent === undefined ? learners.all() : [learners.find(agent) ?? []].flat();
    const all = new Map([...known, ...running].map((one) => [agentKey(one), one]));
    const found = [...all.values()].filter((one) => agent === undefined || one.agent === agent);
    if (found.length === 0 && agent !== undefined) throw notLearning(agent);
    return found.toSorted((one, other) => (one.agent < other.agent ? -1 : 1));
  }

  #learner(agent: string): Learner {
    const learner = this.#components.learners.find(agent);
    if (learner === undefined) throw notLearning(agent);
    return learner;
  }

  #learnerOf({ agent, owner }: Whose): Learner | undefined {
    const learner = this.#components.learners.find(agent);
    return learner?.owner === owner ? learner : undefined;
  }

  /** The least trusted of where a caller comes from, and of what it has read. */
  #zoneOf(principal: Principal): Zone {
    const zone = this.#components.zoneOf(principal);
    const taint = principal.kind === 'client' ? principal.taint : undefined;
    return taint === undefined ? zone : (leastTrusted([zone, taint]) ?? zone);
  }

  async #add(
    whose: Whose,
    book: Book,
    init: {
      readonly sender: string;
      readonly work: string;
      readonly figures: WorkFigures;
      readonly experience: Experience;
    },
  ): Promise<void> {
    const { experience, figures, sender, work } = init;
    const isNew = !book.has(sender);
    const droppedName = isNew ? circleToDrop(book, sender) : undefined;
    const dropped = droppedName === undefined ? undefined : book.get(droppedName);
    const gone = experiencesToDrop(book, sender);
    const before = book.get(sender)?.circle.works ?? {};
    const works = figures.deeds === 0 ? before : withinBounds({ ...before, [work]: figures }, work);
    const circle: Circle = { sender, used: experience.seq, works };
    await this.#change(whose, book, { circle, experience, gone, dropped });
  }

  async #graded(
    whose: Whose,
    book: Book,
    init: {
      readonly known: Known;
      readonly experience: Experience;
      readonly by: Evidence;
      readonly grade: Grade;
      /** Of whoever says it. */
      readonly zone: Zone;
    },
  ): Promise<AiLearnResult> {
    const { by, experience, grade, known, zone } = init;
    const { feedback, outcome, update } = grade;
    const { age, id, way, work } = experience;
    const result = { agent_id: whose.agent, experience_id: id, outcome, work };
    const shown = { ...result, ...(way === undefined ? {} : { way }) };
    const isOver = experience.heard.includes(by);
    if (update === 'none' || isOver) return { ...shown, updated: 'none' };
    const hasWay = way !== undefined && age !== undefined && update !== 'experience';
    const figures = figuresOf(known, work);
    const success = outcome === 'success';
    const after = hasWay
      ? withGrade(figures, { age, way }, { success, weight: WEIGHTS[by] })
      : figures;
    const isStronger = experience.by.every((one) => WEIGHTS[by] >= WEIGHTS[one]);
    const isTold = update !== 'strategy';
    const changed: Experience = {
      ...experience,
      ...(isTold && isStronger ? { outcome, by: [...experience.by, by] } : {}),
      ...(isTold && feedback !== undefined
        ? {
            feedback: feedback.slice(0, FEEDBACK_MAX),
            // A model is shown the words: they are trusted no more than who said them.
            zone: leastTrusted([experience.zone, zone]) ?? zone,
          }
        : {}),
      // Whoever has spoken has spoken, also where that was to change only one of the two.
      heard: [...experience.heard, by],
    };
    const works = after === figures ? known.circle.works : { ...known.circle.works, [work]: after };
    const circle = { ...known.circle, works };
    await this.#change(whose, book, { circle, experience: changed });
    return { ...shown, updated: updatedBy(after !== figures, isTold) };
  }

  async #forgotten(
    whose: Whose,
    book: Book,
    { experience, work }: Omit<Forgetting, 'agent'>,
  ): Promise<{ readonly experiences: number; readonly works: number }> {
    if (experience === undefined && work === undefined) {
      const all = [...book.values()];
      await this.#rows.remove(whose);
      book.clear();
      const works = all.reduce((sum, { circle }) => sum + Object.keys(circle.works).length, 0);
      return { experiences: all.reduce((sum, one) => sum + one.experiences.length, 0), works };
    }
    const count = { experiences: 0, works: 0 };
    for (const [sender, { circle, experiences }] of book) {
      const isGone = (one: Experience): boolean =>
        (experience === undefined || one.id === experience) &&
        (work === undefined || one.work === work);
      const gone = experiences.filter(isGone);
      const isCounted =
        experience === undefined && work !== undefined && Object.hasOwn(circle.works, work);
      if (gone.length === 0 && !isCounted) continue;
      const works = isCounted
        ? Object.fromEntries(Object.entries(circle.works).filter(([name]) => name !== work))
        : circle.works;
      await this.#change(whose, book, {
        circle: { ...circle, works },
        gone: gone.map((one) => ({ circle: sender, experience: one })),
      });
      count.experiences += gone.length;
      count.works += isCounted ? 1 : 0;
    }
    return count;
  }

  /** On the disk first. */
  async #change(whose: Whose, book: Book, change: LearnedChange): Promise<void> {
    await this.#rows.write(whose, change);
    applyTo(book, change);
  }

  async #inTurn<T>(whose: Whose, work: (book: Book) => Promise<T>): Promise<T> {
    if (this.#isStopped) throw new StarlingError('STARLING_STOPPED', 'the node is stopping');
    const key = agentKey(whose);
    const before = this.#turns.get(key);
    const run = (async () => {
      await before?.catch(() => undefined);
      return work(await this.#book(whose));
    })();
    this.#turns.set(key, run);
    try {
      return await run;
    } finally {
      if (this.#turns.get(key) === run) this.#turns.delete(key);
    }
  }

  async #book(whose: Whose): Promise<Book> {
    const key = agentKey(whose);
    const book = this.#books.get(key) ?? (await this.#rows.load(whose));
    this.#books.delete(key);
    this.#books.set(key, book);
    const [oldest] = this.#books.size > LOADED_MAX ? this.#books.keys() : [];
    // A turn that is under way has it in hand, and the disk has what it knows.
    if (oldest !== undefined && !this.#turns.has(oldest)) this.#books.delete(oldest);
    return book;
  }
}

/** A clock that jumped has measured nothing. */
function measurable(value: number | undefined): number | undefined {
  return value !== undefined && value >= 0 && value <= TIME_MAX_MS ? value : undefined;
}

function updatedBy(strategy: boolean, experience: boolean): Update {
  if (strategy && experience) return 'both';
  if (strategy) return 'strategy';
  return experience ? 'experience' : 'none';
}
