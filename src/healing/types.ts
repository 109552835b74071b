/** The words of healing. */
import type { JsonObject } from '../core/index.ts';

/** Why a server does not run, as far as the rules can tell. */
export const CAUSES = [
  'killed',
  'exited',
  'memory',
  'port',
  'unanswered',
  'disk',
  'program',
  'login',
  'settings',
  'unknown',
] as const;
/** See {@link CAUSES}. */
export type Cause = (typeof CAUSES)[number];

/** One thing to do. What a healer can do at all is in this list, whoever has written the plan. */
export type Step =
  | { readonly do: 'wait'; readonly ms: number }
  /** By the tool `server_restart` of the server's node. */
  | { readonly do: 'restart' };

/** A server that a healer looks after. */
export interface Watched {
  /** Alias of the node that has the server; absent: the healer's own. */
  readonly node?: string | undefined;
  readonly server: string;
}

/** How a server does, as its node says in `server_status`: no more of that is looked at. */
export interface ServerState {
  readonly state: string;
  readonly run: number;
  readonly held: boolean;
  readonly error: string;
}

/** What a healer makes of what it sees. */
export interface Finding {
  readonly cause: Cause;
  /** A sentence for people. */
  readonly why: string;
  /** Lines of the log that it goes by, as they were written: data. */
  readonly evidence: readonly string[];
  /** Empty: no step of ours mends that, and a person is told. */
  readonly plan: readonly Step[];
}

/** How an incident has ended. */
export type Ending = 'healed' | 'mended' | 'left';

/** One time that a server did not run. */
export interface Incident extends Watched {
  readonly run: number;
  readonly cause: Cause;
  /** By what the plan was made. */
  readonly by: 'rules' | 'runbook';
  /** `mended`: somebody else did it. `left`: to a person, and `why` says for what reason. */
  readonly ending: Ending;
  readonly why: string;
  /** Restarts that this healer has done. */
  readonly restarts: number;
  readonly tookMs: number;
  /** ISO 8601. */
  readonly at: string;
}

/** Calls a tool by the name that lists show; gives its structured result. Rejects with what the tool says. */
export type CallTool = (tool: string, args: JsonObject, timeoutMs: number) => Promise<JsonObject>;
