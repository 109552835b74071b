/** `starling proposals show` and `starling proposals try` */
import type { ProposalShowResult } from '../../../proposals/types.ts';
import { withNode } from '../../node/locate-node.ts';
import type { CommonOptions } from '../../options/common-options.ts';
import { paint, printData, safe } from '../../terminal/output.ts';

/** A trial takes half a minute at the most. */
const TIMEOUT_MS = 120_000;

/** Prints the difference that a proposal would make. */
export async function show(id: string, options: CommonOptions): Promise<void> {
  const result = await withNode(options, (node) =>
    node.builtin<ProposalShowResult>('proposal_show', { id }),
  );
  printData(result, options.json === true, () => textOf(result));
}

/** Runs it on trial, and prints its tools. */
export async function tryOut(id: string, options: CommonOptions): Promise<void> {
  const result = await withNode(options, (node) =>
    node.builtin<ProposalShowResult>('proposal_try', { id }, { timeoutMs: TIMEOUT_MS }),
  );
  printData(result, options.json === true, () => result.trialLines.map(safe).join('\n'));
}

/** The difference, then what its trial has shown. */
export function textOf({ lines, trialLines }: ProposalShowResult): string {
  return [...lines, '', ...trialLines].map((line) => painted(safe(line))).join('\n');
}

function painted(line: string): string {
  if (line.startsWith('+ ')) return paint.green(line);
  return line.startsWith('! ') ? paint.yellow(line) : line;
}
