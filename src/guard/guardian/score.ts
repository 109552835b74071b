/**
 * The guardian's formula, pure: score = w_j · justification + w_t · trust + w_r · (1 − risk), after
 * Network-AI's AuthGuardian. Each part is 0 to 1; the weights and thresholds stand in the policy file.
 * Whoever knows the formula can write a justification that scores well, so that a score alone never
 * grants anything that the policy does not let be granted without a person.
 */
import type { PolicyFile } from '../policy/schema.ts';

/** The facts of a request that its score depends on, and nothing else. */
export interface Weighed {
  readonly justification: string;
  /** Names in the scope: servers, tools, files. A justification that has one is specific. */
  readonly names: readonly string[];
  /** 0 to 1, by the policy. */
  readonly trust: number;
  /** Base risk of the resource type, 0 to 1. */
  readonly risk: number;
  /** The scope has wildcards for whole servers. */
  readonly isBroad: boolean;
  /** The scope has what is not marked read-only. */
  readonly isWrite: boolean;
}

/** The parts of a score and the score, rounded to a thousandth. */
export interface Score {
  readonly justification: number;
  readonly trust: number;
  readonly risk: number;
  readonly total: number;
}

/** What the score says, and why. */
export interface Verdict {
  readonly outcome: 'grant' | 'ask' | 'refuse';
  readonly reason: string;
}

/** Each sign of a good justification counts for as much. */
const SIGNS = 5;
const SHORT = 20;
const LONG = 50;
const NAME_LENGTH_MIN = 3;
const PURPOSE = /\b(task|purpose|need|needs|needed|require[sd]?|because|in order to)\b/iu;
const SPECIFIC = /\b(specific(ally)?|particular(ly)?|exact(ly)?|only)\b/iu;
const TRYING = /\b(test(s|ing)?|debug(ging)?|try(ing)?)\b/iu;

/** Weighs a request. */
export function scoreOf(weighed: Weighed, guardian: PolicyFile['guardian']): Score {
  const { weights } = guardian;
  const justification = justificationOf(weighed);
  const { trust } = weighed;
  const risk = Math.min(
    1,
    weighed.risk +
      (weighed.isBroad ? guardian.broad_scope : 0) +
      (weighed.isWrite ? guardian.write_scope : 0),
  );
  const total =
    weights.justification * justification + weights.trust * trust + weights.risk * (1 - risk);
  return {
    justification: round(justification),
    trust: round(trust),
    risk: round(risk),
    total: round(total),
  };
}

/** What a score says by itself. */
export function verdictOf(score: Score, guardian: PolicyFile['guardian']): Verdict {
  const { justification, trust, risk, total } = score;
  if (justification < guardian.justification_min) {
    const text = `the reason is too short or says too little (${justification} of 1, needed: ${guardian.justification_min})`;
    const more = `say what it is for and which file or thing, in more than ${SHORT} letters`;
    return { outcome: 'refuse', reason: `not passed on: ${text}: ${more}` };
  }
  if (risk > guardian.risk_max) {
    const text = `the risk is ${risk}, above ${guardian.risk_max}`;
    return { outcome: 'refuse', reason: `${text}: ask for less` };
  }
  if (trust < guardian.trust_min) {
    return { outcome: 'ask', reason: `the trust is ${trust}, below ${guardian.trust_min}` };
  }
  if (total < guardian.ask_at) {
    return { outcome: 'refuse', reason: `the score is ${total}, below ${guardian.ask_at}` };
  }
  if (total < guardian.grant_at) {
    return { outcome: 'ask', reason: `the score is ${total}, below ${guardian.grant_at}` };
  }
  return { outcome: 'grant', reason: `the score is ${total}, at least ${guardian.grant_at}` };
}

/**
 * A fifth for each: over 20 characters; over 50; names a purpose; is specific (says so, or names what
 * is in the scope); is not about testing, debugging or trying.
 */
function justificationOf({ justification, names }: Weighed): number {
  const text = justification.normalize('NFC').trim();
  if (text === '') return 0;
  const folded = text.toLowerCase();
  const isNamed = names.some(
    (name) => name.length >= NAME_LENGTH_MIN && folded.includes(name.toLowerCase()),
  );
  const signs = [
    text.length > SHORT,
    text.length > LONG,
    PURPOSE.test(text),
    SPECIFIC.test(text) || isNamed,
    !TRYING.test(text),
  ];
  return signs.filter(Boolean).length / SIGNS;
}

function round(value: number): number {
  return Math.round(value * 1000) / 1000;
}
