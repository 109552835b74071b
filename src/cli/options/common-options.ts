/** Options that nearly every command has: see `ofNode` and `withJson` of `groups/define-command.ts`. */

/** Which node is meant, and how to print. */
export interface CommonOptions {
  /** The node's state folder. */
  readonly state?: string;
  /** A config file that names the state folder. */
  readonly config?: string;
  readonly json?: boolean;
}
