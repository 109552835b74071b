/** What agents with a model learn: which way does a work best, and what came of what they did; measured, and never a right. */
export { createLearning } from './learning.ts';
export type { Learning } from './learning.ts';
export { learnTools } from './tools.ts';
export type {
  AiLearnResult,
  Beginning,
  Deed,
  LearnForgetResult,
  LearnStatsResult,
  Learner,
  Work,
} from './types.ts';
/** For the benchmark, which sees with them what the choice of a way is worth. */
export { NO_FIGURES, chooseWay, withDeed } from './ways.ts';
export type { WorkFigures } from './ways.ts';
