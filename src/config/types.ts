/** The node's configuration after file, environment and flags are merged: frozen, complete. */
import type { JsonObject, Secret } from '../core/index.ts';

/** Who is kept, as the standard names it (OpenTelemetry, `OTEL_TRACES_SAMPLER`). */
export const SAMPLERS = [
  'always_on',
  'always_off',
  'traceidratio',
  'parentbased_always_on',
  'parentbased_always_off',
  'parentbased_traceidratio',
] as const;

/** A collector of OpenTelemetry. */
export interface Collector {
  /** Its address for traces. */
  readonly url: string;
  readonly headers: Readonly<Record<string, Secret>>;
}

/** What every upstream MCP server has. */
interface ServerBase {
  /** How long a call may take without progress. */
  readonly timeoutMs: number;
  /** One upstream session for all callers, instead of one for each. Default false. */
  readonly shared: boolean;
  /** `each`: a process, or a session at the URL, for each session. Default: clients that can't be asked share. */
  readonly sessions?: 'each';
  /** Is the server told the roots of peers' clients? Default false: of our own ones only. */
  readonly peerRoots: boolean;
  /** All members of the mesh see what it lists, without a grant; to use it takes one all the same. Default false. */
  readonly listed?: true;
  /** An upstream session unused for this long is ended; 0 never. Default 600000. */
  readonly idleMs: number;
  /** `asked`: when it has ended by itself, it is started again when somebody asks for that. Default by itself. */
  readonly restart?: 'asked';
  /** What of the entry was not taken as it is written: a sentence each, without any value. */
  readonly remarks?: readonly string[];
}

/** What a sandboxed process may see. Paths are absolute. */
export interface SandboxRules {
  /** With `write` or `read` only these paths and the system's are there. */
  readonly write?: readonly string[];
  readonly read?: readonly string[];
  /** Default true. */
  readonly network: boolean;
  /** It is not started where the system has no sandbox. Default: it is, and the node's health says so. */
  readonly required?: true;
  /** Sockets that are hidden from others and not from this process. */
  readonly reach: readonly string[];
}

/** An upstream MCP server that runs as a child process. */
export interface StdioServer extends ServerBase {
  readonly type: 'stdio';
  readonly command: string;
  readonly args: readonly string[];
  /** Values may be secret: never print them. */
  readonly env: Readonly<Record<string, Secret>>;
  readonly cwd?: string;
  /** False: the process runs with all rights of the node's user. Absent: the node's secrets are hidden from it. */
  readonly sandbox?: SandboxRules | false;
}

/** How we get an access token for a server (OAuth 2.1). What is absent is discovered. */
export interface ServerOAuth {
  /** Default `authorization_code`: with PKCE, a browser and a loopback redirect. */
  readonly grant: 'authorization_code' | 'client_credentials';
  /** Always there with `client_credentials`. */
  readonly clientId?: string;
  /** Always there with `client_credentials`. */
  readonly clientSecret?: Secret;
  /** None: what the server asks for. */
  readonly scopes: readonly string[];
  /** Token endpoint, instead of the one that is discovered: https, or http on loopback. */
  readonly tokenUrl?: string;
  /** Port of the loopback redirect, for clients registered with one; default any free one. */
  readonly callbackPort?: number;
}

/** How this node shows itself at an https:// URL, and by whom the certificate of the other end is to be signed. */
export interface ClientTls {
  /** Our certificate with its chain: the absolute path of a PEM file. Never without a key. */
  readonly cert?: string;
  /** Where its private key is: the absolute path of a PEM file. */
  readonly keyFile?: string;
  /** The private key itself, as PEM, in place of {@link keyFile}. */
  readonly key?: Secret;
  /** Authorities in place of the system's: the absolute path of a PEM file. */
  readonly ca?: string;
}

/** What both kinds of server at a URL have. */
interface RemoteServer extends ServerBase {
  readonly url: string;
  readonly headers: Readonly<Record<string, Secret>>;
  readonly oauth?: ServerOAuth;
  /** Absent: no certificate is shown, and the system's authorities count. */
  readonly tls?: ClientTls;
}

/** An upstream MCP server at a URL (Streamable HTTP). */
export interface HttpServer extends RemoteServer {
  readonly type: 'http';
}

/** An upstream MCP server at a URL of the old HTTP+SSE transport (MCP 2024-11-05). */
export interface SseServer extends RemoteServer {
  readonly type: 'sse';
}

/** An entry that can't be used: it fails, and the rest runs. */
export interface UnusableServer extends ServerBase {
  readonly type: 'unusable';
  /** Why: a sentence each, without any value. */
  readonly problems: readonly string[];
}

/** An upstream MCP server that can be run or called. */
export type UsableServer = StdioServer | HttpServer | SseServer;

export type McpServer = UsableServer | UnusableServer;

/** Certificate and key of the HTTP endpoint: absolute paths of PEM files. */
export interface HttpTls {
  readonly cert: string;
  readonly key: string;
  /** Authorities of client certificates. */
  readonly ca?: string;
  /** `require`: only clients with a certificate of `ca` get in. Default: none is asked for. */
  readonly clientAuth?: 'require';
}

/** The authorization server whose access tokens the HTTP endpoint takes (MCP `authorization`). */
export interface HttpOAuth {
  /** Its issuer identifier (RFC 8414 §2). */
  readonly issuer: string;
  /** URL of our MCP endpoint as clients know it: tokens must be issued for it (RFC 8707). */
  readonly audience: string;
  /** Where its keys are; default: as its metadata says. */
  readonly jwksUri?: string;
  /** What each of its scopes means here: resource patterns. Others that are patterns mean themselves. */
  readonly scopes: Readonly<Record<string, readonly string[]>>;
}

/** How a list of tools is offered. */
export interface ListStyle {
  /** `search`: three tools that find, describe and call all others. */
  readonly tools: 'all' | 'search';
  /** When names carry their server and peer; see `gateway/catalog/tool-names.ts`. */
  readonly prefix: 'always' | 'auto' | 'never';
}

/** A named view: some of the tools, at `/mcp/view/<name>`. */
export interface View extends Partial<ListStyle> {
  /** Patterns of the tools it has; default all. */
  readonly allow?: readonly string[];
  /** Patterns of tools that it has not, whatever is allowed. */
  readonly deny?: readonly string[];
}

/**
 * How a server that fails is started again: before start n (from 0) a pause of at most
 * `min(delayMaxMs, delayMs · 2^n)`, and at least half of that.
 */
export interface Retry {
  /** Failures in a row after which only a call or a reload starts it again; 0: none. Default 0. */
  readonly attempts: number;
  /** Default 1000. */
  readonly delayMs: number;
  /** Default 60000. */
  readonly delayMaxMs: number;
}

/** What an agent with a language model thinks with. */
export interface AgentMind {
  /** A model, or a route. */
  readonly model: string;
  /** What the agent is for, and how it works. */
  readonly instructions?: string;
  /** A prompt of a server that says the same: `<server>/<prompt>`. */
  readonly prompt?: string;
  /** How often the model is asked for one message, at the most. */
  readonly steps: number;
  /** Absent: its agents learn nothing. */
  readonly learning?: LearningSettings;
}

/** One way in which agents of a kind may deal with a message; what it does not name is as the kind says. */
export type AgentWay = Partial<Omit<AgentMind, 'learning'>>;

/** How agents of a kind learn. */
export interface LearningSettings {
  /** By name: which of them is taken is learned. None: only what came of things is remembered. */
  readonly ways: Readonly<Record<string, AgentWay>>;
  /** How much what a way costs, and how long it takes, count against its success, 0 to 1 each. */
  readonly cost: number;
  readonly time: number;
  /** By capability, or `message` for a message that names none: the JSON Schema that an answer has to fit. */
  readonly answers: Readonly<Record<string, JsonObject>>;
  /** How many experiences the model is reminded of, at the most. */
  readonly experiences: number;
}

/** A kind of agents that the node may run. */
export interface AgentKind {
  /** How a process of it is started; absent where {@link problems} says why it can't be. */
  readonly server?: StdioServer;
  /** In place of a process: a language model. */
  readonly thinks?: AgentMind;
  /** Why it can't be used: a sentence each, without any value. */
  readonly problems: readonly string[];
  /** `mcp`: an MCP server with a tool `message`. `lines`: lines of JSON. */
  readonly protocol: 'mcp' | 'lines';
  /** What its agents may use: scopes. */
  readonly tools: readonly string[];
  readonly capabilities: readonly string[];
  readonly tags: readonly string[];
  /** Messages that one process is given at a time. */
  readonly maxConcurrentTasks: number;
  readonly maxReplicas: number;
  /** Which processes of an agent are started again when one ends by itself (OTP's words). */
  readonly strategy: 'one_for_one' | 'one_for_all' | 'rest_for_one';
  /** How often one process is started again within a minute. */
  readonly restarts: number;
  readonly cpu?: string;
  readonly memory?: string;
  /** Processes and threads of one process with all that it starts, where control groups bound them. */
  readonly processes: number;
  readonly listed: boolean;
  /** Its agents use their own rights, whoever they work for. */
  readonly ownRights: boolean;
}

/** The API that a provider of models speaks. */
export type ModelApi = 'openai' | 'anthropic' | 'google';

/** How far a provider is, the nearest first. */
export const MODEL_TIERS = ['edge', 'regional', 'central'] as const;

/** See {@link MODEL_TIERS}. */
export type ModelTier = (typeof MODEL_TIERS)[number];

/** By what a route chooses which of its models is asked first. */
export const MODEL_STRATEGIES = [
  'cheapest',
  'fastest',
  'best',
  'balanced',
  'local-first',
  'escalate',
] as const;

/** See {@link MODEL_STRATEGIES}. */
export type ModelStrategy = (typeof MODEL_STRATEGIES)[number];

/** Several models behind one name. */
export interface ModelRoute {
  readonly models: readonly string[];
  readonly strategy: ModelStrategy;
  readonly fallbacks: readonly string[];
  /** How many answers of one model are compared, for the strategy `escalate`; 1: none. */
  readonly votes: number;
  /** An answer that is kept for one caller is given to the others as well. */
  readonly shared: boolean;
}

/** What a model costs, dollars for a million tokens. */
export interface ModelPrice {
  readonly input: number;
  readonly output: number;
  readonly cachedInput?: number;
  readonly cacheWrite?: number;
  /** Of tokens of pictures, where the provider tells them apart; default {@link input}. */
  readonly imageInput?: number;
  /** The share of these that a request in a batch costs, 0 to 1; default 1. */
  readonly batch?: number;
}

/** Requests and tokens of one minute; what is absent is not bounded. */
export interface MinuteLimits {
  readonly requestsPerMinute?: number;
  readonly tokensPerMinute?: number;
}

/** How we get an access token for a provider of models: by client credentials (RFC 6749 §4.4). */
export interface ProviderOAuth {
  readonly clientId: string;
  readonly clientSecret: Secret;
  /** None: what the token endpoint gives by itself. */
  readonly scopes: readonly string[];
  /** The token endpoint: https, or http on loopback. */
  readonly tokenUrl: string;
}

/** A provider of models, as it is asked. */
export interface ModelProvider {
  readonly api: ModelApi;
  /** Its base URL, version included and without a slash at its end; absent when it can't be used. */
  readonly endpoint?: string;
  /** Headers of every request, the key's among them. Values may be secret: never print them. */
  readonly headers: Readonly<Record<string, Secret>>;
  /** How its access tokens are got, in place of a key; absent: it has none. */
  readonly oauth?: ProviderOAuth;
  /** Absent: no certificate is shown, and the system's authorities count. */
  readonly tls?: ClientTls;
  /** The secret of this node that is its key, its client's secret, or the key of its certificate; absent where there is none. */
  readonly keySecret?: string;
  /** A key that is older is a warning; absent: none is. */
  readonly rotateAfterMs?: number;
  /** Whether it speaks the Responses API too; absent: as its address says. */
  readonly responses?: boolean;
  /** The only models that are offered; none: all. */
  readonly models: readonly string[];
  /** What is sent to it at the most, a minute. */
  readonly limits: MinuteLimits;
  readonly tier: ModelTier;
  /** How long it may say nothing. */
  readonly timeoutMs: number;
  /** Why it can't be used, by key of the configuration; none when it can. */
  readonly problems: readonly string[];
}

/** Language models of a node. */
export interface ModelsConfig {
  readonly providers: Readonly<Record<string, ModelProvider>>;
  /** By name, which holds no `/`. */
  readonly routes: Readonly<Record<string, ModelRoute>>;
  /** By model, or by a pattern whose `*` is any characters. */
  readonly prices: Readonly<Record<string, ModelPrice>>;
  /** How many tokens fit into a model, by its name or a pattern. */
  readonly contexts: Readonly<Record<string, number>>;
  /** By caller: `operator`, `client:<name>`, `peer:<alias>`, or `*` for each other one. */
  readonly quotas: Readonly<Record<string, MinuteLimits>>;
  /** How long an answer is kept, 0 for not at all, and how many bytes of answers. */
  readonly cache: { readonly ttlMs: number; readonly bytes: number };
  /** Which route or model this node asks for a server, by its name (`files`, `@nas/files`), when the client that calls has none. */
  readonly sampling: Readonly<Record<string, string>>;
  /** For how long prompts and answers of models are kept, ms, by model or by a pattern; none: nothing is. */
  readonly transcripts: Readonly<Record<string, number>>;
}

/** The whole configuration of a node. */
export interface Config {
  /** Our name in the mesh; default: the host's name, made fit. */
  readonly name: string;
  /** False when nobody gave the name, so that it is the host's. */
  readonly isNameGiven: boolean;
  readonly stateDir: string;
  /** The config file, read or to be read. Absent in a configuration that was made by a program. */
  readonly file?: string;
  /** Multiaddrs to listen on. Default: ports 4040 and 4041 (`/ws`) of all addresses, IPv4 and IPv6. */
  readonly listen: readonly string[];
  /** Multiaddrs to tell others instead of what we listen on. */
  readonly announce: readonly string[];
  /** Kinds of capability that all members are told this node offers. */
  readonly offers: readonly string[];
  readonly bootstrap: readonly string[];
  /** Ticket to join with (`--join`); it holds a secret. */
  readonly join?: Secret;
  /** Mesh of this LAN that is asked to let this node in (`--knock`): its name, its four words, or a place. */
  readonly knock?: string;
  /** Found or join the open mesh of this name (`--open [name]`). */
  readonly open?: string;
  /** Name of the mesh when a private one is founded; default: `<name>'s mesh`, made fit. */
  readonly meshName?: string;
  /** Find peers on the LAN by multicast DNS. Default true. */
  readonly mdns: boolean;
  /** Have the router of this network open the ports on which the node listens, by UPnP. Default false. */
  readonly upnp: boolean;
  /** Relay for members that can't reach each other, and be relayed. Default true. */
  readonly relay: boolean;
  readonly http: {
    /** Default true. */
    readonly enabled: boolean;
    /** Default 127.0.0.1. */
    readonly host: string;
    /** Default 4100; 0 picks a free one. */
    readonly port: number;
    /** Origins that browsers may call from; default none. */
    readonly allowedOrigins: readonly string[];
    /** Host header values accepted besides loopback names; default none. */
    readonly allowedHosts: readonly string[];
    /** IP addresses and CIDR blocks that callers may come from; default all. */
    readonly allowedAddresses: readonly string[];
    /** Serve HTTPS; default plain HTTP. */
    readonly tls?: HttpTls;
    /** Take access tokens of an OAuth 2.1 authorization server; default none. */
    readonly oauth?: HttpOAuth;
  };
  /** MCP as newline-delimited JSON-RPC on a port of its own. */
  readonly tcp: {
    /** Default false. */
    readonly enabled: boolean;
    /** Default 127.0.0.1. */
    readonly host: string;
    /** Default 9500; 0 picks a free one. */
    readonly port: number;
    /** Default true; false only on loopback: whoever connects is `client:tcp`. */
    readonly requireToken: boolean;
  };
  readonly mcpServers: Readonly<Record<string, McpServer>>;
  /** Agents that the node runs. */
  readonly agents: {
    readonly kinds: Readonly<Record<string, AgentKind>>;
    /** Processes of agents that run at a time; default 20. */
    readonly max: number;
    /** How long an agent may take for one message; default 300000. */
    readonly timeoutMs: number;
    /** Who sees the A2A cards of listed agents: callers that may write to them, or anybody. Default private. */
    readonly a2a: 'private' | 'public';
    /** The board on which this node keeps the events that it tells; default none. */
    readonly events?: { readonly board: string; readonly keepMs: number } | undefined;
    /** The strong board by which agents are spread over several nodes; default none. */
    readonly spread?: { readonly board: string } | undefined;
    /** Agents run without a sandbox where there is none. Default false. */
    readonly unconfined: boolean;
  };
  /** Language models of this node. */
  readonly models: ModelsConfig;
  /** How tools are listed, where no view says otherwise. */
  readonly list: ListStyle & {
    /** Longest name of a tool; default 48. */
    readonly nameMax: number;
    /**
     * Offer tools once that several peers have alike: true for those marked read-only or idempotent,
     * patterns for those, however marked. Default false.
     */
    readonly merge: boolean | readonly string[];
  };
  readonly views: Readonly<Record<string, View>>;
  /** What calls of tools cost, by pattern; texts like `0.002usd`. */
  readonly prices: Readonly<Record<string, { readonly call: string }>>;
  /** Quarantine definitions that are not as they were pinned; default `strict`. */
  readonly pins: 'strict' | 'off';
  readonly audit: {
    /** Default true. Without it nothing is recorded, and no call waits for the disk. */
    readonly enabled: boolean;
    /** How long entries are kept; default 90 days. */
    readonly retentionMs: number;
    /** A file of the log that reaches this is ended; default 16 MiB. */
    readonly segmentBytes: number;
    /** What a decision outlives before it is acted on: `batch` (default) kill -9, `always` a power cut. */
    readonly sync: 'always' | 'batch';
  };
  /** The policy file: read where it is, with the shipped policy where it is not. */
  readonly policy: {
    readonly file: string;
    /** True when somebody named it, so that it must be there. */
    readonly named: boolean;
  };
  readonly heartbeat: {
    /** Default 5000. */
    readonly intervalMs: number;
    /** Phi above which a peer is suspect (default 8) — see `membership/detection/phi-accrual.ts`. */
    readonly phiSuspect: number;
    /** How long a suspect may stay unheard before it is dead; default 3 × intervalMs. */
    readonly deadAfterMs: number;
  };
  /** Signs of life on connections that nobody uses. */
  readonly keepAlive: {
    /** A silent client is pinged this often; event streams get a comment twice as often. Default 30000. */
    readonly intervalMs: number;
  };
  /** How a server that fails is started again. */
  readonly retry: Retry;
  readonly limits: {
    /** One MCP message; default 10 MiB. */
    readonly messageBytes: number;
    /** A relayed call without progress; default 60000. */
    readonly callTimeoutMs: number;
    /** A relayed call in all; default 3600000. */
    readonly callTotalMs: number;
    /** Calls in flight per session; default 1000. */
    readonly callsPerSession: number;
    /** Sessions at a time, for each of socket, HTTP, TCP and peers; default 1000. */
    readonly sessions: number;
    /** A session unused for this long is ended; default 1800000. */
    readonly sessionIdleMs: number;
    /** Running instances of one upstream server; default 100. */
    readonly instances: number;
    /** Tools that one peer or upstream may list; default 10000. */
    readonly tools: number;
    /** Requests of one caller over HTTP, WebSocket or TCP; twice as many in a burst; default 100. */
    readonly requestsPerSecond: number;
    /** Connections to other peers; default 300. */
    readonly connections: number;
  };
  /** Traces of calls. */
  readonly telemetry: {
    /** Where spans are sent; absent: nothing is traced. */
    readonly otlp?: Collector;
    /** `service.name` of OpenTelemetry; default starling. */
    readonly serviceName: string;
    /** Which calls are kept; default `parentbased_always_on`. */
    readonly sampler: (typeof SAMPLERS)[number];
    /** For samplers with a ratio: 0 to 1, default 1. */
    readonly ratio: number;
    /** Spans a second that are kept at the most; default 1000. */
    readonly spansPerSecond: number;
  };
  readonly log: {
    /** `info,gateway=debug`; default `warn`. */
    readonly level: string;
    readonly file?: string;
  };
}
