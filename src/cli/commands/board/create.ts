/** `starling board create` */
import type { BoardCreateResult } from '../../../builtin/results.ts';
import { asSentence, printData } from '../../terminal/output.ts';
import { withNode } from '../../node/locate-node.ts';
import type { CommonOptions } from '../../options/common-options.ts';

/** Options of the command. */
interface CreateOptions extends CommonOptions {
  readonly open?: boolean;
  readonly signed?: boolean;
  readonly hold?: string;
  /** True, or the names of the replicas with commas between. */
  readonly strong?: boolean | string;
}

/** Makes the board; says so when there was one. */
export async function run(board: string, options: CreateOptions): Promise<void> {
  const result = await withNode(options, (node) =>
    node.builtin<BoardCreateResult>('board_create', {
      board,
      ...(options.open === true ? { open: true } : {}),
      ...(options.signed === true ? { signed: true } : {}),
      ...(options.hold === undefined ? {} : { hold: options.hold }),
      ...(options.strong === undefined ? {} : { strong: replicasIn(options.strong) }),
    }),
  );
  printData(result, options.json === true, () =>
    asSentence(result.created ? madeText(result) : `there is a board '${board}' already`),
  );
}

function replicasIn(strong: boolean | string): boolean | readonly string[] {
  return typeof strong === 'string' ? strong.split(',').map((name) => name.trim()) : strong;
}

function madeText({ board, open, hold, replicas }: BoardCreateResult): string {
  if (replicas !== undefined) {
    const needed = Math.floor(replicas.length / 2) + 1;
    const kept =
      replicas.length === 1
        ? 'this node alone keeps'
        : `${replicas.length} nodes keep, of which ${needed} must be there`;
    return `created ${board}, a strong board that ${kept}; let others in with: starling board grant ${board} <peer> write`;
  }
  if (open) return `created ${board}, which every peer may read and write`;
  if (hold === 'on-demand') {
    return `created ${board}, which is yours, and which other nodes hold only while somebody there uses it; let them in with: starling board grant ${board} <peer> read`;
  }
  return `created ${board}, which is yours; let others in with: starling board grant ${board} <peer> read`;
}
