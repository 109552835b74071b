/** The tool by which the parent of a spread agent has other nodes start, change and end their parts. */
import { z } from 'zod';
import { defineTool } from '../../gateway/index.ts';
import type { BuiltinTool } from '../../gateway/index.ts';
import { StarlingError } from '../../core/index.ts';
import { SPREAD_PROCESSES_MAX, SPREAD_TERMS_MAX } from '../limits.ts';
import { agentResource } from '../names.ts';
import type { PartView } from '../types.ts';
import type { Spreads } from './spreads.ts';

const PART = z.object({
  want: z.enum(['see', 'ensure', 'renew', 'end']),
  proof: z.string().max(8192).describe('What the node that has spread the agent has signed.'),
  terms: z.string().max(SPREAD_TERMS_MAX).describe('What its parts are to be, as that was signed.'),
  token: z.number().int().min(1).describe('Of the lease of the parent.'),
  least: z.number().int().min(0).max(SPREAD_PROCESSES_MAX),
  most: z.number().int().min(0).max(SPREAD_PROCESSES_MAX),
});

/** `agent_part`. */
export function spreadTools({ spreads }: { readonly spreads: Spreads }): readonly BuiltinTool[] {
  return [
    defineTool({
      name: 'agent_part',
      title: 'Look after a part of an agent',
      description:
        'Starts, changes or ends the part that this node has of an agent that is spread over several nodes. For the node that looks after the parts alone.',
      input: PART,
      hints: { destructiveHint: true, idempotentHint: true },
      clients: 'no',
      peers: 'granted',
      subject: ({ proof, most, want }) => {
        const kind = typeof proof === 'string' ? spreads.kindIn(proof) : undefined;
        const resource = kind === undefined ? 'agent:-' : agentResource({ name: kind });
        // The guard counts one more; how many whoever has spread it has in all is asked when the part begins.
        const facts = { replicas: typeof most === 'number' ? Math.max(0, most - 1) : 0 };
        const isLook = want === 'see' ? ({ look: true } as const) : {};
        return { ability: 'agent/spawn', resource, facts, ...isLook };
      },
      run: (input, { principal }): Promise<PartView> => {
        if (principal.kind === 'peer') return spreads.obey(principal.did, input);
        throw new StarlingError('STARLING_CALL_REFUSED', 'agent_part is for nodes', {
          hint: 'spread an agent by agent_spawn with `on`',
        });
      },
    }),
  ];
}
