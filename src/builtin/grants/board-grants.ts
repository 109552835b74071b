/** Rights on boards among the grants: they are grants, too, but kept with their boards and ended by `board revoke`. */
import type { Blackboard, BoardRight } from '../../blackboard/index.ts';
import { StarlingError, meantById, shellWord } from '../../core/index.ts';
import type { Did } from '../../core/index.ts';
import { peerIdFromDid } from '../../identity/index.ts';
import type { Membership } from '../../membership/index.ts';
import type { GrantSummary } from '../results.ts';

/** Where rights on boards are found. */
export interface BoardGrantComponents {
  readonly blackboard: Pick<Blackboard, 'board' | 'names'>;
  /** Whose grants are listed. */
  readonly self: Did;
}

/** The rights on boards that this node gave or got, as a person reads grants. */
export async function boardGrants(
  { blackboard, self }: BoardGrantComponents,
  membership: Pick<Membership, 'peer'>,
): Promise<readonly GrantSummary[]> {
  const found: GrantSummary[] = [];
  for (const board of blackboard.names()) {
    const rights = (await blackboard.board(board)).info().rights ?? [];
    for (const right of rights) {
      if (right.by !== self && right.to !== self) continue;
      found.push(summaryOf(board, right, { self, membership }));
    }
  }
  return found;
}

/** That `id` is a right on a board, and how that ends; undefined where it is none. */
export async function boardGrantCalled(
  components: BoardGrantComponents,
  membership: Pick<Membership, 'peer'>,
  id: string,
): Promise<StarlingError | undefined> {
  const rights = await boardGrants(components, membership);
  const meant = meantById(id, rights, (right) => right.id);
  if (!('found' in meant)) return undefined;
  const { board = '', with: whom } = meant.found;
  return new StarlingError('STARLING_USAGE', `that is a right on the board ${board}`, {
    hint: `all rights of a peer on a board end together: starling board revoke ${shellWord(board)} ${shellWord(whom)}`,
  });
}

function summaryOf(
  board: string,
  { id, to, by, ability, on, at, expiresAt, isRevoked }: BoardRight,
  { self, membership }: { readonly self: Did; readonly membership: Pick<Membership, 'peer'> },
): GrantSummary {
  const direction = by === self ? 'issued' : 'received';
  const did = direction === 'issued' ? to : by;
  return {
    id,
    direction,
    with: membership.peer(peerIdFromDid(did))?.alias ?? did,
    did,
    capabilities: on.map((resource) => ({ resource, ability: `board/${ability}` })),
    renewed: false,
    issuedAt: at,
    expiresAt,
    state: isRevoked ? 'revoked' : 'valid',
    board,
  };
}
