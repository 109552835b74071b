/** What the tool `bugreport` returns. */
import type { Json } from '../../core/index.ts';

/** Result of `bugreport`; all texts are without secrets. */
export interface BugreportResult {
  /** Of Starling. */
  readonly version: string;
  /** Of Node.js. */
  readonly node: string;
  /** Name, release and architecture of the operating system. */
  readonly system: string;
  /** How long the process has run, in seconds. */
  readonly runningS: number;
  /** Memory of the process that is in RAM. */
  readonly memoryBytes: number;
  /** As the tool `status` gives it. */
  readonly status: Json;
  /** As the tool `peers` gives them. */
  readonly peers: Json;
  /** The last lines of the log, the oldest first. */
  readonly log: Json;
}
