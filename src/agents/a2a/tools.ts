/** The tools by which the operator adds an A2A agent that is elsewhere. */
import { z } from 'zod';
import { defineTool } from '../../gateway/index.ts';
import type { BuiltinTool } from '../../gateway/index.ts';
import type { RemoteAgents } from './remote-agents.ts';

const url = z
  .string()
  .min(1)
  .max(2048)
  .describe('Of its card, or of the place below which that is.');
const secret = z
  .string()
  .min(1)
  .max(128)
  .optional()
  .describe('The secret of this node that is sent to its host as a bearer token.');

/** `agent_card`, `agent_add`. */
export function remoteAgentTools({
  remote,
}: {
  readonly remote: RemoteAgents;
}): readonly BuiltinTool[] {
  return [
    defineTool({
      name: 'agent_card',
      title: 'Look at an A2A agent',
      description:
        'Reads the card of an A2A agent elsewhere: who signed it, at which host it is, and what it can do. Adds nothing.',
      input: z.object({ url, secret }),
      hints: { readOnlyHint: true },
      clients: 'no',
      run: (input) => remote.look(input.url, input.secret),
    }),
    defineTool({
      name: 'agent_add',
      title: 'Add an A2A agent',
      description:
        'Makes an A2A agent elsewhere an agent of this node, after a look at its card. Its host gets the messages to it, and the secret that is named.',
      input: z.object({
        url,
        digest: z.string().min(1).max(64).describe('Of the card, from agent_card.'),
        name: z.string().min(1).max(64).describe('What it is called here.'),
        secret,
        listed: z.boolean().optional().describe('Every member may see it without a grant.'),
      }),
      hints: { destructiveHint: false, idempotentHint: true },
      clients: 'no',
      run: (input) => remote.add(input),
    }),
  ];
}
