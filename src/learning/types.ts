/** The words of what agents learn. */
import type { Zone } from '../guard/index.ts';
import type { WorkFigures } from './ways.ts';

export type { Learner } from '../agents/index.ts';

/** How something went. */
export type DeedOutcome = 'success' | 'failure';

/**
 * Who has measured an outcome. `answered`: the model has come to an answer, or not. `check`: a schema of the
 * configuration, or a validator. `vote`: those who did the same. `sender`: whoever gave the work. `person`: the operator.
 */
export type Evidence = 'answered' | 'check' | 'vote' | 'sender' | 'person';

/** What a word of somebody's changes: what is known of ways, what is remembered, both, or nothing. */
export const UPDATES = ['none', 'strategy', 'experience', 'both'] as const;
/** See {@link UPDATES}. */
export type Update = (typeof UPDATES)[number];

/** A message that a learner is to deal with. */
export interface Work {
  /** Who sent it, by what nobody else can have: see `senderKey`. */
  readonly sender: string;
  /** The message's id, or that of its task. */
  readonly reference: string;
  /** The capability that is wanted, as the message says; not believed before the learner has it. */
  readonly capability?: string | undefined;
  /** What is asked, as text. */
  readonly situation: string;
}

/** How a message is dealt with. */
export interface Beginning {
  /** What the work is called: a capability of the learner, or `message`. */
  readonly work: string;
  /** Absent where there is nothing to choose. */
  readonly way?: string;
  /** What the model is reminded of; absent where there is nothing like it. */
  readonly reminder?: Reminder;
}

/** What a model is reminded of, as text, and the least trusted zone that it was learned from. */
export interface Reminder {
  readonly text: string;
  readonly zone: Zone;
  /** Ids of the experiences. */
  readonly ids: readonly string[];
}

/** What came of a message. */
export interface Deed extends Work {
  readonly work: string;
  readonly way?: string | undefined;
  /** What was answered, or why there is no answer. */
  readonly action: string;
  readonly outcome: DeedOutcome;
  /** Who has measured that. */
  readonly by: 'answered' | 'check';
  /** The least trusted zone of what was read for it. */
  readonly zone: Zone;
  readonly costMicroUsd?: number | undefined;
  readonly ms?: number | undefined;
}

/** What is kept of one message that was dealt with, or that somebody has told of. */
export interface Experience {
  readonly id: string;
  /** In the order in which they came. */
  readonly seq: number;
  readonly reference?: string;
  readonly work: string;
  readonly way?: string;
  /** How old the figures of its way were then; see `WayFigures`. */
  readonly age?: number;
  readonly situation: string;
  readonly action: string;
  /** Absent while nobody has measured it. */
  readonly outcome?: DeedOutcome;
  readonly feedback?: string;
  /** By whose word that is the outcome, the strongest last. */
  readonly by: readonly Evidence[];
  /** Those who have spoken, each once. */
  readonly heard: readonly Evidence[];
  readonly zone: Zone;
  /** Milliseconds since the epoch, by the clock of then. */
  readonly at: number;
}

/** Those from whom an agent learns together: its operator and its spawner, or one other sender. */
export interface Circle {
  /** The sender, or {@link OWN}. */
  readonly sender: string;
  /** Higher with each use. */
  readonly used: number;
  readonly works: Readonly<Record<string, WorkFigures>>;
}

/** In place of a sender: the operator, and whoever spawned the agent. */
export const OWN = 'own';

/** What somebody says of a message that was dealt with. */
export interface Grade {
  readonly agent: string;
  /** Id of the experience, of the message or of the task. */
  readonly reference: string;
  readonly outcome: DeedOutcome;
  readonly feedback?: string | undefined;
  readonly update: Update;
}

/** What somebody tells an agent that it has not seen itself. */
export interface Telling {
  readonly agent: string;
  readonly situation: string;
  readonly action: string;
  readonly outcome: DeedOutcome;
  readonly feedback?: string | undefined;
  readonly update: Update;
}

/** The answer of `ai_learn`. */
export interface AiLearnResult {
  readonly agent_id: string;
  /** Absent where nothing was kept. */
  readonly experience_id?: string;
  readonly outcome: DeedOutcome;
  /** What has changed: what was known already changes nothing. */
  readonly updated: Update;
  readonly work: string;
  readonly way?: string;
}

/** A way as statistics show it. */
export interface LearnedWay {
  readonly way: string;
  readonly tried: number;
  /** Weights of successes and failures that still count. */
  readonly wins: number;
  readonly losses: number;
  /** What is believed of its success, 0 to 1. */
  readonly believed: number;
  /** Means; absent where nothing was measured. */
  readonly costMicroUsd?: number;
  readonly ms?: number;
}

/** A work as statistics show it. */
export interface LearnedWork {
  readonly work: string;
  /** `own`, or whose work it was. */
  readonly from: string;
  readonly deeds: number;
  readonly ways: readonly LearnedWay[];
}

/** An experience as statistics show it. */
export interface LearnedExperience {
  readonly id: string;
  /** Id of the message or the task; absent for what was told. */
  readonly reference?: string;
  readonly from: string;
  readonly work: string;
  readonly way?: string;
  readonly outcome?: DeedOutcome;
  readonly feedback?: string;
  readonly by: readonly Evidence[];
  readonly zone: Zone;
  /** ISO 8601. */
  readonly at: string;
  /** The beginning of what was asked. */
  readonly situation: string;
}

/** Figures of each work, and the newest experiences, of one agent. */
export interface LearnedAgent {
  readonly agent: string;
  readonly spawnedBy: string;
  /** Whether its kind says that it learns, now. */
  readonly learns: boolean;
  readonly works: readonly LearnedWork[];
  readonly experiences: {
    readonly count: number;
    /** Of these, how many have an outcome that was measured by more than that there was an answer. */
    readonly measured: number;
    /** The newest. */
    readonly recent: readonly LearnedExperience[];
  };
}

/** The answer of `learn_stats`. */
export interface LearnStatsResult {
  readonly agents: readonly LearnedAgent[];
}

/** What is to be forgotten of an agent; of neither: all. */
export interface Forgetting {
  readonly agent: string;
  /** Its id, where only that one is to go. */
  readonly experience?: string | undefined;
  /** All that was learned of one work. */
  readonly work?: string | undefined;
}

/** The answer of `learn_forget`. */
export interface LearnForgetResult {
  readonly agent: string;
  /** How many are forgotten. */
  readonly experiences: number;
  readonly works: number;
}
