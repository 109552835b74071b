/** Conversations of agents: kept, summarised, shown to other nodes, and ended with their keys. */
export { createContexts, zoneOfRecalled } from './contexts.ts';
export type { Contexts } from './contexts.ts';
export { SESSION_CHARS_MAX } from './limits.ts';
export { contextResources } from './resources.ts';
export { contextTools } from './tools.ts';
export type {
  ContextContent,
  ContextEnd,
  ContextInfo,
  ContextOf,
  ContextView,
  Recalled,
  Recollection,
} from './types.ts';
