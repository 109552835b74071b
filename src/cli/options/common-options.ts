/** Options that nearly every command has: see `ofNode` and `withJson` of `groups/command-line/define-command.ts`. */

/** Which node is meant, and how to print. */
export interface CommonOptions {
  /** The name of a node of this user on this machine, in place of its state folder. */
  readonly node?: string;
  /** The node's state folder. */
  readonly state?: string;
  /** A config file that names the state folder. */
  readonly config?: string;
  readonly json?: boolean;
}
