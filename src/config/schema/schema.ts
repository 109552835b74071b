/** The configuration file: its keys, their forms and defaults. The JSON Schema is generated from it. */
import { z } from 'zod';
import {
  AUDIENCE,
  DURATION,
  LOG_LEVEL,
  ORIGIN,
  SCOPE,
  authority,
  count,
  file,
  flag,
  ipBlock,
  listPrefix,
  listTools,
  multiaddr,
  name,
  text,
  price,
  toolPattern,
  toolPatterns,
} from './forms.ts';
import { agentsSchema } from './agents-schema.ts';
import { modelsSchema } from './models-schema.ts';
import { mcpServerSchema } from './server-schema.ts';
import { telemetrySchema } from './telemetry-schema.ts';

const MIB = 1024 * 1024;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** Where a node listens by default. */
export const LISTEN_DEFAULT: readonly string[] = [
  '/ip4/0.0.0.0/tcp/4040',
  '/ip4/0.0.0.0/tcp/4041/ws',
  '/ip6/::/tcp/4040',
  '/ip6/::/tcp/4041/ws',
];

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
  offers: z
    .array(z.string().regex(/^[a-z0-9][a-z0-9._:/-]{0,63}$/))
    .max(16)
    .default([])
    .describe(
      'Kinds of capability that all members are told this node offers, like search: by them others find it. What they may use of it is for grants alone to say.',
    ),
  bootstrap: z
    .array(multiaddr)
    .max(64)
    .default([])
    .describe('Multiaddrs of peers to join through, best ending in /p2p/<PeerId>.'),
  join: z.string().max(16_384).optional().describe('Ticket to join with. It holds a secret.'),
  knock: z
    .string()
    .min(1)
    .max(256)
    .optional()
    .describe(
      'Mesh of this network whose operator is asked to let us in: its name, its four words, or where a member is: a multiaddr, or 192.0.2.7:4040.',
    ),
  open: z
    .union([name, flag], { error: 'a name of 1 to 32 of a-z, 0-9 and -, or true or false' })
    .optional()
    .describe('Found or join the open mesh of this name (true: `open`). Anyone may join it.'),
  meshName: name
    .optional()
    .describe('Name of the private mesh that is founded when we are in none.'),
  mdns: flag.default(true).describe('Find peers on the LAN by multicast DNS.'),
  upnp: flag
    .default(false)
    .describe('Have the router of this network open the ports on which we listen (UPnP).'),
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
        .describe('Ask for a token. Without it, on loopback only, whoever connects is client:tcp.'),
    })
    .prefault({})
    .describe('The TCP endpoint.'),
  mcpServers: z
    .record(z.string(), mcpServerSchema)
    .default({})
    .describe('MCP servers of this node, in the form that all MCP clients use.'),
  agents: agentsSchema,
  models: modelsSchema,
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
  prices: z
    .record(
      toolPattern,
      z.strictObject({ call: price.describe('What one call costs: an amount like 0.002usd.') }),
    )
    .default({})
    .describe(
      'What calls of tools cost, of budgets in that unit: `{"search/*": {"call": "0.002usd"}}`.',
    ),
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
  telemetry: telemetrySchema,
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
