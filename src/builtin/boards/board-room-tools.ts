/** All tools about boards. */
import type { BuiltinTool } from '../../gateway/index.ts';
import { boardCareTools } from './board-care.ts';
import type { BoardCareComponents } from './board-care.ts';
import { boardRightTools } from './board-rights.ts';
import type { BoardRightComponents } from './board-rights.ts';
import { strongBoardTools } from './board-strong.ts';
import { boardTools } from './boards.ts';
import type { BoardComponents } from './boards.ts';

/** What they need together. */
export type BoardRoomComponents = BoardCareComponents & BoardComponents & BoardRightComponents;

/** The tools that read, write, make, drop and share boards. */
export function boardRoomTools(components: BoardRoomComponents): readonly BuiltinTool[] {
  return [
    ...boardTools(components),
    ...boardCareTools(components),
    ...boardRightTools(components),
    ...strongBoardTools(components),
  ];
}
