/** Lines of `starling up` about names: one that is taken, here or at a peer, and one that a peer has changed. */
import type { PeerView } from '../../membership/types.ts';

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
