/** `starling audit tail` */
import type { ExitCode } from '../../../core/exit-codes.ts';
import type { AuditEntry } from '../../../audit/types.ts';
import type { AuditTailResult } from '../../../builtin/results.ts';
import { filterOf } from '../../options/audit-filter.ts';
import { showEntry } from '../../terminal/lines/audit-entries.ts';
import type { FilterOptions } from '../../options/audit-filter.ts';
import { untilInterrupted } from '../../terminal/interrupted.ts';
import { print } from '../../terminal/output.ts';
import type { NodeClient } from '../../node/client.ts';
import { watchNode } from '../../node/locate-node.ts';
import { lookBack } from './look-back.ts';

const WAIT_S = 60;
const LINES_MAX = 1000;
/** Questions about the past, of some thousand entries each: whoever follows the log wants to see what comes. */
const QUESTIONS_MAX = 40;

/** Prints the last entries and then each that comes, until Ctrl-C. */
export function run(options: FilterOptions & { readonly lines: number }): Promise<ExitCode> {
  const filter = filterOf(options);
  const show = (entries: readonly AuditEntry[], names: AuditTailResult['names']): void => {
    for (const entry of entries) {
      print(options.json === true ? JSON.stringify(entry) : showEntry(entry, names));
    }
  };
  const follow = async (node: NodeClient): Promise<ExitCode> => {
    let { cursor } = await node.builtin<AuditTailResult>('audit_tail', {});
    const past = await lookBack(node, filter, {
      limit: Math.min(options.lines, LINES_MAX),
      before: cursor + 1,
      questionsMax: QUESTIONS_MAX,
    });
    show(past.entries.toReversed(), past.names);
    for (;;) {
      const result: AuditTailResult = await node.builtin(
        'audit_tail',
        { ...filter, cursor, timeout_s: WAIT_S },
        { timeoutMs: (WAIT_S + 10) * 1000 },
      );
      show(result.entries, result.names);
      ({ cursor } = result);
    }
  };
  return untilInterrupted((signal) => watchNode(options, follow, signal));
}
