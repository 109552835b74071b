/** The schema of one MCP server in the configuration file: how it is reached, run, sandboxed and logged into. */
import { z } from 'zod';
import { clientTlsSchema } from './client-tls-schema.ts';
import { OAUTH_SCOPE, count, flag, text } from './forms.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** How the node gets an access token for a server; what is absent is discovered (MCP authorization). */
const serverOAuthSchema = z
  .strictObject({
    grant: z
      .enum(['authorization_code', 'client_credentials'], {
        error: 'authorization_code or client_credentials',
      })
      .default('authorization_code')
      .describe(
        'How the token is got: authorization_code asks in a browser, client_credentials nobody.',
      ),
    clientId: z
      .string()
      .min(1)
      .optional()
      .describe('Id of the client; without it the node registers itself.'),
    clientSecret: z
      .string()
      .min(1)
      .optional()
      .describe('Secret of the client, best as ${secret:NAME} or ${VARIABLE}.'),
    scopes: z
      .array(text(OAUTH_SCOPE, 'a scope without spaces'))
      .max(64)
      .default([])
      .describe('Scopes to ask for; none: what the server asks for.'),
    tokenUrl: z.string().optional().describe('Token endpoint, instead of the discovered one.'),
    callbackPort: z
      .int()
      .min(1)
      .max(65_535)
      .optional()
      .describe('Port of the loopback redirect; default any free one.'),
  })
  .describe('OAuth 2.1 for a server at a URL; {} discovers everything.');

/** Absolute, or below the home folder; variables are expanded before the check of what is left. */
const sandboxPaths = (what: string): z.ZodOptional<z.ZodArray<z.ZodString>> =>
  z.array(z.string().min(1)).max(256).optional().describe(what);

/** What one process of ours may see besides what every sandboxed one may. */
const sandboxSchema = z
  .union(
    [
      z.boolean(),
      z.strictObject({
        write: sandboxPaths(
          'Only these paths, those of `read` and the system are there; these can be written.',
        ),
        read: sandboxPaths(
          'Only these paths, those of `write` and the system are there; these can be read.',
        ),
        network: z.boolean().default(true).describe('False: the process reaches no network.'),
        required: z
          .boolean()
          .default(false)
          .describe('True: it is not started where the system has no sandbox.'),
        reach: sandboxPaths(
          'Sockets of container engines, service managers and terminals that stay reachable, by path.',
        ),
      }),
    ],
    { error: 'false, or an object with write, read, network, required and reach' },
  )
  .describe(
    "How the process is kept from the node's secrets. Default true: their folders and the node's processes are hidden. false: it runs with all rights of the node's user.",
  );

/** One entry of `mcpServers`, in any of the forms that MCP clients use. */
export const mcpServerSchema = z
  .strictObject({
    type: z
      .string()
      .optional()
      .describe('`stdio`, `http` or `sse`; guessed from `command` or `url`.'),
    transport: z.string().optional().describe('Another word for `type`.'),
    transportType: z.string().optional().describe('Another word for `type`.'),
    command: z
      .string()
      .min(1)
      .optional()
      .describe('Program to run; found on PATH, never by a shell.'),
    args: z.array(z.string()).optional().describe('Arguments of the program, as they are.'),
    env: z.record(z.string(), z.string()).optional().describe('Added to a small safe environment.'),
    envFile: z.string().optional().describe('File of KEY=VALUE lines, below `env` in precedence.'),
    cwd: z.string().optional().describe("Folder that the program runs in; default the node's own."),
    sandbox: sandboxSchema.optional(),
    url: z
      .string()
      .optional()
      .describe('Streamable HTTP endpoint; with type sse, that of HTTP+SSE.'),
    serverUrl: z.string().optional().describe('Another word for `url`.'),
    httpUrl: z.string().optional().describe('Another word for `url`.'),
    headers: z
      .record(z.string(), z.string())
      .optional()
      .describe('Headers of every request to the `url`.'),
    oauth: serverOAuthSchema.optional(),
    tls: clientTlsSchema.optional(),
    timeout: count
      .max(DAY_MS)
      .optional()
      .describe('Milliseconds a call may take without progress.'),
    shared: flag.default(false).describe('One upstream session for all callers.'),
    sessions: z
      .literal('each', { error: 'each, or nothing' })
      .optional()
      .describe(
        '`each`: a process (or upstream session) of its own for every session of a caller.',
      ),
    peerRoots: flag.default(false).describe("Tell the server the roots of peers' clients, too."),
    listed: flag
      .default(false)
      .describe(
        'All members of the mesh see what the server lists, also who is granted none of it; to use it takes a grant all the same.',
      ),
    idleTimeout: z
      .int()
      .min(0)
      .max(7 * DAY_MS)
      .default(HOUR_MS / 6)
      .describe('Milliseconds after which an unused session of the server ends; 0 never.'),
    restart: z
      .enum(['itself', 'asked'], { error: 'itself or asked' })
      .default('itself')
      .describe(
        'How it is started again when it has ended by itself. `itself`: at once, then with pauses. `asked`: when somebody asks for that (`starling mcp restart <server>`, the tool server_restart).',
      ),
    disabled: flag.optional().describe('True: the server is left alone.'),
    enabled: flag.optional().describe('False: another word for `disabled: true`.'),
  })
  .describe(
    '${VAR} and ${VAR:-default} are expanded in command, args, env, url, headers, oauth and tls; ${secret:NAME}, set by `starling secret set NAME`, in env, headers, oauth.clientSecret and tls.key.',
  );
