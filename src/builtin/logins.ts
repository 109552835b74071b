/** The tools by which the operator logs this node in to upstream servers, and out of them. */
import { z } from 'zod';
import type { BuiltinTool, Logins } from '../gateway/index.ts';
import type { McpLoginResult, McpLogoutResult } from './results.ts';
import { defineTool } from '../gateway/index.ts';

const WAIT_MAX_S = 300;

/** What the login tools need. */
export interface LoginComponents {
  readonly logins: Pick<Logins, 'start' | 'wait' | 'logout'>;
}

const server = z.string().min(1).max(64).describe('Name of the server, as in mcpServers.');

/** `mcp_login` and `mcp_logout`. */
export function loginTools(components: LoginComponents): readonly BuiltinTool[] {
  const { logins } = components;
  return [
    defineTool({
      name: 'mcp_login',
      title: 'Log in to a server',
      description:
        'Logs this node in to an upstream MCP server that asks for it (OAuth 2.1). The first call gives the `url` that a person opens in a browser on this machine; call again with its `id` to wait until the login is done.',
      input: z.object({
        server,
        id: z.string().max(64).optional().describe('Of the login to wait for.'),
        timeout_s: z
          .number()
          .min(0)
          .max(WAIT_MAX_S)
          .optional()
          .describe('How long to wait; default 0, or 60 with `id`.'),
      }),
      hints: { destructiveHint: false },
      clients: 'no',
      async run(input, { signal }): Promise<McpLoginResult> {
        const started = input.id === undefined ? await logins.start(input.server) : undefined;
        const id = started?.id ?? input.id ?? '';
        const waitS = input.timeout_s ?? (started === undefined ? 60 : 0);
        if (started !== undefined && waitS === 0) return started;
        return logins.wait(id, { timeoutMs: waitS * 1000, signal });
      },
    }),
    defineTool({
      name: 'mcp_logout',
      title: 'Log out of a server',
      description: 'Forgets the tokens of this node at an upstream MCP server.',
      input: z.object({ server }),
      hints: { destructiveHint: true, idempotentHint: true },
      clients: 'no',
      run: async (input): Promise<McpLogoutResult> => ({
        server: input.server,
        loggedOut: await logins.logout(input.server),
      }),
    }),
  ];
}
