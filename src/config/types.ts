/** The node's configuration after file, environment and flags are merged: frozen, complete. */
import type { Secret } from '../core/index.ts';
import type { AgentKind } from './agent-types.ts';
import type { ModelsConfig } from './model-types.ts';
import type { McpServer, Retry } from './server-types.ts';

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
    /** Somebody has named it, so that it must be there. */
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
