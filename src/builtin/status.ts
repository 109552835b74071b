/** The tools that show the node and its mesh as they are. */
import { z } from 'zod';
import type { BuiltinTool } from '../gateway/index.ts';
import type { Membership } from '../membership/index.ts';
import type { PeersResult, StatusResult } from './results.ts';
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
        'This Starling node: its identity, mesh, addresses, upstream MCP servers, sessions, boards and lasting troubles.',
      input: z.object({}),
      hints: { readOnlyHint: true },
      run: (): StatusResult => components.status(),
    }),
    defineTool({
      name: 'peers',
      title: 'Peers of the mesh',
      description:
        'Every peer of the mesh: alias, PeerId, state (alive, suspect, dead, left), last heartbeat, round-trip time, route and address.',
      input: z.object({}),
      hints: { readOnlyHint: true },
      run: (): PeersResult => ({ peers: components.membership.peers() }),
    }),
  ];
}
