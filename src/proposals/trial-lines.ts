/** What a trial of a proposal has shown, for people. Pure. */
import type { Trial } from './types.ts';

/** Line by line: the tools, with what they say of themselves; or why it failed. */
export function trialLines(trial: Trial | undefined): readonly string[] {
  if (trial === undefined) return ['it has not run on trial'];
  if (!trial.passed) {
    return [
      `on trial, without a network, it failed: ${trial.error ?? 'nobody knows why'}`,
      ...trial.wrote.map((line) => `  it wrote: ${line}`),
    ];
  }
  return [
    `on trial, without a network, it started and told of ${trial.tools.length} tools:`,
    ...trial.tools.map(({ description, name }) => `  ${name}  it says: ${description}`),
  ];
}
