/** Shared boards: small key-value documents that every member holds and that merge by themselves. */
export { createBlackboard } from './blackboard.ts';
export type { BlackboardComponents, BlackboardInit } from './blackboard.ts';
export type { Blackboard, Board, BoardChange, BoardEntry } from './types.ts';
