/** Lines of `starling up` about names: one that is taken, here or at a peer, one that a person chose, and one that a peer has changed. */
import type { PeerView } from '../../membership/types.ts';

/** What is to be said of a peer's names, that was not so `before`. `self`: the PeerId of this node. */
export function nameLines(
  peer: PeerView,
  before: PeerView | undefined,
  self: string,
): readonly string[] {
  const { alias, callsUs, newName, presence } = peer;
  const own = presence?.name;
  const isFirst = before?.presence === undefined && own !== undefined;
  return [
    ...(isFirst && own !== alias && newName === undefined ? [ownNameLine(peer, own)] : []),
    ...(callsUs !== undefined && callsUs !== before?.callsUs
      ? [
          isMadeOf(callsUs, self)
            ? `you are called ${callsUs} at ${alias}: another has the name of this node there; another name: on ${alias}, starling peers rename ${callsUs} <name>`
            : `${alias} calls you ${callsUs}`,
        ]
      : []),
    ...(newName !== undefined && newName !== before?.newName
      ? [
          `${alias} calls itself ${newName} now; here it stays ${alias}, until: starling peers rename ${alias} ${newName}`,
        ]
      : []),
  ];
}

function ownNameLine({ alias, peerId }: PeerView, own: string): string {
  // The same but for letters that an alias can't have.
  if (lettersOf(own) === lettersOf(alias))
    return `${alias} calls itself ${own}; here it is ${alias}`;
  return isMadeOf(alias, peerId)
    ? `${alias} calls itself ${own}, a name that is not free here; another name: starling peers rename ${alias} <name>`
    : `${alias} calls itself ${own}; here it is ${alias}, as you named it`;
}

/** True for an alias that a node made because the name was taken: such a one ends like the PeerId. */
function isMadeOf(alias: string, peerId: string): boolean {
  const [, tail] = /-([a-z0-9]{4,})$/.exec(alias) ?? [];
  return tail !== undefined && lettersOf(peerId).endsWith(tail);
}

function lettersOf(text: string): string {
  return text.toLowerCase().replaceAll(/[^a-z0-9]/g, '');
}
