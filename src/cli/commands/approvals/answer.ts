/** `starling approvals approve` and `starling approvals deny` */
import type { ApprovalAnswerResult } from '../../../builtin/results.ts';
import { asSentence, printData } from '../../terminal/output.ts';
import { askText } from '../../terminal/rights.ts';
import { withNode } from '../../node/locate-node.ts';
import type { CommonOptions } from '../../options/common-options.ts';

type AnswerOptions = CommonOptions & { readonly reason?: string };

/** Approves the approval `id`. */
export function approve(id: string, options: AnswerOptions): Promise<void> {
  return answer(id, true, options);
}

/** Denies the approval `id`. */
export function deny(id: string, options: AnswerOptions): Promise<void> {
  return answer(id, false, options);
}

async function answer(id: string, isYes: boolean, options: AnswerOptions): Promise<void> {
  const { reason } = options;
  const result = await withNode(options, (node) =>
    node.builtin<ApprovalAnswerResult>('approval_answer', {
      id,
      approve: isYes,
      ...(reason === undefined ? {} : { reason }),
    }),
  );
  printData(result, options.json === true, () => {
    const { state, who, kind, ability, resource, made } = result.approval;
    const grant = made === undefined ? '' : ` (grant ${made.slice(0, 8)})`;
    return asSentence(`${state}: ${who} ${askText(kind, ability, resource)}${grant}`);
  });
}
