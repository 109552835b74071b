/** The configuration file: its keys, their forms and defaults. The JSON Schema is generated from it. */
import { z } from 'zod';

const MIB = 1024 * 1024;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** What a node, a mesh and an alias may be called. */
export const NAME_PATTERN = /^[a-z0-9][a-z0-9-]{0,31}$/;
/** A multiaddr in text; what it may be made of is checked in `addresses.ts`. */
const MULTIADDR = /^\/(ip4|ip6|dns|dns4|dns6|dnsaddr)\/[^\s]{1,500}$/;
/** Like `info,gateway=debug`: what `createLogger` of core reads. */
const LOG_LEVEL =
  /^([\w:-]+=)?(trace|debug|info|warn|error|silent)(,([\w:-]+=)?(trace|debug|info|warn|error|silent))*$/;
/** What a browser sends as Origin: no path, and no slash at the end. */
const ORIGIN = /^([a-z][a-z0-9+.-]*:\/\/[^/\s]+|null)$/;

/** `*`, or parts between slashes; `**` only as the last one. */
const TOOL_PATTERN =
  /^(\*\*?|(?:(?!\*\*)[^/\s])+(\/(?:(?!\*\*)[^/\s])+)*\/(\*\*|(?:(?!\*\*)[^/\s])+))$/;

/** Where a node listens when nobody says where. */
export const LISTEN_DEFAULT: readonly string[] = [
  '/ip4/0.0.0.0/tcp/4040',
  '/ip4/0.0.0.0/tcp/4041/ws',
];

/** Text of a form. The same words are the error's, whatever is wrong; see `problems.ts`. */
const text = (pattern: RegExp, form: string): z.ZodString =>
  z.string({ error: form }).regex(pattern, form);

const name = text(NAME_PATTERN, '1 to 32 of a-z, 0-9 and -, not starting with -').refine(
  (value) => value !== 'starling',
  "'starling' is the name of the built-in server; choose another",
);
const multiaddr = text(MULTIADDR, 'a multiaddr like /ip4/192.0.2.7/tcp/4040');
const count = z.int().min(1);
const toolPatterns = z
  .array(text(TOOL_PATTERN, 'tools as <server>/<tool> or <peer>/<server>/<tool>, with * in a part'))
  .max(256);
const listTools = z
  .enum(['all', 'search'], { error: 'all or search' })
  .describe('search: three tools that find, describe and call all others.');
const listPrefix = z
  .enum(['always', 'auto', 'never'], { error: 'always, auto or never' })
  .describe(
    'When a tool is called <server>__<tool>. auto: our own only where two servers have that tool.',
  );
const flag = z.boolean();

/** One entry of `mcpServers`, in any of the forms that MCP clients use. */
export const mcpServerSchema = z
  .strictObject({
    type: z.string().optional().describe('stdio or http; guessed from `command` or `url`.'),
    transport: z.string().optional().describe('Another word for `type`.'),
    transportType: z.string().optional().describe('Another word for `type`.'),
    command: z
      .string()
      .min(1)
      .optional()
      .describe('Program to run; found on PATH, never by a shell.'),
    args: z.array(z.string()).optional(),
    env: z.record(z.string(), z.string()).optional().describe('Added to a small safe environment.'),
    envFile: z.string().optional().describe('File of KEY=VALUE lines, below `env` in precedence.'),
    cwd: z.string().optional(),
    url: z.string().optional().describe('Streamable HTTP endpoint.'),
    serverUrl: z.string().optional().describe('Another word for `url`.'),
    httpUrl: z.string().optional().describe('Another word for `url`.'),
    headers: z.record(z.string(), z.string()).optional(),
    timeout: count
      .max(DAY_MS)
      .optional()
      .describe('Milliseconds a call may take without progress.'),
    disabled: flag.optional(),
    enabled: flag.optional(),
    autoApprove: z.unknown().optional().describe("Other clients' key; ignored."),
    alwaysAllow: z.unknown().optional().describe("Other clients' key; ignored."),
    description: z.unknown().optional().describe("Other clients' key; ignored."),
  })
  .describe('${VAR} and ${VAR:-default} are expanded in command, args, env, url and headers.');

/** The whole file. */
export const fileSchema = z.strictObject({
  $schema: z.string().optional(),
  name: name.optional().describe("Our name in the mesh; default: the host's name."),
  stateDir: z.string().min(1).optional().describe('Folder of key, token and database.'),
  listen: z
    .array(multiaddr)
    .max(16)
    .default([...LISTEN_DEFAULT])
    .describe('Multiaddrs to listen on.'),
  announce: z
    .array(multiaddr)
    .max(16)
    .default([])
    .describe('Multiaddrs to tell others instead of those that we listen on.'),
  bootstrap: z
    .array(multiaddr)
    .max(64)
    .default([])
    .describe('Multiaddrs of peers to join through, best ending in /p2p/<PeerId>.'),
  join: z.string().max(16_384).optional().describe('Ticket to join with. It holds a secret.'),
  open: z
    .union([name, flag], { error: 'a name of 1 to 32 of a-z, 0-9 and -, or true or false' })
    .optional()
    .describe('Found or join the open mesh of this name (true: `open`). Anyone may join it.'),
  meshName: name
    .optional()
    .describe('Name of the private mesh that is founded when we are in none.'),
  mdns: flag.default(true).describe('Find peers on the LAN by multicast DNS.'),
  relay: flag
    .default(true)
    .describe('Relay for members that cannot reach each other, and be relayed.'),
  http: z
    .strictObject({
      enabled: flag.default(true).describe('Serve MCP over Streamable HTTP.'),
      host: z.string().min(1).default('127.0.0.1').describe('Address to listen on.'),
      port: z.int().min(0).max(65_535).default(4100).describe('Port; 0 picks a free one.'),
      allowedOrigins: z
        .array(text(ORIGIN, 'an origin like https://app.example, without path or / at its end'))
        .max(64)
        .default([])
        .describe('Origins of web pages let in.'),
      allowedHosts: z
        .array(z.string())
        .max(64)
        .default([])
        .describe('Host header values let in besides loopback names.'),
    })
    .prefault({}),
  mcpServers: z
    .record(z.string(), mcpServerSchema)
    .default({})
    .describe('MCP servers of this node, in the form that all MCP clients use.'),
  list: z
    .strictObject({
      tools: listTools.default('all'),
      prefix: listPrefix.default('always'),
      nameMax: z.int().min(24).max(128).default(48).describe('Longest name of a tool.'),
      merge: z
        .union([flag, toolPatterns], { error: 'true, false or a list like ["files/read_*"]' })
        .default(false)
        .describe(
          'Offer tools once that several peers have alike. true: those marked read-only or idempotent; a list: these.',
        ),
    })
    .prefault({})
    .describe('How tools are listed.'),
  views: z
    .record(
      name,
      z.strictObject({
        allow: toolPatterns.optional().describe('Only these tools; default all.'),
        deny: toolPatterns.optional().describe('Not these, whatever is allowed.'),
        tools: listTools.optional(),
        prefix: listPrefix.optional(),
      }),
    )
    .default({})
    .describe('Named views of the tools, each served at /mcp/view/<name>.'),
  pins: z
    .enum(['strict', 'off'], { error: 'strict or off' })
    .default('strict')
    .describe('Quarantine tools whose definition is not the one that was pinned.'),
  heartbeat: z
    .strictObject({
      intervalMs: z.int().min(100).max(60_000).default(5000).describe('Time between heartbeats.'),
      phiSuspect: z
        .number()
        .min(1)
        .max(20)
        .default(8)
        .describe('Phi above which a peer is suspect.'),
      deadAfterMs: count
        .max(DAY_MS)
        .optional()
        .describe('A suspect unheard for this long is dead; default 3 intervals.'),
    })
    .prefault({}),
  limits: z
    .strictObject({
      messageBytes: z
        .int()
        .min(1024)
        .max(64 * MIB)
        .default(10 * MIB)
        .describe('One MCP message.'),
      callTimeoutMs: count.max(DAY_MS).default(60_000).describe('A call without progress.'),
      callTotalMs: count.max(DAY_MS).default(HOUR_MS).describe('A call in all.'),
      callsPerSession: count.max(100_000).default(1000).describe('Calls in flight in one session.'),
      sessions: count.max(100_000).default(1000).describe('Sessions in all.'),
      sessionIdleMs: z
        .int()
        .min(1000)
        .max(7 * DAY_MS)
        .default(HOUR_MS / 2)
        .describe('An unused session ends.'),
      tools: count.max(100_000).default(10_000).describe('Tools that one peer or server may list.'),
      connections: count.max(10_000).default(300).describe('Connections to other peers.'),
    })
    .prefault({}),
  log: z
    .strictObject({
      level: text(
        LOG_LEVEL,
        'levels like info or warn,gateway=debug (trace debug info warn error silent)',
      )
        .default('warn')
        .describe('Like `info,gateway=debug`.'),
      file: z.string().min(1).optional().describe('Append there instead of to standard error.'),
    })
    .prefault({}),
});

/** The file's content after its schema: defaults filled in. */
export type FileConfig = z.output<typeof fileSchema>;
/** The file's content as somebody writes it. */
export type FileInput = z.input<typeof fileSchema>;
