/** `starling up --knock` without a name: which meshes of this network could be asked. */
import type { ExitCode } from '../../core/exit-codes.ts';
import { systemClock } from '../../core/time/clock.ts';
import { StarlingError } from '../../core/errors.ts';
import { readAbout } from '../../config/known-nodes.ts';
import type { NodeAbout } from '../../config/known-nodes.ts';
import { meshesHere } from '../../mesh/index.ts';
import type { NeighbourMesh } from '../../mesh/index.ts';
import { stateDirOf } from '../node/locate-node.ts';
import type { CommonOptions } from '../options/common-options.ts';
import { askToJoin } from '../terminal/lines/stranger-lines.ts';
import { printData, safeLine, tell } from '../terminal/output.ts';

/** Listens for a few seconds, and prints each mesh with the command that asks it. Starts no node. */
export async function listMeshes(
  options: CommonOptions & { readonly mdns: boolean },
): Promise<ExitCode> {
  if (!options.mdns) {
    throw new StarlingError('STARLING_USAGE', 'meshes are heard by multicast DNS, which is off', {
      hint: 'leave --no-mdns out, or give the address of a member: starling up --knock /ip4/192.168.1.5/tcp/4040',
    });
  }
  if (options.json !== true) tell('listening for meshes on this network…');
  const own = await readAbout(await stateDirOf(options));
  const heard = await meshesHere({ clock: systemClock });
  const meshes = heard.map((one) => ({ ...one, isOwn: one.fingerprint === own?.fingerprint }));
  printData({ meshes }, options.json === true, () => listText(heard, own));
  return 0;
}

/** A line a mesh; the one in which this node is, `own`, can't be asked by it, and comes last. */
export function listText(meshes: readonly NeighbourMesh[], own: NodeAbout | undefined): string {
  const isOwn = ({ fingerprint }: NeighbourMesh): boolean => fingerprint === own?.fingerprint;
  const others = meshes.filter((one) => !isOwn(one));
  const lines = others.map((one) => {
    const isShared =
      own?.mesh === one.meshName || meshes.some((it) => it !== one && it.meshName === one.meshName);
    const how = askToJoin(one, undefined, isShared);
    return `${one.meshName} (${one.fingerprint}), ${one.name} at ${one.host} → ${how}`;
  });
  const leave =
    others.length === 0
      ? ''
      : ', and where others are as well it leaves that first: starling leave';
  const ours = meshes
    .filter(isOwn)
    .map(
      (one) => `${one.meshName} (${one.fingerprint}): ${own?.name ?? 'this node'} is in it${leave}`,
    );
  const text = [...lines, ...ours].map(safeLine);
  if (others.length > 0) return text.join('\n');
  const which = ours.length === 0 ? 'no mesh' : 'no other mesh';
  return [
    ...text,
    `${which} was heard on this network: it may have none, or lets no multicast through; knock at a member's address: starling up --knock <address>; or ask a member for a ticket: starling invite`,
  ].join('\n');
}
