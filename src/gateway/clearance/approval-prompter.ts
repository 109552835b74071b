/**
 * Shows what waits for an approval to the operator's clients that can show a form. Never to a peer, and
 * never in the session that made the call: a model there could be the one who fills it in.
 */
import type { Clock } from '../../core/index.ts';
import { OPERATOR } from '../../guard/index.ts';
import type { Answerer, Approval, Approvals } from '../../guard/index.ts';
import { answerOf, formOf, showsForms } from './approval-form.ts';
import type { AskableClient } from '../types.ts';

/** What the desk works with. */
export interface ApprovalPrompterComponents {
  readonly approvals: Pick<Approvals, 'attach'>;
  readonly clock: Clock;
}

/** Where clients of the operator are asked. */
export interface ApprovalPrompter {
  /** Asks `client` from now on, if it can answer; gives what ends that. */
  attach(client: AskableClient): () => void;
}

/**
 * Forms that one client shows at a time; the others wait their turn. Calls never wait behind requests for
 * a grant, which anybody may make.
 */
const SHOWN_MAX = { call: 16, permission: 4 };
const NOTHING = (): void => undefined;

/** Makes the desk of the node called `self`. */
export function createApprovalPrompter(
  { approvals, clock }: ApprovalPrompterComponents,
  { self }: { readonly self: string },
): ApprovalPrompter {
  const ask = async (
    client: AskableClient,
    approval: Approval,
    signal: AbortSignal,
  ): ReturnType<Answerer> => {
    const form = formOf(approval, { self, nowMs: clock.now() });
    const answer = answerOf(await client.ask('elicitation/create', form, signal));
    if (answer === undefined) return undefined;
    const { session } = client;
    return { ...answer, by: { principal: OPERATOR, via: 'elicitation', session } };
  };
  return {
    attach(client) {
      if (!showsForms(client.client.capabilities)) return NOTHING;
      const queues = {
        call: createLoopTurns(SHOWN_MAX.call),
        permission: createLoopTurns(SHOWN_MAX.permission),
      };
      return approvals.attach(async (approval, signal) => {
        if (approval.session === client.session) return undefined;
        const turns = queues[approval.kind];
        if (!(await turns.take(signal))) return undefined;
        try {
          return await ask(client, approval, signal);
        } finally {
          turns.give();
        }
      });
    },
  };
}

interface LoopTurns {
  /** Resolves when it is its turn; with false when `signal` was aborted first. */
  take(signal: AbortSignal): Promise<boolean>;
  give(): void;
}

/** Lets `max` go at a time, in the order in which they came. Who waits is bounded by the approvals. */
function createLoopTurns(max: number): LoopTurns {
  const waiting = new Set<() => void>();
  let free = max;
  return {
    take(signal) {
      if (signal.aborted) return Promise.resolve(false);
      if (free > 0) {
        free -= 1;
        return Promise.resolve(true);
      }
      return new Promise((resolve) => {
        const gone = (): void => {
          waiting.delete(next);
          resolve(false);
        };
        const next = (): void => {
          signal.removeEventListener('abort', gone);
          resolve(true);
        };
        waiting.add(next);
        signal.addEventListener('abort', gone, { once: true });
      });
    },
    give() {
      const [next] = waiting;
      if (next === undefined) {
        free += 1;
        return;
      }
      waiting.delete(next);
      next();
    },
  };
}
