/** Strong boards over the boards of this node: who keeps and may use which, and what of them readers of boards see. */
import { messageOf } from '../core/index.ts';
import type { Scope } from '../core/index.ts';
import type { SuccessionView } from '../grants/index.ts';
import type { BoardAccess } from './access/board-access.ts';
import type { OpenBoard } from './board/board.ts';
import { createStrongBoards } from './quorum/strong-boards.ts';
import type {
  Chosen,
  StrongBoard,
  StrongBoards,
  StrongBoardsComponents,
} from './quorum/strong-boards.ts';

/** What strong boards need besides the boards of this node. */
export interface StrongComponents extends Omit<
  StrongBoardsComponents,
  'chosen' | 'find' | 'isSame' | 'isShown'
> {
  readonly successions?: SuccessionView;
}

/** Makes the strong boards of this node; they end when the scope closes. */
export function openStrongBoards(
  components: StrongComponents,
  boards: ReadonlyMap<string, OpenBoard>,
  scope: Scope,
): StrongBoards {
  const { successions, logger } = components;
  return createStrongBoards(
    {
      ...components,
      isSame: (did, replica) => did === replica || successions?.follows(did, replica) === true,
      find: (id) => strongBoard(boards.get(id)?.access),
      isShown: (id, chosen) => isShown(boards.get(id), chosen),
      chosen: (id, chosen) => {
        // If the disk refuses now, what is accepted is looked at again after a while.
        boards
          .get(id)
          ?.carry(chosen)
          .catch((error: unknown) =>
            logger.warn({ board: id, error: messageOf(error) }, 'strong entry not shown'),
          );
      },
    },
    scope,
  );
}

function strongBoard(access: BoardAccess | undefined): StrongBoard | undefined {
  const replicas = access?.replicas;
  if (access === undefined || replicas === undefined) return undefined;
  return {
    replicas,
    mayRead: (did) => access.mayRead(did),
    mayWrite: (did, key) => access.mayWrite(did, key),
  };
}

/** Whether a board here shows what was chosen, or something later. */
function isShown(board: OpenBoard | undefined, { key, value, at }: Chosen): boolean {
  // Of a board that is not here there is nobody to show it to.
  if (board === undefined) return true;
  const shown = board.document.get(key) ?? board.document.tombstone(key);
  if (shown === undefined) return value === undefined;
  return shown.at >= at;
}
