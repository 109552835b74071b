/** Upstream MCP servers in the configuration of a node: how each is started or reached, and what it may. */
import type { Secret } from '../core/index.ts';

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
