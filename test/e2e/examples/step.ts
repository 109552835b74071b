/** How an example of the help is run. */

/** What is put for words of an example; a function is asked when the example's turn comes. */
export type Put = Readonly<Record<string, string | (() => string | Promise<string>)>>;

/** One example. */
export interface Step {
  /** Whose shell; a folder without a node is made where none is. */
  readonly at: string;
  readonly put?: Put;
  readonly before?: () => unknown;
  readonly env?: () => Readonly<Record<string, string>>;
  readonly stdin?: string;
  /** What a command that ends has printed. */
  readonly printed?: RegExp;
  /** What a command that runs on prints first; Ctrl-C ends it then, unless `keep` names it for later. */
  readonly says?: RegExp;
  readonly keep?: string;
  /** Runs, again and again, until the command that runs on has said `says`. */
  readonly poke?: () => Promise<unknown>;
  /** Runs when the example has done its work. */
  readonly after?: () => unknown;
}

/**
 * Examples that run in `npm test`: those of a day at one node and its peer. Each command has tests of its own at a node
 * that only answers; the others, which start nodes, servers, agents and models of their own, run in `npm run long`.
 */
const OF_A_DAY =
  /^starling (?:audit(?! tail --)|board|call|doctor|grant (?:create|export|import|list|revoke|show)|key|nodes|peers(?! re)|ping|policy|status|tools|trace)\b/;

/** Whether the example runs in `npm test`. */
export function isShort(example: string): boolean {
  return OF_A_DAY.test(example);
}
