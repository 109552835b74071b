/** Tells the operator of members that speak another version of the protocols, for as long as they do. */
import type { Health, PeerId } from '../core/index.ts';
import { shortId } from '../identity/index.ts';
import { OWN_VERSION, versionHint, versionText } from '../network/index.ts';
import type { Network, SpokenVersion } from '../network/index.ts';
import type { Membership } from './types.ts';

/** What a person reads of a peer that speaks `theirs`: both versions, and what to do. */
export function versionWords(name: string, theirs: SpokenVersion): { text: string; hint: string } {
  return {
    text: `${name} runs ${versionText(theirs)}, this node ${versionText(OWN_VERSION)}: neither lets the other in`,
    hint: versionHint(name, theirs),
  };
}

/** Raises and clears the troubles, for the life of the node. */
export function tellVersions(components: {
  readonly network: Pick<Network, 'events'>;
  readonly membership: Pick<Membership, 'events' | 'peer'>;
  readonly health: Pick<Health, 'raise' | 'clear'>;
}): void {
  const { network, membership, health } = components;
  const codeOf = (peer: PeerId): string => `peer-version:${peer}`;
  network.events.on('peer:version', (peer, theirs) => {
    if (theirs === undefined) return health.clear(codeOf(peer));
    const name = membership.peer(peer)?.alias ?? shortId(peer);
    health.raise({ code: codeOf(peer), ...versionWords(`peer ${name}`, theirs) });
  });
  membership.events.on('change', ({ peerId, ended }) => {
    if (ended !== undefined) health.clear(codeOf(peerId));
  });
}
