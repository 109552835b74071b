/** The tools by which a person sees what waits for an approval, and answers it. */
import { z } from 'zod';
import { StarlingError } from '../core/index.ts';
import type { BuiltinTool } from '../gateway/index.ts';
import { nameOf } from '../guard/index.ts';
import type { Approval, Approvals, Principal, Standings, Voter } from '../guard/index.ts';
import { defineTool } from './tool.ts';
import type { ApprovalAnswerResult, ApprovalListResult, ApprovalSummary } from './types.ts';

/** What the approval tools need. */
export interface ApprovalComponents {
  readonly approvals: Pick<Approvals, 'approve' | 'deny' | 'list'>;
  readonly standings: Standings;
}

/** Approvals of one answer. */
const LISTED_MAX = 200;

/** `approval_list` and `approval_answer`: for whoever the policy lets approve. */
export function approvalTools({
  approvals,
  standings,
}: ApprovalComponents): readonly BuiltinTool[] {
  return [
    defineTool({
      name: 'approval_list',
      title: 'List approvals',
      description:
        'What waits for the approval of a person, newest first; with `all`, also what is over.',
      input: z.object({ all: z.boolean().optional().describe('Also those that are over.') }),
      hints: { readOnlyHint: true },
      operatorOnly: false,
      run(input, { principal }): ApprovalListResult {
        checkMayLook(standings, principal);
        const found = approvals.list(input.all === true ? undefined : 'pending');
        return { approvals: found.slice(0, LISTED_MAX).map(summarise) };
      },
    }),
    defineTool({
      name: 'approval_answer',
      title: 'Answer an approval',
      description:
        'Approves or denies what waits for a person. Only a person should decide it: never answer on your own.',
      input: z.object({
        id: z.string().min(4).max(64).describe('Its id, or at least 4 characters of it.'),
        approve: z.boolean().describe('true: it may go on; false: it may not.'),
        reason: z.string().max(500).optional().describe('Told to who asked, and kept.'),
      }),
      hints: { destructiveHint: true },
      operatorOnly: false,
      async run(input, { principal, session }): Promise<ApprovalAnswerResult> {
        const by: Voter = {
          principal,
          via: 'tool',
          ...(session === undefined ? {} : { session }),
        };
        const { id, approve, reason } = input;
        const approval = await (approve
          ? approvals.approve(id, by, reason)
          : approvals.deny(id, by, reason));
        return { approval: summarise(approval) };
      },
    }),
  ];
}

function checkMayLook(standings: Standings, principal: Principal): void {
  if (standings.of(principal).mayApprove) return;
  throw new StarlingError(
    'STARLING_CALL_REFUSED',
    `${nameOf(principal)} may not see what waits for approval`,
    { hint: 'its operator can let it: may_approve in the policy file' },
  );
}

function summarise(approval: Approval): ApprovalSummary {
  const { principal, permission, argsHash: _, session: __, ...rest } = approval;
  return {
    ...rest,
    who: nameOf(principal),
    ...(permission === undefined
      ? {}
      : {
          agentId: permission.agentId,
          capabilities: permission.capabilities,
          lifetimeMs: permission.lifetimeMs,
        }),
  };
}
