/** Opens the channels of sessions to servers: those of this node, and those of the peers that own them. */
import { StarlingError, printable } from '../../core/index.ts';
import type { Clock, Logger } from '../../core/index.ts';
import type { Config } from '../../config/index.ts';
import type { GrantBook } from '../../grants/index.ts';
import { chainOf } from '../../guard/index.ts';
import type { Membership, PeerView } from '../../membership/index.ts';
import type { Network } from '../../network/index.ts';
import type { Certifier } from '../clearance/on-behalf-of.ts';
import type { ServerChannel, ServerChannelInit, ServerTarget } from '../channel-types.ts';
import type { Upstreams } from '../types.ts';
import type { PeerAllowances } from '../wire/peers/peer-allowances.ts';
import { openPeerChannel } from './peer.ts';
import type { PeerChannelComponents, PeerChannelInit, PeerChannelNeeds } from './peer.ts';

/** What leads to servers of this node and, by streams, to peers. */
export interface ChannelOpenerComponents {
  readonly upstreams: Pick<Upstreams, 'get'>;
  readonly network: Pick<Network, 'open' | 'report'>;
  readonly allowances: PeerAllowances;
  readonly membership: Pick<Membership, 'inStep'>;
  readonly grants: GrantBook;
  readonly certifier: Certifier;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** The one place that knows whether a server is this node's or a peer's. */
export interface ChannelOpener {
  /** For a session. @throws STARLING_UPSTREAM_UNAVAILABLE when this node has no such server */
  open(target: ServerTarget, needs: ServerChannelInit): ServerChannel | Promise<ServerChannel>;
  /** For the node itself: hears when the peer's catalog changes. */
  toPeer(peer: PeerView, notification: PeerChannelNeeds['notification']): Promise<ServerChannel>;
  /** Shows the peers of open channels what this node was granted since. */
  present(): void;
}

/** Makes the opener of the node `self`. */
export function createChannelOpener(
  components: ChannelOpenerComponents,
  init: { readonly self: string; readonly limits: Config['limits'] },
): ChannelOpener {
  const { upstreams, network, allowances, membership, grants, certifier, clock } = components;
  const presenters = new Set<() => void>();
  const parts: PeerChannelComponents = {
    network,
    allowances,
    membership,
    grants,
    presenters,
    clock,
    logger: components.logger.child('channel'),
  };
  const { messageBytes, callTimeoutMs, callTotalMs, callsPerSession } = init.limits;
  const bounds: PeerChannelInit = {
    messageBytes,
    callTimeoutMs,
    callTotalMs,
    callsMax: callsPerSession,
  };
  return {
    open({ server, peer }, needs) {
      if (peer !== undefined) {
        const { client, listener } = needs;
        const certificate = certifier.certify(needs.principal);
        const asksAll = chainOf(needs.principal).length > 1;
        return openPeerChannel(parts, bounds, peer, {
          ...listener,
          server,
          client,
          certificate,
          asksAll,
        });
      }
      const upstream = upstreams.get(server);
      if (upstream !== undefined) return upstream.open(needs);
      throw new StarlingError(
        'STARLING_UPSTREAM_UNAVAILABLE',
        `${init.self} has no server '${printable(server)}'`,
        { hint: 'see what there is: starling status', data: { server: server.slice(0, 64) } },
      );
    },
    toPeer: (peer, notification) => openPeerChannel(parts, bounds, peer, { notification }),
    present() {
      for (const present of presenters) present();
    },
  };
}
