/** What a node may write on the board of a swarm. */
import type { Did } from '../core/index.ts';
import type { Board } from '../blackboard/index.ts';
import { MEMORY_PREFIX, ownPrefix, readSwarm, seatKey } from './board-rows.ts';

/**
 * A node may write of its own agents, and what the swarm remembers; a node with a coordinator named by the creator may let
 * others see the board, too. What the node may no more is taken back. At a node that may give rights. Rejects as boards do.
 */
export async function giveRights(board: Board, did: Did): Promise<void> {
  const swarm = readSwarm(board);
  const seats = (swarm?.seats ?? []).filter((seat) => seat.did === did);
  const namer = swarm?.creator;
  const leads = seats.some(
    (seat) => seat.role === 'coordinator' && board.get(seatKey(seat))?.by === namer,
  );
  const isOver = seats.length === 0 && board.may(did, 'write', `${ownPrefix(did)}log`);
  const leadsNoMore = !leads && board.may(did, 'admin');
  if (did !== namer && (isOver || leadsNoMore)) await board.revoke(did);
  if (seats.length === 0) return;
  if (leads && !board.may(did, 'admin')) await board.grant({ to: did, ability: 'admin' });
  if (!board.may(did, 'write', `${ownPrefix(did)}log`)) {
    await board.grant({ to: did, ability: 'write', prefix: ownPrefix(did) });
  }
  if (!board.may(did, 'write', MEMORY_PREFIX)) {
    await board.grant({ to: did, ability: 'write', prefix: MEMORY_PREFIX });
  }
}
