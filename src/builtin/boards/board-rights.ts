/** The tools by which the operator says who may read and write a board that is not open. */
import { z } from 'zod';
import type { Blackboard, Board } from '../../blackboard/index.ts';
import { StarlingError } from '../../core/index.ts';
import type { BuiltinTool } from '../../gateway/index.ts';
import { defineTool } from '../../gateway/index.ts';
import type { Membership } from '../../membership/index.ts';
import { unknownBoard } from './board-care.ts';
import type { ClientBoards } from './client-boards.ts';
import { audienceOf } from '../grants/grant-input.ts';
import type { BoardGrantResult, BoardRevokeResult } from '../results.ts';

/** What these tools need. */
export interface BoardRightComponents {
  readonly blackboard: Blackboard;
  readonly membership: Pick<Membership, 'resolve'>;
  readonly rights: ClientBoards;
}

const CLIENT = 'client:';
const board = z.string().describe('Name of the board.');
const to = z
  .string()
  .min(1)
  .max(256)
  .describe('Alias, PeerId or did:key of a peer, or `client:<name>` of a client of this node.');

/** `board_grant` and `board_revoke`. */
export function boardRightTools(components: BoardRightComponents): readonly BuiltinTool[] {
  const { blackboard, membership, rights } = components;
  return [
    defineTool({
      name: 'board_grant',
      title: 'Give a right on a board',
      description:
        'Lets a peer or a client of this node read a board that is not open, write to it (all keys, or those with a prefix), or administer it. Who writes reads as well.',
      input: z.object({
        board,
        to,
        ability: z.enum(['read', 'write', 'admin']),
        prefix: z
          .string()
          .max(256)
          .optional()
          .describe('Only keys that start with this: to write; for a client also to read.'),
      }),
      hints: { destructiveHint: false },
      clients: 'no',
      async run(input): Promise<BoardGrantResult> {
        const found = await existing(blackboard, input.board);
        const { ability, prefix = '' } = input;
        if (input.to.startsWith(CLIENT)) {
          checkClosed(found);
          const client = input.to.slice(CLIENT.length);
          await rights.give(found, { client, ability, prefix });
          return { board: found.name, to: input.to, ability, prefix };
        }
        if (prefix !== '' && ability !== 'write') {
          throw new StarlingError(
            'STARLING_USAGE',
            `a peer may ${ability} all of a board or nothing`,
            {
              hint: 'leave the prefix out; who may write keys with a prefix reads the whole board',
            },
          );
        }
        const whom = audienceOf(membership, input.to);
        const { id } = await found.grant({ to: whom, ability, prefix });
        return { board: found.name, to: input.to, ability, prefix, id };
      },
    }),
    defineTool({
      name: 'board_revoke',
      title: 'Take rights on a board back',
      description:
        'Takes back all rights of a peer or a client on a board. What a peer wrote and this node has seen still counts; nothing that comes later does, at any peer.',
      input: z.object({ board, from: to }),
      hints: { destructiveHint: true },
      clients: 'no',
      async run(input): Promise<BoardRevokeResult> {
        const found = await existing(blackboard, input.board);
        const { from } = input;
        const revoked = from.startsWith(CLIENT)
          ? await rights.takeBack(found, from.slice(CLIENT.length))
          : (await found.revoke(audienceOf(membership, from))).length;
        return { board: found.name, from, revoked };
      },
    }),
  ];
}

/** @throws STARLING_BOARD_UNKNOWN */
async function existing(blackboard: Blackboard, name: string): Promise<Board> {
  const found = await blackboard.board(name);
  if (found.info().exists) return found;
  throw unknownBoard(name);
}

/** @throws STARLING_BOARD_INVALID */
function checkClosed(found: Board): void {
  if (!found.isOpen) return;
  throw new StarlingError('STARLING_BOARD_INVALID', `board '${found.name}' is open to all`, {
    hint: 'every client may read and write it already',
  });
}
