/** Whether a call that is under way may go on, when grants or the policy have changed meanwhile. */
import type { Decision, Principal } from '../../guard/index.ts';
import type { Active } from './call.ts';
import type { Router } from '../catalog/router.ts';
import { argumentsOf } from './request-target.ts';

/**
 * Why the call may not go on; undefined when it may. It is judged with its arguments, if it was before.
 * That it needs an approval does not end one that waits for it or has it, only one that began without.
 */
export function refusedNow(
  { wanted, judgedBy, request }: Active,
  principal: Principal,
  router: Pick<Router, 'judge'>,
): Extract<Decision, { allow: false }> | undefined {
  if (wanted === undefined) return undefined;
  const args = judgedBy === undefined ? {} : { args: argumentsOf(principal, request) };
  const decision = router.judge(principal, { ...wanted, ...args });
  if (decision.allow) return undefined;
  return decision.ask !== undefined && judgedBy !== 'guard' ? undefined : decision;
}
