/** Asks whether a node may leave the mesh that it is alone in, for that of a ticket. */
import type { Mesh } from '../../../mesh/types.ts';
import { ask, canAsk } from './ask.ts';
import type { Conversation } from './ask.ts';
import { safeLine } from '../output.ts';

/** True when a person says yes; where nobody can be asked, nobody has. */
export async function askToMove(
  from: Mesh,
  to: Pick<Mesh, 'name' | 'fingerprint'>,
  conversation?: Conversation,
): Promise<boolean> {
  if (!canAsk(conversation)) return false;
  const question = [
    `This node is in the mesh '${from.name}' (${from.fingerprint}), where nobody else is.`,
    `Leave it, with its boards and the grants that it gave, for '${to.name}' (${to.fingerprint})?`,
  ];
  return (await ask(question.map(safeLine).join('\n'), ['no', 'yes'], conversation)) === 'yes';
}
