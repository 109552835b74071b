/** What the tools about servers return: their logins, secrets and pinned definitions. */
import type { InvisibleFlag, ServerLogLine, UpstreamStatus } from '../../gateway/index.ts';

/** One server in the answer of `server_status`. */
export interface ServerView extends Pick<UpstreamStatus, 'server' | 'kind' | 'state' | 'tools'> {
  /** Rises with each start and each restart. */
  readonly run: number;
  /** It has failed, and is not started again by itself. */
  readonly held: boolean;
  readonly error?: string;
  readonly hint?: string;
  readonly pid?: number;
  /** ISO 8601; absent while it does not run. */
  readonly startedAt?: string;
}

/** Result of `server_status`. */
export interface ServerStatusResult {
  readonly servers: readonly ServerView[];
  /** Given with the next call, waits for a change. */
  readonly version: string;
}

/** Result of `server_logs`. */
export interface ServerLogsResult {
  readonly server: string;
  /** The oldest first. */
  readonly lines: readonly ServerLogLine[];
}

/** Result of `server_restart`. */
export interface ServerRestartResult extends ServerView {
  /** False: it was restarted since the run that was named, and is left as it is. */
  readonly restarted: boolean;
}

/** Result of `mcp_login`. */
export interface McpLoginResult {
  /** Of the login, to wait for it. */
  readonly id: string;
  readonly server: string;
  readonly state: 'waiting' | 'done';
  /** What a person opens in a browser; absent when nobody needs to. */
  readonly url?: string;
  /** How long it can be opened; ms since the epoch. */
  readonly expiresAt: number;
}

/** Result of `mcp_logout`. */
export interface McpLogoutResult {
  readonly server: string;
  /** False when there was no login. */
  readonly loggedOut: boolean;
}

/** A secret as it may be shown: never with its value. */
export interface SecretSummary {
  readonly name: string;
  /** When it was set; ms since the epoch. Absent: servers name it, and it is not set. */
  readonly setAt?: number;
  /** Servers of the configuration that name it. */
  readonly usedBy: readonly string[];
}

/** Result of `secret_set`. */
export interface SecretSetResult {
  readonly name: string;
  /** True when there was one of this name. */
  readonly replaced: boolean;
  readonly usedBy: readonly string[];
  /** Servers that run on with what it was before. */
  readonly running: readonly string[];
}

/** Result of `secret_list`. */
export interface SecretListResult {
  readonly secrets: readonly SecretSummary[];
}

/** Result of `secret_remove`. */
export interface SecretRemoveResult {
  readonly name: string;
  /** False when there was none. */
  readonly removed: boolean;
  /** Servers that lack it now. */
  readonly usedBy: readonly string[];
}

/** Something that is quarantined, as a person reads it. */
export interface PinSummary {
  /** `[<peer>/]<server>/<name>`, as `pin_approve` takes it. */
  readonly reference: string;
  /** Alias or PeerId of the owner; absent for a server of this node. */
  readonly peer?: string;
  readonly server: string;
  readonly kind: 'tool' | 'prompt' | 'instructions';
  readonly name: string;
  readonly reason: 'changed' | 'new' | 'renamed' | 'invisible';
  /** The pinned name that it had before it was renamed. */
  readonly was?: string;
  /** Invisible characters in it, and where. */
  readonly flags: readonly InvisibleFlag[];
  /** ms since the epoch */
  readonly since: number;
  /** Lines marked `-` (pinned), `+` (now) or two spaces (both); absent where the list is too long. */
  readonly difference?: readonly string[];
}

/** Result of `pin_list`. */
export interface PinListResult {
  readonly quarantined: readonly PinSummary[];
  /** Definitions that are pinned. */
  readonly pinned: number;
}

/** Result of `pin_approve`. */
export interface PinApproveResult {
  readonly approved: readonly PinSummary[];
}
