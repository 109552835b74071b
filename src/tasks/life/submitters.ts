/** By whose right a task is done, and who its submitter is, also at another node than that of the submit. */
import type { Did } from '../../core/index.ts';
import { senderKey, sendersIn } from '../../agents/index.ts';
import { chainOf, keyOf, readLink } from '../../guard/index.ts';
import type { Principal } from '../../guard/index.ts';
import type { TaskOrder, TaskRow } from '../types.ts';

/** What reads links. */
export interface SubmittersComponents {
  readonly self: { readonly did: Did };
  /** Who is meant by a link of a sender (`chainOf`). */
  principalOf(this: void, link: string): Principal;
}

/** Whom the guard sees where this node goes on with a task of another: its name is no name of a client. */
const ON_BEHALF = 'task:durable';
/** It writes to agents, and does nothing else. */
const TO_AGENTS: readonly string[] = Object.freeze(['agent:*', 'agent:@*/*']);

/** How an order names its submitter: a durable one so that other nodes can read it. */
export function submitterKey(principal: Principal, { did }: { readonly did: Did }): string {
  return chainOf(principal, did).join('\n');
}

/**
 * By whose right a task goes to agents: the submitter's; of another node's durable task that one's and this node's, so
 * that nobody gets by it what only one of the two may do.
 */
export function principalOfOrder(
  { durable, submitter }: Pick<TaskOrder, 'durable' | 'submitter'>,
  { self, principalOf }: SubmittersComponents,
): Principal {
  const links = sendersIn(submitter);
  const [first = '', ...others] = links;
  if (durable !== undefined && homeOf(submitter) !== self.did) {
    const worksFor = links.map((link) => principalOf(link));
    return { kind: 'client', name: ON_BEHALF, scopes: TO_AGENTS, worksFor };
  }
  const principal = principalOf(first);
  if (others.length === 0 || principal.kind !== 'client') return principal;
  return { ...principal, worksFor: others.map((link) => principalOf(link)) };
}

/** Whether `principal` has submitted it, or may do what its submitter may as the operator here. */
export function isSubmitter(
  principal: Principal,
  { durable, submitter }: Pick<TaskOrder, 'durable' | 'submitter'>,
  self: { readonly did: Did },
): boolean {
  if (principal.kind === 'operator') return true;
  const key = durable === undefined ? senderKey(principal) : submitterKey(principal, self);
  return sendersIn(key)[0] === sendersIn(submitter)[0];
}

/** Whether `principal` may see a task: its submitter, who has it or had it, and the operator. */
export function maySee(
  principal: Principal,
  { attempts, order }: Pick<TaskRow, 'attempts' | 'order'>,
  self: { readonly did: Did },
): boolean {
  if (isSubmitter(principal, order, self)) return true;
  // Whoever announces the name of an agent that has retired has had none of its tasks.
  return attempts.some(({ did, owner }) =>
    did === self.did
      ? owner === keyOf(principal)
      : principal.kind === 'peer' && principal.did === did,
  );
}

/** The node that has vouched for the submitter of a durable task. */
export function homeOf(submitter: string): Did | undefined {
  const link = readLink(sendersIn(submitter)[0] ?? '');
  return link?.node ?? link?.did;
}
