/** What a board that somebody has by its name asks of the rest of the room: what the name means, and where that is. */
import type { Clock, Did } from '../core/index.ts';
import { boardIdOf, creatorIn, nameIn } from './board-id.ts';
import type { OnDemand } from './on-demand.ts';
import type { BoardPasts } from './board-pasts.ts';
import type { BoardShelf } from './board-shelf.ts';
import type { BoardHome } from './board/board-handle.ts';
import type { BoardWatchers } from './board/board-watchers.ts';
import type { ClosedBoards } from './closed-boards.ts';
import { changeReplicas } from './open-strong.ts';
import type { StrongBoards } from './quorum/strong-boards.ts';
import type { ComingBoards } from './sync/coming-boards.ts';

/** The parts of the room that a board is made of. */
export interface BoardHomeParts {
  readonly clock: Clock;
  readonly self: Did;
  readonly shelf: BoardShelf;
  readonly closed: ClosedBoards;
  readonly pasts: BoardPasts;
  readonly watchers: BoardWatchers;
  readonly coming: ComingBoards;
  readonly onDemand: OnDemand;
  /** Whether a board that is made without a word about that is everybody's. */
  isOpenByDefault(): boolean;
  /** @throws STARLING_STOPPED */
  checkRunning(): void;
  /** @throws STARLING_STOPPED, STARLING_BOARD_REFUSED where this node keeps no strong boards */
  strong(): StrongBoards;
}

/** The home of the board called `name`. */
export function createBoardHome(parts: BoardHomeParts, name: string): BoardHome {
  const { clock, self, shelf, closed, pasts, watchers, coming, onDemand } = parts;
  const id = (): string => shelf.idOf(name);
  return {
    clock,
    self,
    checkRunning: () => parts.checkRunning(),
    find: () => shelf.find(id()),
    id,
    write: async (work) => {
      parts.checkRunning();
      return shelf.write(id(), work);
    },
    writeTo: async (given, work) => {
      parts.checkRunning();
      return shelf.write(given, work);
    },
    isOnDemand: () => onDemand.isOnDemand(id()),
    hold: () => onDemand.hold(id()),
    use: () => onDemand.use(id()),
    held: () => onDemand.heldOf(id()),
    watch: (listener) => watchers.watch(name, listener),
    history: () => pasts.of(id()),
    coming: (given) => coming.of(given),
    create: async ({ open, signed = false, strong, hold }) => {
      const isOnDemand = hold === 'on-demand';
      const isKind = signed || strong !== undefined || isOnDemand || hold === 'listed';
      // The id of a board that this node is to make names it where others have made one of that name.
      const called = creatorIn(name) === self ? nameIn(name) : name;
      const isOpen = open ?? (hold === 'all' || (!isKind && parts.isOpenByDefault()));
      if (isOpen) return called;
      shelf.checkRoom(called);
      if (strong === undefined) return closed.create(called, { isSigned: signed, isOnDemand });
      const disks = await parts.strong().disks(boardIdOf(called, self), strong);
      return closed.create(called, { strong, disks });
    },
    replicas: async (given) => (await parts.strong().replicas(given)).voters.map(({ did }) => did),
    changeReplicas: (given, change) =>
      changeReplicas(parts.strong(), given, {
        ...change,
        sign: (set) => closed.signReplicas(given, set),
      }),
    grant: (init) => closed.grant(id(), init),
    revoke: (whom) => closed.revoke(id(), whom),
    strong: (given, key, { request, id: called }) =>
      parts.strong().request({ board: given, key }, { request, id: called }),
  };
}
