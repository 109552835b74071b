/** How a server of the configuration does, for whoever looks after it: types only. */

/** A line of what a server wrote, or of what became of it. */
export interface ServerLogLine {
  /** Milliseconds since the epoch. */
  readonly at: number;
  /** Bounded, and without the secrets of the server's environment. */
  readonly text: string;
}

/** What whoever looks after a server knows besides its `UpstreamStatus`. */
export interface ServerCondition {
  /** Rises with each process or session that begins, and each restart that somebody asks for. */
  readonly run: number;
  /** It is not started again by itself. */
  readonly isHeld: boolean;
  /** When the newest of what runs began, ms since the epoch; absent while nothing runs. */
  readonly startedAt?: number;
  /** The oldest first. */
  readonly log: readonly ServerLogLine[];
}

/** Servers of this node, by what a changed configuration has done to them. */
export interface ServerChanges {
  readonly added: readonly string[];
  readonly removed: readonly string[];
  readonly restarted: readonly string[];
}
