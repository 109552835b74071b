/** What a check of `starling doctor` is. */
import type { PeersResult, StatusResult } from '../../builtin/results.ts';
import type { Config } from '../../config/index.ts';

/** How a check ends: one sentence, and a hint what to do unless all is well. */
export interface Finding {
  readonly check: string;
  readonly result: 'ok' | 'warn' | 'fail';
  readonly text: string;
  readonly hint?: string;
}

/** What checks look at. */
export interface CheckContext {
  /** Absent when the configuration can't be loaded. */
  readonly config?: Config;
  readonly stateDir: string;
  /** What the running node says; absent when none runs. */
  readonly status?: StatusResult;
  readonly peers?: PeersResult;
}

/** A question that `starling doctor` asks of this machine or its node. */
export interface Check {
  readonly name: string;
  run(context: CheckContext): Promise<readonly Finding[]>;
}

/** A finding without an empty hint. */
export function finding(
  check: string,
  result: Finding['result'],
  text: string,
  hint?: string,
): Finding {
  return { check, result, text, ...(hint === undefined ? {} : { hint }) };
}
