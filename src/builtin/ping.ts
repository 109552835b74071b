/** The tool that pings a peer: is it there, how far away, and by which route. */
import { z } from 'zod';
import { defineTool } from '../gateway/index.ts';
import type { BuiltinTool } from '../gateway/index.ts';
import type { PeerId } from '../core/index.ts';
import type { Membership } from '../membership/index.ts';
import type { Network } from '../network/index.ts';
import type { PeerPingResult } from './results.ts';

/** What pinging needs. */
export interface PingComponents {
  readonly membership: Pick<Membership, 'nameOf' | 'resolve'>;
  readonly network: Pick<Network, 'dial' | 'isConnected' | 'ping' | 'route'>;
}

/** `peer_ping`. */
export function pingTool({ membership, network }: PingComponents): BuiltinTool {
  return defineTool({
    name: 'peer_ping',
    title: 'Ping a peer',
    description:
      'One round trip to a peer over the connection that calls take: its time, and whether the route is direct or through which relay. Connects to the peer where there is no connection.',
    input: z.object({
      peer: z.string().min(1).max(256).describe('Alias, PeerId or did:key of the peer.'),
    }),
    hints: { readOnlyHint: true },
    clients: 'no',
    async run({ peer }, { signal }): Promise<PeerPingResult> {
      const { alias, newName, peerId } = membership.resolve(peer);
      if (!network.isConnected(peerId)) await network.dial(peerId, { signal });
      const rttMs = await network.ping(peerId, { signal });
      const { kind = 'direct', address = '', why } = network.route(peerId) ?? {};
      const relay = relayIn(address);
      const via = relay === undefined ? {} : { relay: membership.nameOf(relay) ?? relay };
      const named = { peer: alias, ...(newName === undefined ? {} : { newName }) };
      const because = why === undefined ? {} : { why };
      return { ...named, peerId, rttMs, route: kind, address, ...via, ...because };
    },
  });
}

/** Who passes on what goes to a relayed address. */
function relayIn(address: string): PeerId | undefined {
  return /\/p2p\/([^/]+)\/p2p-circuit/.exec(address)?.[1] as PeerId | undefined;
}
