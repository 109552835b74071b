/** The nodes of this user on this machine, as `starling nodes` shows them and `--node` picks one. */
import { knownNodes } from '../../config/known-nodes.ts';
import type { KnownNode } from '../../config/known-nodes.ts';
import { nearest } from '../../core/words/slips.ts';
import { StarlingError } from '../../core/errors.ts';

/** The node that is called `name`. @throws STARLING_USAGE when none or more than one is */
export async function nodeCalled(name: string, env: NodeJS.ProcessEnv): Promise<KnownNode> {
  const known = await knownNodes(env);
  const [found, ...others] = known.filter(({ about }) => about?.name === name);
  if (found === undefined) {
    const names = known.flatMap(({ about }) => about?.name ?? []);
    const meant = nearest(name, names);
    throw new StarlingError(
      'STARLING_USAGE',
      `no node of yours on this machine is called '${name}'`,
      {
        hint:
          meant === undefined
            ? 'see which there are: starling nodes'
            : `did you mean '${meant}'? See which there are: starling nodes`,
      },
    );
  }
  if (others.length === 0) return found;
  const folders = [found, ...others].map(({ stateDir }) => stateDir);
  throw new StarlingError(
    'STARLING_USAGE',
    `${folders.length} nodes of yours are called '${name}': their state folders are ${folders.join(', ')}`,
    { hint: `say which by its folder: --state ${folders[0] ?? ''}` },
  );
}
