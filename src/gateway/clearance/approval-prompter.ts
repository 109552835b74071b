/**
 * Shows what waits for an approval to the person who owns the node, by the clients that this person sits
 * before and that can show a form. Never to a peer, never in the session that made the call, and never in
 * a client about what that client wants: a model there could be the one who fills it in.
 */
import { createSemaphore } from '../../core/index.ts';
import type { Clock } from '../../core/index.ts';
import { OPERATOR, isSameClient, nameOf } from '../../guard/index.ts';
import type { Answerer, Approval, Approvals, Principal } from '../../guard/index.ts';
import { answerOf, formOf, showsApprovals } from './approval-form.ts';
import type { AskableClient } from '../channel-types.ts';

/** What the approval prompter works with. */
export interface ApprovalPrompterComponents {
  readonly approvals: Pick<Approvals, 'attach'>;
  readonly clock: Clock;
}

/** Asks the operator's clients. */
export interface ApprovalPrompter {
  /**
   * Asks the person before `client` from now on, if it shows forms; `principal` is who is attached
   * there. Gives what to call when the client has gone.
   */
  attach(client: AskableClient, principal: Principal): () => void;
}

/**
 * Forms that one client shows at a time; the others wait, as many as there are approvals. Calls never wait behind requests for
 * a grant, which anybody may make.
 */
const SHOWN_MAX = { call: 16, permission: 4 };
const NOTHING = (): void => undefined;

/** Makes the approval prompter of the node called `self`. */
export function createApprovalPrompter(
  { approvals, clock }: ApprovalPrompterComponents,
  { self }: { readonly self: string },
): ApprovalPrompter {
  const ask = async (
    client: AskableClient,
    approval: Approval,
    { signal, principal }: { readonly signal: AbortSignal; readonly principal: Principal },
  ): ReturnType<Answerer> => {
    const form = formOf(approval, { self, nowMs: clock.now() });
    const answer = answerOf(await client.ask('elicitation/create', form, signal));
    if (answer === undefined) return undefined;
    const { session } = client;
    const at = principal.kind === 'client' ? { at: nameOf(principal) } : {};
    return { ...answer, by: { principal: OPERATOR, via: 'elicitation', session, ...at } };
  };
  return {
    attach(client, principal) {
      if (!showsApprovals(client.client.capabilities)) return NOTHING;
      const queues = {
        call: createSemaphore(SHOWN_MAX.call),
        permission: createSemaphore(SHOWN_MAX.permission),
      };
      return approvals.attach(async (approval, signal) => {
        const isItsSession = approval.session === client.session;
        if (isItsSession || isSameClient(principal, approval.principal)) return undefined;
        const queue = queues[approval.kind];
        if (!(await queue.take(signal))) return undefined;
        try {
          return await ask(client, approval, { signal, principal });
        } finally {
          queue.give();
        }
      });
    },
  };
}
