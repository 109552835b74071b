/** `starling board grant` */
import type { BoardGrantResult } from '../../../builtin/results.ts';
import { StarlingError } from '../../../core/errors.ts';
import { asSentence, printData } from '../../terminal/output.ts';
import { withNode } from '../../node/locate-node.ts';
import type { CommonOptions } from '../../options/common-options.ts';

/** Options of the command. */
interface GrantOptions extends CommonOptions {
  readonly prefix?: string;
}

const ABILITIES: readonly string[] = ['read', 'write', 'admin'];

/** Gives the right, and says how it ends. @throws STARLING_USAGE for another word than the three */
export async function run(
  board: string,
  to: string,
  ability: string,
  options: GrantOptions,
): Promise<void> {
  if (!ABILITIES.includes(ability)) {
    throw new StarlingError('STARLING_USAGE', `'${ability}' is nothing that can be granted`, {
      hint: `say read, write or admin: starling board grant ${board} ${to} write`,
    });
  }
  const result = await withNode(options, (node) =>
    node.builtin<BoardGrantResult>('board_grant', {
      board,
      to,
      ability,
      ...(options.prefix === undefined ? {} : { prefix: options.prefix }),
    }),
  );
  printData(result, options.json === true, () => {
    const { prefix } = result;
    const what = ability === 'admin' ? 'administer' : ability;
    const keys = prefix === '' ? '' : ` keys that start with ${prefix}`;
    return asSentence(
      `${to} may now ${what}${keys === '' ? '' : keys + ' of'} board ${board}; end it with: starling board revoke ${board} ${to}`,
    );
  });
}
