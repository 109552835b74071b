/** The tools that show the node and its mesh as they are. */
import { z } from 'zod';
import type { BuiltinTool } from '../gateway/index.ts';
import type { Membership } from '../membership/index.ts';
import type { PeersResult, ShortStatus, StatusResult } from './results.ts';
import { defineTool } from '../gateway/index.ts';

/** What the status tools need. */
export interface StatusComponents {
  readonly membership: Pick<Membership, 'peers'>;
  status(): StatusResult;
}

/** `status` and `peers`. */
export function statusTools(components: StatusComponents): readonly BuiltinTool[] {
  return [
    defineTool({
      name: 'status',
      title: 'Node status',
      description:
        'This Starling node: its name, mesh, peers, MCP servers and boards; to its operator also addresses, sessions and lasting troubles.',
      input: z.object({}),
      hints: { readOnlyHint: true },
      clients: 'yes',
      run: (_, { principal }): StatusResult | ShortStatus => {
        const status = components.status();
        return principal.kind === 'operator' ? status : shortOf(status);
      },
    }),
    defineTool({
      name: 'peers',
      title: 'Peers of the mesh',
      description:
        'Every peer of the mesh: alias, PeerId, state (alive, suspect, dead, left), last heartbeat, round-trip time, route and address.',
      input: z.object({}),
      hints: { readOnlyHint: true },
      clients: 'yes',
      run: (): PeersResult => ({ peers: components.membership.peers() }),
    }),
  ];
}

/** What a client needs to know: nothing of where things lie on this machine, and no process of it. */
function shortOf(status: StatusResult): ShortStatus {
  const { name, version, peerId, did, mesh, peers, upstreams, boards } = status;
  return {
    name,
    version,
    peerId,
    did,
    mesh: { name: mesh.name, open: mesh.open },
    peers,
    servers: upstreams.map(({ server, state, tools, resources, prompts }) => ({
      server,
      state,
      tools,
      resources,
      prompts,
    })),
    boards,
  };
}
