/** Which peer a person means by a word, and what a peer is called where it has taken another name. Pure. */
import { StarlingError } from '../../core/index.ts';
import { isShortIdOf, shortId } from '../../identity/index.ts';
import { fitAlias } from '../aliases.ts';
import type { PeerView } from '../types.ts';

/** How long both names of a peer are shown once it calls itself otherwise: a week. */
export const RENAME_SHOWN_MS = 7 * 86_400_000;
/** Longest part of a reference that a message repeats. */
const REFERENCE_MAX = 128;
/** Peers that a message names. */
const NAMED_MAX = 12;

/** A peer as it is looked for. */
export interface NamedPeer {
  readonly view: PeerView;
  /** What it calls itself, as far as that is known. */
  readonly name: string | undefined;
  /** True when the operator has chosen its alias. */
  readonly isChosen: boolean;
}

/**
 * The peers that go by `reference`: one whose alias it is, those that call themselves so, and those whose
 * short id it is. An alias that the operator has chosen means that peer alone.
 */
export function claimantsOf(reference: string, peers: Iterable<NamedPeer>): readonly PeerView[] {
  const found: NamedPeer[] = [];
  for (const peer of peers) {
    const { alias, peerId } = peer.view;
    const isNamed = peer.name !== undefined && fitAlias(peer.name) === reference;
    if (alias === reference || isNamed || isShortIdOf(reference, peerId)) found.push(peer);
  }
  const chosen = found.find(({ view, isChosen }) => isChosen && view.alias === reference);
  return chosen === undefined ? found.map(({ view }) => view) : [chosen.view];
}

/** The error of a name by which several peers go. */
export function ambiguous(reference: string, peers: readonly PeerView[]): StarlingError {
  const shown = peers.slice(0, NAMED_MAX).map((view) => `${view.alias} (${shortId(view.peerId)})`);
  const more = peers.length > NAMED_MAX ? ` and ${peers.length - NAMED_MAX} more` : '';
  const [first] = peers;
  return new StarlingError(
    'STARLING_PEER_AMBIGUOUS',
    `${peers.length} peers go by the name '${reference}': ${shown.join(', ')}${more}`,
    {
      hint: `say which by its id, like '${first === undefined ? '' : shortId(first.peerId)}'; or settle it: starling peers rename <id> <name>`,
      data: {
        reference,
        candidates: peers
          .slice(0, NAMED_MAX)
          .map(({ alias, peerId, state }) => ({ alias, peerId, state })),
      },
    },
  );
}

/** The error of a name by which nobody goes. */
export function unknownPeer(
  reference: string,
  aliases: readonly string[],
  self?: string,
): StarlingError {
  const known = aliases.join(', ');
  if (reference === self) {
    const peers = known === '' ? '' : `; peers are ${known}`;
    return new StarlingError('STARLING_PEER_UNKNOWN', `${self} is this node itself, and no peer`, {
      hint: `its own name is changed by: starling up --name <name>${peers}`,
    });
  }
  return new StarlingError(
    'STARLING_PEER_UNKNOWN',
    `no peer is called '${reference.slice(0, REFERENCE_MAX)}'`,
    {
      hint:
        known === '' ? 'no other peer has been seen yet: starling status' : `known are ${known}`,
    },
  );
}
