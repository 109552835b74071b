/** Lines of `starling up` about names: one that is taken, here or at a peer, one that a person chose, and one that a peer has changed. */
import type { PeerView } from '../../../membership/types.ts';

/** Peers that one line names. */
const PEERS_NAMED = 5;

/** This node, as peers may call it otherwise. */
export interface OwnName {
  readonly peerId: string;
  readonly name: string;
}

/** What is to be said of a peer's names, that was not so `before`. What it calls this node: {@link calledLine}. */
export function nameLines(peer: PeerView, before: PeerView | undefined): readonly string[] {
  const { alias, newName, presence } = peer;
  const own = presence?.name;
  const isFirst = before?.presence === undefined && own !== undefined;
  return [
    ...(isFirst && own !== alias && newName === undefined ? [ownNameLine(peer, own)] : []),
    ...(newName !== undefined && newName !== before?.newName
      ? [
          `${alias} calls itself ${newName} now; here it stays ${alias}, until: starling peers rename ${alias} ${newName}`,
        ]
      : []),
  ];
}

/** Whether a peer calls this node by another name than `before`. */
export function isNewlyCalled({ callsUs }: PeerView, before: PeerView | undefined): boolean {
  return callsUs !== undefined && callsUs !== before?.callsUs;
}

/** That the peers of these aliases call this node `callsUs`, and why, as far as that shows; one line for all. */
export function calledLine(
  callsUs: string,
  aliases: readonly string[],
  { name, peerId }: OwnName,
): string {
  const more = aliases.length - PEERS_NAMED;
  const others = more > 0 ? [`${more} more`] : [];
  const shown = [...aliases.slice(0, PEERS_NAMED), ...others];
  const peers =
    shown.length === 1 ? shown.join('') : `${shown.slice(0, -1).join(', ')} and ${shown.at(-1)}`;
  const where = aliases.length === 1 ? `on ${peers}` : 'on each';
  const verb = aliases.length === 1 ? 'calls' : 'call';
  if (!isMadeOf(callsUs, peerId)) return `${peers} ${verb} you ${callsUs}`;
  // Without the end of the PeerId it is the name that was taken: this node's, or the one that it had before.
  const [stem] = /^.*(?=-[a-z0-9]+$)/.exec(callsUs) ?? [''];
  return lettersOf(stem) === lettersOf(name)
    ? `you are called ${callsUs} at ${peers}: another has the name of this node there; another name: ${where}, starling peers rename ${callsUs} <name>`
    : `you call yourself ${name} now; at ${peers} you stay ${callsUs}, until: ${where}, starling peers rename ${callsUs} ${name}`;
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
