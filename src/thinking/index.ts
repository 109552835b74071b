/** Agents that think with a language model, and questions that are answered by one with the tools of whoever asks. */
export { startMind } from './agents/minds.ts';
export type { MindsComponents } from './agents/minds.ts';
export { askTools } from './ask/tools.ts';
export type { AskComponents } from './ask/ask.ts';
export { proposePhases } from './ask/phases.ts';
export type { ProposePhases } from './ask/phases.ts';
