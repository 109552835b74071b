/** Shared boards: small key-value documents that every member holds and that merge by themselves. */
export { SEALED_BOARDS, boardIdOf } from './board-id.ts';
export { createBlackboard } from './blackboard.ts';
export { leaseLasts } from './quorum/request.ts';
export type { BlackboardComponents, BlackboardInit } from './blackboard.ts';
export type {
  Blackboard,
  Board,
  BoardAbility,
  BoardChange,
  BoardComing,
  BoardEntry,
  BoardHeld,
  BoardHold,
  BoardInfo,
  BoardRight,
  HistoryLine,
  HistoryPage,
  HistoryQuery,
  RightInit,
  SetOptions,
  StrongCall,
  StrongOutcome,
  StrongRequest,
  Tombstone,
} from './types.ts';
export { createBoardDocument } from './document/document.ts';
export type { BoardDocument } from './document/document-types.ts';
