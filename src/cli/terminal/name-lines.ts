/** Lines of `starling up` about names: one that is taken, here or at a peer, and one that a peer has changed. */
import type { PeerView } from '../../membership/types.ts';
import type { StarlingNode } from '../../node.ts';
import { print, safeLine, tell } from './output.ts';

/** Tells of the peers that are there, and of each as it comes or changes its name. */
export function tellOfNames(node: Pick<StarlingNode, 'events' | 'peers'>, json: boolean): void {
  const say = (peer: PeerView, before: PeerView | undefined): void => {
    const lines = nameLines(peer, before);
    if (!json) for (const line of lines) tell(safeLine(line));
    else if (lines.length > 0) {
      const { alias, callsUs, newName, peerId, presence } = peer;
      print(
        JSON.stringify({ event: 'names', alias, peerId, name: presence?.name, callsUs, newName }),
      );
    }
  };
  for (const peer of node.peers()) say(peer, undefined);
  node.events.on('peer', say);
}

/** What is to be said of a peer's names, that was not so `before`. */
export function nameLines(peer: PeerView, before: PeerView | undefined): readonly string[] {
  const { alias, callsUs, newName, presence } = peer;
  const own = presence?.name;
  const isFirst = before?.presence === undefined && own !== undefined;
  return [
    ...(isFirst && own !== alias && newName === undefined
      ? [`${alias} calls itself ${own}, a name that is not free here`]
      : []),
    ...(callsUs !== undefined && callsUs !== before?.callsUs
      ? [`you are called ${callsUs} at ${alias}: another has the name of this node there`]
      : []),
    ...(newName !== undefined && newName !== before?.newName
      ? [
          `${alias} calls itself ${newName} now; here it stays ${alias}, until: starling peers rename ${alias} ${newName}`,
        ]
      : []),
  ];
}
