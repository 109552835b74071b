/** The names of those who write to boards. */
import type { MembersResult } from '../../../builtin/results.ts';
import { shownName } from '../../../core/words/shown-name.ts';
import type { NodeClient } from '../../node/client.ts';

/** The names of writers by did, as `starling peers` and `starling members` show them. */
export async function namesOf(node: NodeClient): Promise<ReadonlyMap<string, string>> {
  const { members } = await node.builtin<MembersResult>('members');
  return new Map(
    members.map(({ did, isSelf, name, newName }) => [
      did,
      isSelf ? `${name} (you)` : shownName({ alias: name, newName }),
    ]),
  );
}
