/**
 * The one error class and the one table of error codes.
 * A code is stable: scripts, clients and the docs match on it. The table says what a code means on
 * every face of Starling: JSON-RPC, HTTP, the shell, and whether trying again can help.
 */
import type { ExitCode } from './exit-codes.ts';
import { systemWords } from './words/system-words.ts';

/** What one error code means on each face. */
export interface ErrorRow {
  /** JSON-RPC error code (JSON-RPC 2.0 §5.1; -32001 agent, -32002 swarm, -32003 resource). */
  readonly rpc: number;
  /** HTTP status. */
  readonly http: number;
  /** Exit code of the command line. */
  readonly exit: ExitCode;
  /** True when the same request may succeed later, unchanged. */
  readonly retryable: boolean;
}

const row = (rpc: number, http: number, exit: ErrorRow['exit'], retryable = false): ErrorRow => ({
  rpc,
  http,
  exit,
  retryable,
});

/** Every error code of Starling. */
export const ERRORS = {
  /** Wrong arguments on the command line or to a tool. */
  STARLING_USAGE: row(-32602, 400, 2),
  /** The service manager of this system is not there, does not answer, or refuses. */
  STARLING_SERVICE_UNAVAILABLE: row(-32603, 500, 1),
  /** The person at the terminal left by Ctrl-C. */
  STARLING_INTERRUPTED: row(-32603, 500, 130),
  /** The configuration does not parse or does not fit the schema. */
  STARLING_CONFIG_INVALID: row(-32603, 500, 2),
  /** Another node uses the state folder. */
  STARLING_STATE_LOCKED: row(-32603, 500, 1, true),
  /** The state folder or a file in it can't be read or written, or a later version has written it. */
  STARLING_STATE_UNUSABLE: row(-32603, 500, 1),
  /** The key file is damaged, or others can read it. */
  STARLING_KEY_UNUSABLE: row(-32603, 500, 1),
  /** The key file is encrypted, and nobody gives its passphrase. */
  STARLING_PASSPHRASE_MISSING: row(-32603, 500, 1),
  /** The key file was encrypted with another passphrase. */
  STARLING_PASSPHRASE_WRONG: row(-32603, 500, 1),
  /** A passphrase is too short or too long, or the file that it should come from can't be used. */
  STARLING_PASSPHRASE_UNUSABLE: row(-32602, 400, 2),
  /** A secret that the configuration names is not set. */
  STARLING_SECRET_MISSING: row(-32603, 500, 1),
  /** A secret's name or value is outside its bounds. */
  STARLING_SECRET_INVALID: row(-32602, 400, 2),
  /** The node's key was replaced by another, so that this one is good for nothing any more. */
  STARLING_KEY_RETIRED: row(-32003, 403, 1),
  /** A did:key, PeerId, multiaddr or other identifier does not parse. */
  STARLING_ID_MALFORMED: row(-32602, 400, 2),
  /** A port or address that we should listen on is taken or not ours. */
  STARLING_LISTEN_FAILED: row(-32603, 500, 1),
  /** No node answers on this machine for this state folder. */
  STARLING_NODE_UNREACHABLE: row(-32003, 503, 1, true),
  /** A ticket does not parse or its signature fails. */
  STARLING_TICKET_INVALID: row(-32602, 400, 2),
  /** A ticket's time is over. */
  STARLING_TICKET_EXPIRED: row(-32602, 400, 1),
  /** A ticket's invite was used before. */
  STARLING_TICKET_SPENT: row(-32602, 400, 1),
  /** A ticket or address leads to another mesh than the node's own. */
  STARLING_MESH_MISMATCH: row(-32602, 400, 1),
  /** A mesh refused to let a peer in. */
  STARLING_JOIN_REFUSED: row(-32003, 403, 1),
  /** This node is no member of its mesh any more: somebody put it out. */
  STARLING_MEMBERSHIP_ENDED: row(-32003, 403, 1),
  /** The peers refuse each other's protocol version. */
  STARLING_VERSION_UNSUPPORTED: row(-32003, 400, 1),
  /** No such peer is known. */
  STARLING_PEER_UNKNOWN: row(-32602, 404, 1),
  /** More than one peer goes by that name. */
  STARLING_PEER_AMBIGUOUS: row(-32602, 409, 1),
  /** A known peer can't be reached now, or went away during a call. */
  STARLING_PEER_UNREACHABLE: row(-32003, 503, 1, true),
  /** A stream or frame from a peer broke the protocol. */
  STARLING_PROTOCOL_VIOLATION: row(-32600, 400, 1),
  /** A message is over a limit of size, count or rate. */
  STARLING_LIMIT_EXCEEDED: row(-32003, 413, 1),
  /** More requests a second than a caller may send. */
  STARLING_RATE_LIMITED: row(-32003, 429, 1, true),
  /** A wait was longer than its timeout. */
  STARLING_TIMEOUT: row(-32003, 504, 1, true),
  /** A grant does not parse or breaks the format. */
  STARLING_GRANT_MALFORMED: row(-32602, 400, 2),
  /** A grant or its chain fails verification. */
  STARLING_GRANT_INVALID: row(-32602, 403, 1),
  /** No such grant is known. */
  STARLING_GRANT_UNKNOWN: row(-32602, 404, 1),
  /** No grant of the caller covers what it asked for. */
  STARLING_CALL_REFUSED: row(-32003, 403, 1),
  /** No such approval is known. */
  STARLING_APPROVAL_UNKNOWN: row(-32602, 404, 1),
  /** An approval is over: answered, expired, or withdrawn. */
  STARLING_APPROVAL_CLOSED: row(-32602, 409, 1),
  /** No such proposal of an agent is known. */
  STARLING_PROPOSAL_UNKNOWN: row(-32602, 404, 1),
  /** The proposal does not take what was asked of it: `data.reason` says in a word why. */
  STARLING_PROPOSAL_REFUSED: row(-32602, 409, 1),
  /** No such tool, or none that the caller may see. */
  STARLING_TOOL_UNKNOWN: row(-32602, 404, 1),
  /** A definition is not the one that was pinned, or not approved yet. */
  STARLING_TOOL_QUARANTINED: row(-32003, 403, 1),
  /** An upstream MCP server could not start, exited, or does not answer. */
  STARLING_UPSTREAM_UNAVAILABLE: row(-32003, 503, 1, true),
  /** An upstream MCP server broke the protocol. */
  STARLING_UPSTREAM_INVALID: row(-32003, 502, 1),
  /** No agent of that name, as far as the caller may know. */
  STARLING_AGENT_UNKNOWN: row(-32001, 404, 1),
  /** The agent's name belongs to somebody else. */
  STARLING_AGENT_TAKEN: row(-32001, 409, 1),
  /** The agent did not do what was asked: `data.reason` says in a word why. */
  STARLING_AGENT_FAILED: row(-32001, 502, 1),
  /** No task of that id, as far as the caller may know. */
  STARLING_TASK_UNKNOWN: row(-32602, 404, 1),
  /** What the task is at does not allow what was asked: it has ended, or it has not. */
  STARLING_TASK_ENDED: row(-32602, 409, 1),
  /** No conversation of that id is kept or shown here. */
  STARLING_CONTEXT_UNKNOWN: row(-32602, 404, 1),
  /** No budget of that name or id, as far as the caller may know. */
  STARLING_BUDGET_UNKNOWN: row(-32602, 404, 1),
  /** What is left of a budget on this node is less than what may be spent. */
  STARLING_BUDGET_EXHAUSTED: row(-32003, 402, 1),
  /** The budget was closed by whoever made it. */
  STARLING_BUDGET_CLOSED: row(-32602, 409, 1),
  /** No swarm of that id or name, as far as the caller may know. */
  STARLING_SWARM_UNKNOWN: row(-32002, 404, 1),
  /** The swarm does not take what was asked of it: `data.reason` says in a word why. */
  STARLING_SWARM_REFUSED: row(-32002, 409, 1),
  /** The swarm has as many operations under way as it may: `data.duration` says when to come again, ms. */
  STARLING_SWARM_BUSY: row(-32002, 429, 1, true),
  /** No such model, or none that the caller may use; or its provider has none of that name. */
  STARLING_MODEL_UNKNOWN: row(-32602, 404, 1),
  /** No batch of that id, as far as the caller may know. */
  STARLING_BATCH_UNKNOWN: row(-32602, 404, 1),
  /** The batch does not take what was asked of it: `data.reason` says whether it is `running` or `over`. */
  STARLING_BATCH_REFUSED: row(-32602, 409, 1),
  /** The model's provider can't do what was asked, or the request can't be said in its API. */
  STARLING_MODEL_UNSUPPORTED: row(-32602, 400, 1),
  /** The provider takes no such request. */
  STARLING_MODEL_REJECTED: row(-32602, 400, 1),
  /** The request is longer than the model's context. */
  STARLING_MODEL_CONTEXT: row(-32602, 400, 1),
  /** The provider does not take the key that this node has for it. */
  STARLING_MODEL_KEY_REFUSED: row(-32003, 502, 1),
  /** The provider has too much to do. */
  STARLING_MODEL_OVERLOADED: row(-32003, 503, 1, true),
  /** The provider failed, or can't be reached. */
  STARLING_MODEL_FAILED: row(-32003, 502, 1, true),
  /** The provider's answer broke off before its end. */
  STARLING_MODEL_CUT: row(-32003, 502, 1, true),
  /** The provider's answer is not one of its API. */
  STARLING_MODEL_INVALID: row(-32003, 502, 1),
  /** A board's name, key or value is outside its bounds, or the board is not of the kind for what was asked. */
  STARLING_BOARD_INVALID: row(-32602, 400, 2),
  /** There is no board of this name. */
  STARLING_BOARD_UNKNOWN: row(-32602, 404, 1),
  /** The board has no entry under this key. */
  STARLING_ENTRY_UNKNOWN: row(-32602, 404, 1),
  /** The board is not open, and the caller has no right on it for that. */
  STARLING_BOARD_REFUSED: row(-32003, 403, 1),
  /** Somebody wrote the entry since, or what it was before is not known. */
  STARLING_BOARD_CONFLICT: row(-32602, 409, 1),
  /** This node has not seen of a board what the caller has seen elsewhere. */
  STARLING_BOARD_BEHIND: row(-32003, 503, 1, true),
  /** Too few replicas of a strong board answer; nothing has changed. */
  STARLING_NO_QUORUM: row(-32003, 503, 1, true),
  /** A strong entry may have changed or not: the same request, under the id that is given, learns which. */
  STARLING_OUTCOME_UNKNOWN: row(-32003, 504, 1),
  /** The audit log can't be written, so nothing that must be audited may happen. */
  STARLING_AUDIT_UNAVAILABLE: row(-32003, 503, 1, true),
  /** The HTTP caller has no valid token, or its Origin or Host is not allowed. */
  STARLING_UNAUTHORIZED: row(-32003, 401, 1),
  /** The node is stopping or not started. */
  STARLING_STOPPED: row(-32003, 503, 1, true),
} as const satisfies Record<string, ErrorRow>;

/** A stable error code. */
export type ErrorCode = keyof typeof ERRORS;

/** What besides code and message an error carries. */
export interface StarlingErrorOptions {
  /** What to do next: ideally the command that fixes it. */
  readonly hint?: string;
  /** Machine-readable facts (`reason`, `peer`, `server`, …). Never a secret. */
  readonly data?: Readonly<Record<string, unknown>>;
  readonly cause?: unknown;
}

/** An error that reaches a person: what happened, to what, and (`hint`) what to do next. */
export class StarlingError extends Error {
  static override readonly name = 'StarlingError';
  readonly code: ErrorCode;
  readonly hint: string | undefined;
  readonly data: Readonly<Record<string, unknown>>;

  constructor(code: ErrorCode, message: string, options: StarlingErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'StarlingError';
    this.code = code;
    this.hint = options.hint;
    this.data = options.data ?? {};
  }

  /** The table's row of this error's code. */
  get row(): ErrorRow {
    return ERRORS[this.code];
  }
}

/** The message of anything thrown, on one line, without its stack; what the system says of files and ports in words. */
export function messageOf(error: unknown): string {
  return wordsOf(error).replaceAll(/\s+/g, ' ').trim();
}

function wordsOf(error: unknown): string {
  if (!(error instanceof Error)) {
    const isPlain = typeof error !== 'object' || error === null;
    return isPlain ? String(error) : Object.prototype.toString.call(error);
  }
  if (error.message.trim() !== '') {
    // Errors of ours are in our words already, and may quote those of somebody else.
    return (
      (error instanceof StarlingError ? undefined : systemWords(error.message)) ?? error.message
    );
  }
  // A connection that fails on each of a host's addresses says so only in the inner errors.
  if (error instanceof AggregateError && error.errors.length > 0) {
    return [...new Set(error.errors.map(messageOf))].join('; ');
  }
  return 'code' in error && typeof error.code === 'string' ? error.code : error.name;
}

/** `error` itself when it is a {@link StarlingError}, else a new one of `code` that carries it as cause. */
export function toStarlingError(error: unknown, code: ErrorCode, what: string): StarlingError {
  if (error instanceof StarlingError) return error;
  return new StarlingError(code, `${what}: ${messageOf(error)}`, { cause: error });
}
