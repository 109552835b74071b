/** The tools by which the operator names clients, and makes copies of the node's token worthless. */
import { z } from 'zod';
import type { AttachedClients, BuiltinTool, NodeToken } from '../gateway/index.ts';
import type { ClientConnectResult, ClientDisconnectResult, TokenRotateResult } from './results.ts';
import { defineTool } from '../gateway/index.ts';

/** What the client tools need. */
export interface ClientComponents {
  readonly clients: Pick<AttachedClients, 'connect' | 'disconnect'>;
  readonly token: Pick<NodeToken, 'rotate'>;
}

const name = z.string().min(1).max(32).describe('What the person calls the client: a-z, 0-9, -.');
const program = z.string().min(1).max(64).describe('Which program it is, like cursor.');

/** `client_connect`, `client_disconnect` and `token_rotate`: for the operator only. */
export function clientTools({ clients, token }: ClientComponents): readonly BuiltinTool[] {
  return [
    defineTool({
      name: 'client_connect',
      title: 'Name a client',
      description:
        'Gives an MCP client its name, which the policy knows as client:<name>; with `by_key` also an API key, which is shown this once. An earlier key of the same program ends.',
      input: z.object({
        name,
        program,
        by_key: z.boolean().optional().describe('It comes over HTTP.'),
        scopes: z
          .array(z.string().min(1).max(512))
          .min(1)
          .max(64)
          .optional()
          .describe('What its key covers; default what every attached client has.'),
      }),
      hints: { destructiveHint: false },
      clients: 'no',
      async run(input): Promise<ClientConnectResult> {
        const { key } = await clients.connect({
          name: input.name,
          program: input.program,
          byKey: input.by_key === true,
          ...(input.scopes === undefined ? {} : { scopes: input.scopes }),
        });
        return { name: input.name, ...(key === undefined ? {} : { key: key.reveal() }) };
      },
    }),
    defineTool({
      name: 'client_disconnect',
      title: 'Take the name of a client back',
      description: 'Frees the name of an MCP client, and ends the API key that came with it.',
      input: z.object({ name, program }),
      hints: { destructiveHint: true, idempotentHint: true },
      clients: 'no',
      run: async (input): Promise<ClientDisconnectResult> => ({
        freed: await clients.disconnect(input),
      }),
    }),
    defineTool({
      name: 'token_rotate',
      title: "Replace the node's token",
      description:
        'Makes another token of the node: copies of the one before are worthless, and sessions that came in by it end.',
      input: z.object({}),
      hints: { destructiveHint: true },
      clients: 'no',
      async run(): Promise<TokenRotateResult> {
        await token.rotate();
        return { rotated: true };
      },
    }),
  ];
}
