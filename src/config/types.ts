/** The node's configuration after file, environment and flags are merged: frozen, complete. */
import type { Secret } from '../core/index.ts';

/** An upstream MCP server that runs as a child process. */
export interface StdioServer {
  readonly type: 'stdio';
  readonly command: string;
  readonly args: readonly string[];
  /** Values may be secret: never print them. */
  readonly env: Readonly<Record<string, Secret>>;
  readonly cwd?: string;
  /** How long a call may take without progress. */
  readonly timeoutMs: number;
}

/** An upstream MCP server at a URL (Streamable HTTP). */
export interface HttpServer {
  readonly type: 'http';
  readonly url: string;
  readonly headers: Readonly<Record<string, Secret>>;
  readonly timeoutMs: number;
}

export type McpServer = StdioServer | HttpServer;

/** How a list of tools is offered. */
export interface ListStyle {
  /** `search`: three tools that find, describe and call all others. */
  readonly tools: 'all' | 'search';
  /** When names carry their server and peer; see `gateway/names.ts`. */
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
  readonly stateDir: string;
  /** Multiaddrs to listen on. Default `/ip4/0.0.0.0/tcp/4040` and `/ip4/0.0.0.0/tcp/4041/ws`. */
  readonly listen: readonly string[];
  /** Multiaddrs to tell others instead of what we listen on. */
  readonly announce: readonly string[];
  readonly bootstrap: readonly string[];
  /** Ticket to join with (`--join`); it holds a secret. */
  readonly join?: Secret;
  /** Found or join the open mesh of this name (`--open [name]`). */
  readonly open?: string;
  /** Name of the mesh when a private one is founded; default: `<name>'s mesh`, made fit. */
  readonly meshName?: string;
  /** Find peers on the LAN by multicast DNS. Default true. */
  readonly mdns: boolean;
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
  };
  readonly mcpServers: Readonly<Record<string, McpServer>>;
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
  /** Quarantine definitions that are not as they were pinned; default `strict`. */
  readonly pins: 'strict' | 'off';
  readonly heartbeat: {
    /** Default 5000. */
    readonly intervalMs: number;
    /** Phi above which a peer is suspect (default 8) — see `membership/detector.ts`. */
    readonly phiSuspect: number;
    /** How long a suspect may stay unheard before it is dead; default 3 × intervalMs. */
    readonly deadAfterMs: number;
  };
  readonly limits: {
    /** One MCP message; default 10 MiB. */
    readonly messageBytes: number;
    /** A relayed call without progress; default 60000. */
    readonly callTimeoutMs: number;
    /** A relayed call in all; default 3600000. */
    readonly callTotalMs: number;
    /** Calls in flight per session; default 1000. */
    readonly callsPerSession: number;
    /** Sessions in all; default 1000. */
    readonly sessions: number;
    /** A session unused for this long is ended; default 1800000. */
    readonly sessionIdleMs: number;
    /** Tools that one peer or upstream may list; default 10000. */
    readonly tools: number;
    /** Connections to other peers; default 300. */
    readonly connections: number;
  };
  readonly log: {
    /** `info,gateway=debug`; default `warn`. */
    readonly level: string;
    readonly file?: string;
  };
}
