/** Strong boards over the boards of this node: who keeps and may use which, and what of them readers of boards see. */
import { messageOf } from '../core/index.ts';
import type { Scope } from '../core/index.ts';
import type { SuccessionView } from '../grants/index.ts';
import type { BoardAccess } from './access/board-access.ts';
import type { OpenBoard } from './board/board.ts';
import { invalid } from './limits.ts';
import { REPLICAS_MAX } from './lanes/voters.ts';
import type { Voter } from './lanes/voters.ts';
import { createStrongBoards } from './quorum/strong-boards.ts';
import type { StrongBoard } from './quorum/electorate.ts';
import type { Chosen } from './quorum/showing.ts';
import type { StrongBoards, StrongBoardsComponents } from './quorum/strong-boards.ts';

import type { BoardReplicas } from './access/access-records.ts';
import type { ReplicaChange } from './types.ts';

/** What strong boards need besides the boards of this node. */
export interface StrongComponents extends Omit<
  StrongBoardsComponents,
  'boards' | 'chosen' | 'find' | 'isSameNode' | 'isShown'
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
      isSameNode: (did, replica) => did === replica || successions?.follows(did, replica) === true,
      find: (id) => strongBoard(boards.get(id)?.access),
      boards: () =>
        [...boards].flatMap(([id, { access }]) => (access?.replicas === undefined ? [] : [id])),
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

/** A change of replicas, and who signs it. */
interface SignedChange extends ReplicaChange {
  readonly sign: (change: Pick<BoardReplicas, 'before' | 'number' | 'voters'>) => string;
}

/**
 * Signs that the replicas of a board change, and has them change. Whoever is added with the disk that is known stays
 * what it is; with another one it is a new replica. @throws as `Board.changeReplicas` says
 */
export async function changeReplicas(
  strong: StrongBoards,
  id: string,
  { add = [], remove = [], sign }: SignedChange,
): Promise<void> {
  const now = await strong.replicas(id);
  const disks = await strong.disks(id, add);
  const number = now.number + 1;
  const added = add.map((did, at): Voter => {
    const disk = disks[at] ?? '';
    const known = now.voters.find((one) => one.did === did && one.disk === disk);
    return known ?? { did, disk, since: number };
  });
  const left = now.voters.filter(({ did }) => !add.includes(did) && !remove.includes(did));
  const voters = [...left, ...added];
  if (voters.length === 0 || voters.length > REPLICAS_MAX) {
    throw invalid(
      `a strong board has 1 to ${REPLICAS_MAX} replicas, and would have ${voters.length}`,
      'see who they are: starling board replicas <board>',
    );
  }
  if (JSON.stringify(voters) === JSON.stringify(now.voters)) return;
  await strong.change(id, sign({ number, voters, before: now.voters }));
}

function strongBoard(access: BoardAccess | undefined): StrongBoard | undefined {
  const first = access?.creation?.strong;
  if (access === undefined || first === undefined) return undefined;
  const last = access.lastChange;
  return {
    first,
    disks: access.creation?.disks,
    lastChange: last && { ...last, by: last.iss },
    mayRead: (did) => access.mayRead(did),
    mayWrite: (did, key) => access.mayWrite(did, key),
    mayAdminister: (did) => access.mayAdminister(did),
    readChange: (record) => {
      const change = access.readChange(record);
      return change && { ...change, by: change.iss };
    },
    isCounted: (record) => access.isCounted(record),
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
