/** Lines of `starling up` about who is on this network and not in the mesh: other meshes, and who asks to join. */
import type { NeighbourMesh } from '../../../mesh/index.ts';
import type { StarlingNode } from '../../../node-types.ts';
import { paintTalk, print, safeLine, tell } from '../output.ts';

/** What a shell takes as one word, and no option. */
const PLAIN = /^[\w.][\w.-]*$/;

/** Tells of each by `say` as it comes; `state` are the words by which commands find this node, `up` those by which it is started as it was, with a space before; `own` is the name of its mesh. Nothing is to be undone: the events end with the node. */
export function tellOfStrangers(
  events: StarlingNode['events'],
  json: boolean,
  say: (text: string) => void = tell,
  { state, up }: { readonly state: string; readonly up: string } = { state: '', up: '' },
  own: () => string | undefined = () => undefined,
): void {
  events.on('neighbour', ({ mesh, meshName, fingerprint, open, name, host, address }, mayGo) => {
    if (json) {
      const about = { mesh, meshName, fingerprint, open, name, address };
      print(JSON.stringify({ event: 'neighbour', ...about }));
      return;
    }
    const there = { meshName, fingerprint, open, address };
    const isSame = meshName === own();
    // Who is in a mesh with others leaves that first, and the node ends by it: nothing to do without a wish.
    const how = mayGo
      ? askToJoin(there, `stop this node, then starling up${up}`, isSame)
      : `to leave this mesh for it: ${wayIn(there, `starling leave${state}, then starling up${up}`, isSame)}`;
    say(
      safeLine(`another mesh is here: ${meshName} (${fingerprint}), ${name} at ${host} → ${how}`),
    );
  });
  events.on('knock', ({ name, peerId, fingerprint, address, at }) => {
    if (json) {
      print(JSON.stringify({ event: 'knock', name, peerId, fingerprint, address, at }));
      return;
    }
    say(
      `${paintTalk.bold(safeLine(name))} ${safeLine(`(${fingerprint}) at ${address} asks to join this mesh; it shows the same four words`)}`,
    );
    say(
      safeLine(
        `  → let it in: starling members admit ${wordOf(name, peerId)}; or: starling members refuse ${wordOf(name, peerId)}`,
      ),
    );
  });
}

type MeshThere = Pick<NeighbourMesh, 'meshName' | 'fingerprint' | 'open' | 'address'>;

/** How to get into a mesh of this network, by its four words where another has its name as well. A stranger chose its name, and a person may paste the line. */
export function askToJoin(there: MeshThere, up = 'starling up', isAmbiguous = false): string {
  const way = wayIn(there, up, isAmbiguous);
  return isJoined(there) ? `join it: ${way}` : `ask to join: ${way}`;
}

/** An open mesh, whose name can stand in a command. */
function isJoined({ open, meshName }: MeshThere): boolean {
  return open && PLAIN.test(meshName);
}

function wayIn(there: MeshThere, up: string, isAmbiguous: boolean): string {
  const { meshName, fingerprint, address } = there;
  if (isJoined(there)) return `${up} --open ${meshName} --bootstrap '${address}'`;
  return `${up} --knock ${PLAIN.test(meshName) && !isAmbiguous ? meshName : `'${fingerprint}'`}`;
}

/** How a command names the node: by its name, or by its key where a shell would take the name apart. */
function wordOf(name: string, peerId: string): string {
  return PLAIN.test(name) ? name : peerId.slice(-8);
}
