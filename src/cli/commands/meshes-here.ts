/** `starling up --knock` without a name: which meshes of this network could be asked. */
import { systemClock } from '../../core/time/clock.ts';
import { StarlingError } from '../../core/errors.ts';
import { meshesHere } from '../../mesh/index.ts';
import { askToJoin } from '../terminal/stranger-lines.ts';
import { printData, safeLine, tell } from '../terminal/output.ts';

/** Listens for a few seconds, and prints each mesh with the command that asks it. Starts no node. */
export async function listMeshes(options: {
  readonly json?: boolean;
  readonly mdns: boolean;
}): Promise<number> {
  if (!options.mdns) {
    throw new StarlingError('STARLING_USAGE', 'meshes are heard by multicast DNS, which is off', {
      hint: 'leave --no-mdns out, or give the address of a member: starling up --knock /ip4/192.168.1.5/tcp/4040',
    });
  }
  if (options.json !== true) tell('listening for meshes on this network…');
  const meshes = await meshesHere({ clock: systemClock });
  printData({ meshes }, options.json === true, () =>
    meshes.length === 0
      ? 'no mesh was heard on this network: it may have none, or lets no multicast through; ask a member for a ticket: starling invite'
      : meshes
          .map((one) =>
            safeLine(
              `${one.meshName} (${one.fingerprint}), ${one.name} at ${one.host} → ${askToJoin(one)}`,
            ),
          )
          .join('\n'),
  );
  return 0;
}
