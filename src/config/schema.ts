/** The configuration file: its keys, their forms and defaults. The JSON Schema is generated from it. */
import { isIP } from 'node:net';
import { z } from 'zod';
import { BUILTIN_SERVER } from '../core/index.ts';

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
/** A number of at most six digits and a unit, without blanks. */
const DURATION = /^[1-9]\d{0,5}[smhd]$/;
/** What a browser sends as Origin: no path, and no slash at the end. */
const ORIGIN = /^([a-z][a-z0-9+.-]*:\/\/[^/\s]+|null)$/;
/** Keys and metadata must not come by plain HTTP, except on this machine. */
const AUTHORITY =
  /^(https:\/\/[^\s/?#@]+|http:\/\/(localhost|127\.0\.0\.1|\[::1\])(:\d+)?)(\/[^\s?#]*)?$/;
const AUDIENCE = /^https?:\/\/[^\s/?#@]+(\/[^\s?#]*)?$/;
/** A resource pattern at first sight; the guard, which knows resources, checks the rest. */
const SCOPE = /^(\*|[a-z]+:[^\s]{1,500})$/;
const IP_BLOCK_FORM = 'an IP address like 192.0.2.7, or a block like 192.0.2.0/24 or 2001:db8::/32';

/** RFC 6749 §3.3: one scope-token. */
const OAUTH_SCOPE = /^[\x21\x23-\x5B\x5D-\x7E]{1,256}$/;

/** `*`, or parts between slashes; `**` only as the last one. */
const TOOL_PATTERN =
  /^(\*\*?|(?:(?!\*\*)[^/\s])+(\/(?:(?!\*\*)[^/\s])+)*\/(\*\*|(?:(?!\*\*)[^/\s])+))$/;

/** Where a node listens by default. */
export const LISTEN_DEFAULT: readonly string[] = [
  '/ip4/0.0.0.0/tcp/4040',
  '/ip4/0.0.0.0/tcp/4041/ws',
  '/ip6/::/tcp/4040',
  '/ip6/::/tcp/4041/ws',
];

/** Text of a form; `form` in words is the error message, whatever is wrong (see `problems.ts`). */
const text = (pattern: RegExp, form: string): z.ZodString =>
  z.string({ error: form }).regex(pattern, form);

const name = text(NAME_PATTERN, '1 to 32 of a-z, 0-9 and -, not starting with -').refine(
  (value) => value !== BUILTIN_SERVER,
  `'${BUILTIN_SERVER}' is the name of the built-in server; choose another`,
);
const multiaddr = text(MULTIADDR, 'a multiaddr like /ip4/192.0.2.7/tcp/4040');
const count = z.int().min(1);
const file = z.string({ error: 'the path of a PEM file' }).min(1, 'the path of a PEM file');
const authority = text(AUTHORITY, 'a URL that begins with https:// (http:// on loopback only)');
const ipBlock = z
  .string({ error: IP_BLOCK_FORM })
  .refine((value) => isIpBlock(value), `not an address; allowed: ${IP_BLOCK_FORM}`);
const toolPatterns = z
  .array(text(TOOL_PATTERN, 'tools as <server>/<tool> or <peer>/<server>/<tool>, with * in a part'))
  .max(256);
const listTools = z
  .enum(['all', 'search'], { error: 'all or search' })
  .describe(
    'What a client is listed. `search`: three tools that find, describe and call all others.',
  );
const listPrefix = z
  .enum(['always', 'auto', 'never'], { error: 'always, auto or never' })
  .describe(
    'When a tool is called <server>__<tool>. `auto`: our own only where two servers have that tool.',
  );
const flag = z.boolean();

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
        reach: sandboxPaths(
          'Sockets of container engines, service managers and terminals that stay reachable, by path.',
        ),
      }),
    ],
    { error: 'false, or an object with write, read, network and reach' },
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
    idleTimeout: z
      .int()
      .min(0)
      .max(7 * DAY_MS)
      .default(HOUR_MS / 6)
      .describe('Milliseconds after which an unused session of the server ends; 0 never.'),
    disabled: flag.optional().describe('True: the server is left alone.'),
    enabled: flag.optional().describe('False: another word for `disabled: true`.'),
  })
  .describe(
    '${VAR} and ${VAR:-default} are expanded in command, args, env, url, headers and oauth; ${secret:NAME}, set by `starling secret set NAME`, in env, headers and oauth.clientSecret.',
  );

const tlsSchema = z.strictObject({
  cert: file.describe('PEM file with the certificate of the HTTP endpoint, and its chain.'),
  key: file.describe('PEM file with the private key.'),
  ca: file.optional().describe('PEM file with the authorities of client certificates.'),
  clientAuth: z
    .literal('require', { error: 'require, or nothing' })
    .optional()
    .describe('`require`: only clients with a certificate of `ca` get in.'),
});

const oauthSchema = z.strictObject({
  issuer: authority.describe('Issuer identifier of the authorization server (RFC 8414).'),
  audience: text(AUDIENCE, 'the URL of the MCP endpoint, like https://mcp.example/mcp').describe(
    'URL of our MCP endpoint as clients know it: tokens must be issued for it.',
  ),
  jwksUri: authority.optional().describe('Where its keys are; default: as its metadata says.'),
  scopes: z
    .record(z.string(), z.array(text(SCOPE, 'a pattern like tool:files/*, or *')).max(64))
    .default({})
    .describe('What its scopes mean here: resource patterns like `tool:files/*`, or `*`.'),
});

/** The whole file. */
export const fileSchema = z.strictObject({
  $schema: z.string().optional().describe('Where editors find the schema of this file.'),
  name: name.optional().describe("Our name in the mesh; default: the host's name."),
  stateDir: z.string().min(1).optional().describe('Folder of key, token and database.'),
  listen: z
    .array(multiaddr)
    .max(16)
    .default([...LISTEN_DEFAULT])
    .describe(
      'Multiaddrs to listen on. Where all addresses of a family are meant and the machine has none of that family, that one is passed over.',
    ),
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
      port: z
        .int()
        .min(0)
        .max(65_535)
        .default(4100)
        .describe('Port to listen on; 0 picks a free one.'),
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
      allowedAddresses: z
        .array(ipBlock)
        .max(1024)
        .default([])
        .describe(
          'IP addresses and CIDR blocks that callers may come from, over HTTP and TCP; default all.',
        ),
      tls: tlsSchema.optional().describe('Serve HTTPS only; without it plain HTTP.'),
      oauth: oauthSchema
        .optional()
        .describe('Take access tokens of an OAuth 2.1 authorization server, besides our own keys.'),
    })
    .prefault({})
    .describe('The HTTP endpoint: Streamable HTTP, HTTP+SSE and WebSocket.'),
  tcp: z
    .strictObject({
      enabled: flag.default(false).describe('Serve MCP as lines of JSON over TCP.'),
      host: z.string().min(1).default('127.0.0.1').describe('Address to listen on.'),
      port: z.int().min(0).max(65_535).default(9500).describe('Port; 0 picks a free one.'),
      requireToken: flag
        .default(true)
        .describe('Ask for a token. Without it, on loopback only, whoever connects may do all.'),
    })
    .prefault({})
    .describe('The TCP endpoint.'),
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
        tools: listTools.optional().describe('As `list.tools`, for this view.'),
        prefix: listPrefix.optional().describe('As `list.prefix`, for this view.'),
      }),
    )
    .default({})
    .describe('Named views of the tools, each served at /mcp/view/<name>.'),
  pins: z
    .enum(['strict', 'off'], { error: 'strict or off' })
    .default('strict')
    .describe('Quarantine tools whose definition is not the one that was pinned.'),
  audit: z
    .strictObject({
      enabled: flag
        .default(true)
        .describe('Record every decision and every call in <state folder>/audit.'),
      retention: text(DURATION, 'a number and a unit, like 12h or 90d')
        .default('90d')
        .describe('How long entries are kept: a number and s, m, h or d.'),
      segmentBytes: z
        .int()
        .min(MIB / 16)
        .max(64 * MIB)
        .default(16 * MIB)
        .describe('A file of the log that reaches this is ended, and the next begun.'),
      sync: z
        .enum(['always', 'batch'], { error: 'always or batch' })
        .default('batch')
        .describe(
          'What a decision outlives before it is acted on. batch: the end of the process; a power cut may cost the last second. always: a power cut, too; each call waits for the disk.',
        ),
    })
    .prefault({})
    .describe('The audit log.'),
  policy: z
    .string()
    .min(1)
    .optional()
    .describe('Policy file (YAML); default: policy.yaml beside this file, if there is one.'),
  heartbeat: z
    .strictObject({
      intervalMs: z.int().min(100).max(60_000).default(5000).describe('Time between heartbeats.'),
      phiSuspect: z
        .number()
        .min(1)
        .max(20)
        .default(8)
        .describe('Phi above which a peer is suspect: higher is slower, with fewer false alarms.'),
      deadAfterMs: count
        .max(DAY_MS)
        .optional()
        .describe('A suspect unheard for this long is dead; default 3 intervals.'),
    })
    .prefault({})
    .describe('How it is noticed that a peer is gone.'),
  keepAlive: z
    .strictObject({
      intervalMs: z
        .int()
        .min(1000)
        .max(HOUR_MS)
        .default(30_000)
        .describe(
          'A client that is silent for this long is pinged (WebSocket, TCP); event streams get a comment twice as often. Less: proxies cut fewer streams, the dead are found sooner; more: less traffic.',
        ),
    })
    .prefault({})
    .describe('Signs of life on connections that nobody uses.'),
  retry: z
    .strictObject({
      attempts: z
        .int()
        .min(0)
        .max(1_000_000)
        .default(0)
        .describe(
          'How often in a row a server that fails is started again by itself; 0: as long as the node runs.',
        ),
      delayMs: z
        .int()
        .min(50)
        .max(HOUR_MS)
        .default(1000)
        .describe('Longest pause before the first new start; doubled before each further one.'),
      delayMaxMs: z
        .int()
        .min(50)
        .max(DAY_MS)
        .default(60_000)
        .describe('Longest pause of all, after many failures.'),
    })
    .prefault({})
    .describe('How servers of `mcpServers` that fail are started again.'),
  limits: z
    .strictObject({
      messageBytes: z
        .int()
        .min(1024)
        .max(64 * MIB)
        .default(10 * MIB)
        .describe('Largest MCP message, in bytes.'),
      callTimeoutMs: count
        .max(DAY_MS)
        .default(60_000)
        .describe('How long a call may go on without progress.'),
      callTotalMs: count.max(DAY_MS).default(HOUR_MS).describe('How long a call may take in all.'),
      callsPerSession: count.max(100_000).default(1000).describe('Calls in flight in one session.'),
      sessions: count
        .max(100_000)
        .default(1000)
        .describe('Sessions at a time, for each of socket, HTTP, TCP and peers.'),
      sessionIdleMs: z
        .int()
        .min(1000)
        .max(7 * DAY_MS)
        .default(HOUR_MS / 2)
        .describe('After this time an unused session ends.'),
      instances: count
        .max(10_000)
        .default(100)
        .describe('Instances of one server that run at a time.'),
      tools: count.max(100_000).default(10_000).describe('Tools that one peer or server may list.'),
      requestsPerSecond: count
        .max(1_000_000)
        .default(100)
        .describe(
          'Requests a second of one session or caller, but for the own socket; twice in a burst.',
        ),
      connections: count.max(10_000).default(300).describe('Connections to other peers.'),
    })
    .prefault({})
    .describe('Bounds of what the node takes, keeps and waits for.'),
  log: z
    .strictObject({
      level: text(
        LOG_LEVEL,
        'levels like info or warn,gateway=debug (trace debug info warn error silent)',
      )
        .default('warn')
        .describe('Levels of the whole log or of one part of it, like `info,gateway=debug`.'),
      file: z
        .string()
        .min(1)
        .optional()
        .describe('File that the log is appended to; default standard error.'),
    })
    .prefault({})
    .describe('The log of the node.'),
});

/** The file's content after its schema: defaults filled in. */
export type FileConfig = z.output<typeof fileSchema>;
/** The file's content as somebody writes it. */
export type FileInput = z.input<typeof fileSchema>;

function isIpBlock(value: string): boolean {
  const [address = '', bits, ...rest] = value.split('/');
  const version = isIP(address);
  if (version === 0 || address.includes('%') || rest.length > 0) return false;
  if (bits === undefined) return true;
  return /^\d{1,3}$/.test(bits) && Number(bits) <= (version === 4 ? 32 : 128);
}
