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
 * Examples that start nodes and servers of their own, which are run in `npm run long`: `demos.test.ts` and `sim.test.ts`
 * see such commands to their ends in `npm test`.
 */
export const LONG: readonly string[] = [
  'starling sim --nodes 25',
  'starling demo self-heal',
  'starling demo swarm',
  'starling sim partition-heal',
  'starling sim churn --nodes 5,10,20 --seeds 3',
];
