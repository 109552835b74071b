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
  readonly oauth?: OauthSettings;
}

/** An upstream MCP server at a URL that speaks HTTP+SSE, the transport of 2024-11-05. */
export interface SseServer {
  readonly type: 'sse';
  readonly url: string;
  readonly headers: Readonly<Record<string, Secret>>;
  readonly timeoutMs: number;
  readonly oauth?: OauthSettings;
}

/** How we log in to a server; without it, as the server and its authorization server say. */
export interface OauthSettings {
  /** A client registered beforehand, or the https URL of a client metadata document. */
  readonly clientId?: string;
  readonly clientSecret?: Secret;
  readonly scopes?: readonly string[];
  /** Default `authorization_code`: somebody logs in. */
  readonly grant?: 'authorization_code' | 'client_credentials';
}

export type McpServer = StdioServer | HttpServer;

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
