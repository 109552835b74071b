/** The tools by which a person sees what waits for an approval, and answers it. */
import { z } from 'zod';
import { ID_PART_WORDS, StarlingError, meantById, noSuchId } from '../core/index.ts';
import type { Clock } from '../core/index.ts';
import { answerOf, defineTool, formOf, revealInvisible } from '../gateway/index.ts';
import type { BuiltinContext, BuiltinTool } from '../gateway/index.ts';
import { OPERATOR, hasPerson, isSameClient, nameOf } from '../guard/index.ts';
import type { Approval, Approvals, Principal, CallerRulesLookup, Voter } from '../guard/index.ts';
import type {
  ApprovalAnswerResult,
  ApprovalAskResult,
  ApprovalListResult,
  ApprovalSummary,
} from './results.ts';

/** What the approval tools need. */
export interface ApprovalComponents {
  readonly approvals: Pick<Approvals, 'approve' | 'deny' | 'events' | 'find' | 'list'>;
  readonly callerRules: CallerRulesLookup;
  readonly clock: Clock;
}

/** Approvals of one answer. */
const LISTED_MAX = 200;

/** `approval_list` and `approval_answer`, for whoever the policy lets approve, and `approval_ask`. */
export function approvalTools({
  approvals,
  callerRules,
  clock,
}: ApprovalComponents): readonly BuiltinTool[] {
  return [
    defineTool({
      name: 'approval_list',
      title: 'List approvals',
      description:
        'What waits for the approval of a person, newest first; with `all`, also what is over.',
      input: z.object({ all: z.boolean().optional().describe('Also those that are over.') }),
      hints: { readOnlyHint: true },
      clients: 'no',
      peers: 'granted',
      run(input, { principal }): ApprovalListResult {
        checkMayLook(callerRules, principal);
        const found = approvals.list(input.all === true ? undefined : 'pending');
        return { approvals: found.slice(0, LISTED_MAX).map(summarise) };
      },
    }),
    defineTool({
      name: 'approval_answer',
      title: 'Answer an approval',
      description:
        'Approves or denies what waits for a person. Only a person should decide it: never answer on your own. Without `approve` the person before your client is asked, where it shows forms.',
      input: z.object({
        id: z.string().min(1).max(64).describe(`Its id, ${ID_PART_WORDS}.`),
        approve: z
          .boolean()
          .optional()
          .describe('true: it may go on; false: it may not. Left out: the person is asked.'),
        reason: z.string().max(500).optional().describe('Told to who asked, and kept.'),
      }),
      hints: { destructiveHint: true },
      clients: 'no',
      dashboard: true,
      peers: 'granted',
      async run(input, context): Promise<ApprovalAnswerResult> {
        const { principal, session } = context;
        const by: Voter = {
          principal,
          via: 'tool',
          ...(session === undefined ? {} : { session }),
        };
        const { id, approve, reason } = await answerBy(input, approvals, context, clock);
        const approval = await (approve
          ? approvals.approve(id, by, reason)
          : approvals.deny(id, by, reason));
        return { approval: summarise(approval) };
      },
    }),
    askTool({ approvals, callerRules, clock }),
  ];
}

/** The tool by which a client of the stateless era, which nobody can ask, shows a form by its own call. */
function askTool({ approvals, clock }: ApprovalComponents): BuiltinTool {
  return defineTool({
    name: 'approval_ask',
    title: 'Ask the person about an approval',
    description:
      'Shows the person before your client what waits for an approval, as a form that this person fills in; you neither see nor answer it. Without `id`: what has waited longest.',
    input: z.object({
      id: z.string().min(1).max(64).optional().describe(`Its id, ${ID_PART_WORDS}.`),
    }),
    hints: { destructiveHint: false },
    clients: 'yes',
    async run({ id }, context): Promise<ApprovalAskResult> {
      const { principal, session } = context;
      if (!hasPerson(principal)) throw nobodyThere(principal);
      const waiting = approvals.list('pending').filter((one) => !isOwn(one, context));
      const approval = id === undefined ? waiting.at(-1) : waitingBy(id, waiting);
      if (approval === undefined) return { asked: false };
      const answer = await askPerson(approval, approvals, context, clock);
      const by: Voter = {
        principal: OPERATOR,
        via: 'elicitation',
        ...(session === undefined ? {} : { session }),
        ...(principal.kind === 'client' ? { at: nameOf(principal) } : {}),
      };
      const { state } = await (answer.approve
        ? approvals.approve(answer.id, by, answer.reason)
        : approvals.deny(answer.id, by, answer.reason));
      return { asked: true, id: approval.id, state };
    },
  });
}

/** @throws STARLING_APPROVAL_UNKNOWN for an id that may mean more than one */
function waitingBy(id: string, waiting: readonly Approval[]): Approval | undefined {
  const meant = meantById(id, waiting, (one) => one.id);
  if ('found' in meant) return meant.found;
  if (meant.why === 'none') return undefined;
  throw new StarlingError('STARLING_APPROVAL_UNKNOWN', noSuchId(id, meant.why, 'approval'), {
    hint: 'leave it out to be asked about what has waited longest',
  });
}

/** What a client wants itself is not asked of the person through that client. */
function isOwn(approval: Approval, { principal, session }: BuiltinContext): boolean {
  const isItsSession = approval.session !== undefined && approval.session === session;
  return isItsSession || isSameClient(principal, approval.principal);
}

function nobodyThere(principal: Principal): StarlingError {
  return new StarlingError(
    'STARLING_CALL_REFUSED',
    `nobody who may approve sits before ${nameOf(principal)}`,
    { hint: 'the operator answers in a terminal: starling approvals' },
  );
}

interface Input {
  readonly id: string;
  readonly approve?: boolean | undefined;
  readonly reason?: string | undefined;
}

/** The answer that was given, or else that of the person before the client. @throws STARLING_USAGE */
async function answerBy(
  input: Input,
  approvals: ApprovalComponents['approvals'],
  context: BuiltinContext,
  clock: Clock,
): Promise<Answer> {
  const { approve, reason } = input;
  const { principal, session } = context;
  if (approve !== undefined) {
    return { id: input.id, approve, ...(reason === undefined ? {} : { reason }) };
  }
  if (context.elicit === undefined || principal.kind !== 'operator') {
    throw new StarlingError('STARLING_USAGE', 'say whether you approve: nobody else is asked here');
  }
  const approval = approvals.find(input.id);
  if (approval.session !== undefined && approval.session === session) {
    const text = 'a session does not approve what it asks for itself';
    throw new StarlingError('STARLING_CALL_REFUSED', text, {
      hint: 'answer in a terminal: starling approvals',
    });
  }
  return askPerson(approval, approvals, context, clock);
}

interface Answer {
  readonly id: string;
  readonly approve: boolean;
  readonly reason?: string;
}

/** What the person before the client says of `approval`, by a form. @throws STARLING_CALL_REFUSED */
async function askPerson(
  approval: Approval,
  approvals: ApprovalComponents['approvals'],
  context: BuiltinContext,
  clock: Clock,
): Promise<Answer> {
  const { id } = approval;
  // What is over takes no answer, and says so.
  if (approval.state !== 'pending') return { id, approve: false };
  const over = new AbortController();
  const closed = (one: Approval): void => {
    if (one.id === id) over.abort();
  };
  approvals.events.on('closed', closed);
  try {
    const form = formOf(approval, { nowMs: clock.now() });
    const signal = AbortSignal.any([context.signal, over.signal]);
    const result = await context.elicit?.(id, form, signal);
    const answer = answerOf(result);
    if (answer !== undefined) return { id, ...answer };
    if (over.signal.aborted) return { id, approve: false };
    throw new StarlingError('STARLING_CALL_REFUSED', 'the person has not decided; it waits on', {
      hint: 'see what waits: starling approvals',
    });
  } finally {
    approvals.events.off('closed', closed);
  }
}

function checkMayLook(callerRules: CallerRulesLookup, principal: Principal): void {
  if (callerRules.of(principal).mayApprove) return;
  throw new StarlingError(
    'STARLING_CALL_REFUSED',
    `${nameOf(principal)} may not see what waits for approval`,
    { hint: 'its operator can let it: may_approve in the policy file' },
  );
}

function summarise(approval: Approval): ApprovalSummary {
  const {
    principal,
    permission,
    argsHash: _,
    session: __,
    args,
    justification,
    ...rest
  } = approval;
  return {
    ...rest,
    ...(args === undefined ? {} : { args: revealInvisible(args) }),
    ...(justification === undefined ? {} : { justification: revealInvisible(justification) }),
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
