/** The bounds of what agents learn. */

/**
 * What is left of the counts of a way when it is taken once more, and when another one is. Less of the first leaves a way
 * sooner that has broken; less of the second tries one again sooner that may have been mended, at the cost of trying.
 */
export const DECAY = { taken: 0.97, others: 0.99 } as const;
/** What an outcome weighs by who has measured it. A person's word outweighs five checks. */
export const WEIGHTS = { answered: 0.2, sender: 1, check: 1, vote: 1, person: 5 } as const;
/** Ways of one work that are counted; those that the configuration has no more go first. */
export const WAYS_MAX = 16;
/** Works of one circle that are counted: each capability of an agent, and messages that name none. */
export const WORKS_MAX = 65;
/** Circles of one agent: those from whom it learns apart. One more pushes one out of the sender that has most. */
export const CIRCLES_MAX = 64;
/** Experiences of one circle; the oldest goes. */
export const CIRCLE_EXPERIENCES_MAX = 200;
/** Experiences of one agent; the oldest of the fullest circle goes. */
export const EXPERIENCES_MAX = 500;
/** Agents of which what they have learned is in memory; who was not asked for longest is read again. */
export const LOADED_MAX = 16;
/** Characters of what an agent was asked, of what it answered, and of what was said of that, as they are kept. */
export const SITUATION_MAX = 1000;
export const ACTION_MAX = 600;
export const FEEDBACK_MAX = 1000;
/** Experiences that a model is reminded of at the most. */
export const REMINDED_MAX = 3;
/** Characters of all of them: about 600 tokens. */
export const REMINDED_CHARS_MAX = 2400;
/** Characters of what one of them was asked, of its answer, and of what was said of it. */
export const REMINDED_PARTS = { situation: 320, action: 260, feedback: 160 } as const;
/** Experiences that statistics show of one agent. */
export const SHOWN_MAX = 20;
/** Characters of what each of those was asked. */
export const SHOWN_CHARS_MAX = 120;
/** The longest time of a message that is believed: a clock may jump. */
export const TIME_MAX_MS = 86_400_000;
